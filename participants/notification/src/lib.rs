//! Notification: writes letters and keeps them. One letter an outcome, in the user's language; nothing
//! is sent, the letters are read over HTTP.

mod commands;
mod contact;
mod decider;
mod http;
mod letter;
mod money;
mod text;

use std::sync::Arc;

use contracts::Event;
use contracts::delivery::{OrderReceived, OrderSent};
use contracts::user::{ProfileChanged, UserRegistered};
use messaging::rights::Work;
use messaging::{LOOP_CONNECTIONS, Pools, Publisher, Source};
use service::database::{self, Pool};
use service::{House, Part, StartError};

pub use contact::{Contact, Language};
pub use decider::{Input, Notification, Set};
pub use letter::{Letter, LetterRequest, Occasion, OrderOutcome};

/// This service's name.
pub const SERVICE: &str = "notification";

/// The events it listens to.
const HEARD: &[&str] = &[UserRegistered::TYPE, ProfileChanged::TYPE, OrderSent::TYPE, OrderReceived::TYPE];

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
    vec![Source::commands(SERVICE), Source::events(SERVICE, HEARD)]
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
    let runtime = house.runtime();
    let writer = house.database(SERVICE, Pool::Writer, LOOP_CONNECTIONS).await?;
    let reader = house.database(SERVICE, Pool::Reader, READERS).await?;
    let bus = house.bus(SERVICE).await?;
    let publisher = Publisher::start(SERVICE, bus.clone(), writer.clone(), &runtime);
    let notification = Notification { currency: house.config.business.currency.clone() };
    // Nobody asks over HTTP for letters to be written: the loops need no handle.
    let _ = messaging::start(
        notification,
        Pools { writer: &writer, reader: &reader },
        &bus,
        &publisher,
        sources(),
        house.loop_limits(),
        &runtime,
    );
    let ready = vec![database::ready("database", &reader)];
    Ok(Part { public: http::public().with_state(Arc::new(reader)), ready, ..Part::new(SERVICE) })
}
