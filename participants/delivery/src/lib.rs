//! Delivery: courier slots, and what becomes of an order on its way to its user.
//!
//! Everything that changes a slot or a delivery passes the one loop (`decider`), from commands, events and
//! HTTP alike, so that replicas never send the same courier to two orders at once.

mod booking;
pub mod commands;
mod decider;
mod delivery;
mod http;
mod recipient;
mod retention;
mod slot;

use std::sync::Arc;

use contracts::Event;
use contracts::delivery::{DeliveryCancelled, OrderReceived, OrderSent};
use contracts::user::ProfileChanged;
use messaging::rights::Work;
use messaging::{LOOP_CONNECTIONS, Pools, Publisher, Source, outbox};
use service::database::{self, Pool};
use service::{House, Part, StartError};

pub use booking::{Booking, BookingState, Place};
pub use decider::{Command, Deliveries, Input, Keys, MoveRefusal, Set};
pub use delivery::{Delivery, Destination, Parcel, State};
pub use recipient::Recipient;
pub use slot::{Hour, Slot};

/// This service's name.
pub const SERVICE: &str = "delivery";

/// Connections for everything that only looks, and for the outbox.
const READERS: u32 = 4;
/// Connections to its database that one process of it has at most.
pub const CONNECTIONS: u32 = LOOP_CONNECTIONS + READERS;

/// What clients can ask for: known without starting the service.
pub fn public_api() -> utoipa::openapi::OpenApi {
    http::public().into_openapi()
}

/// The events that it tells of.
const TOLD: &[&str] = &[OrderSent::TYPE, OrderReceived::TYPE, DeliveryCancelled::TYPE];

/// What the loops read.
pub fn sources() -> Vec<Source> {
    vec![Source::commands(SERVICE), Source::events(SERVICE, &[ProfileChanged::TYPE])]
}

/// What it does on the road.
pub fn work() -> Work {
    Work::of(SERVICE).reads(sources()).answers().tells(TOLD)
}

/// Starts the service: its loops in the house's tasks, its routes for the house's listeners.
///
/// # Errors
/// The database is not configured or refuses.
pub async fn start(house: &House) -> Result<Part, StartError> {
    let runtime = house.runtime();
    let writer = house.database(SERVICE, Pool::Writer, LOOP_CONNECTIONS).await?;
    let reader = house.database(SERVICE, Pool::Reader, READERS).await?;
    let bus = house.bus(SERVICE).await?;
    let publisher = Publisher::start(SERVICE, bus.clone(), writer.clone(), &runtime);
    outbox::start_relay(SERVICE, bus.clone(), reader.clone(), publisher.clone(), None, &runtime);
    let rules = Deliveries { couriers: house.config.business.delivery_couriers };
    let pools = Pools { writer: &writer, reader: &reader };
    let deliveries =
        messaging::start(rules, pools, &bus, &publisher, sources(), house.loop_limits(), &runtime);
    retention::start(reader.clone(), &runtime);
    let ready = vec![database::ready("database", &reader)];
    let desk = Arc::new(http::Desk { deliveries, reader });
    Ok(Part { public: http::public().with_state(desk), ready, ..Part::new(SERVICE) })
}
