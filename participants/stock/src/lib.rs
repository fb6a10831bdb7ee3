//! Stock: positions, what of them is available, what is reserved for orders and when that is sold.
//!
//! Everything that changes a position passes the one loop (`decider`), from commands and from HTTP
//! alike, so that replicas never sell the same piece twice.

pub mod commands;
mod decider;
mod http;
pub mod metric_names;
mod position;
mod reservation;

use std::sync::Arc;

use contracts::Event;
use contracts::order::OrderConfirmed;
use messaging::rights::Work;
use messaging::{LOOP_CONNECTIONS, Pools, Publisher, Source};
use service::database::{self, Pool};
use service::{House, Part, StartError};

pub use decider::{Answer, Command, Input, Keys, Set, Stock};
pub use position::{MAX_ON_HAND, Position};
pub use reservation::{Reservation, State};

/// This service's name.
pub const SERVICE: &str = "stock";

/// Connections for everything that only looks.
const READERS: u32 = 4;
/// Connections to its database that one process of it has at most.
pub const CONNECTIONS: u32 = LOOP_CONNECTIONS + READERS;

/// What clients can ask for: known without starting the service.
pub fn public_api() -> utoipa::openapi::OpenApi {
    http::public().into_openapi()
}

/// What the loops read.
pub fn sources() -> Vec<Source> {
    vec![Source::commands(SERVICE), Source::events(SERVICE, &[OrderConfirmed::TYPE])]
}

/// What it does on the road.
pub fn work() -> Work {
    Work::of(SERVICE).reads(sources()).answers()
}

/// Starts the service: its loops in the house's tasks, its routes for the house's listeners.
///
/// # Errors
/// The database is not configured or refuses.
pub async fn start(house: &House) -> Result<Part, StartError> {
    messaging::describe(metric_names::ALL);
    commands::sell::count_from_now();
    let runtime = house.runtime();
    let writer = house.database(SERVICE, Pool::Writer, LOOP_CONNECTIONS).await?;
    let reader = house.database(SERVICE, Pool::Reader, READERS).await?;
    let bus = house.bus(SERVICE).await?;
    let publisher = Publisher::start(SERVICE, bus.clone(), writer.clone(), &runtime);
    let pools = Pools { writer: &writer, reader: &reader };
    let stock =
        messaging::start(Stock::default(), pools, &bus, &publisher, sources(), house.loop_limits(), &runtime);
    let ready = vec![database::ready("database", &reader)];
    let shop = Arc::new(http::Shop { stock, reader, currency: house.config.business.currency.clone() });
    Ok(Part {
        name: SERVICE,
        public: http::public().with_state(Arc::clone(&shop)),
        internal: http::internal(&shop),
        ready,
    })
}
