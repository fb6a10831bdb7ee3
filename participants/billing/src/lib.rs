//! Billing: accounts, holds on them, and a double-entry ledger. Money is never created, lost or spent
//! twice: every change of a balance is an entry whose two postings sum to zero, every hold ends once.
//!
//! The rules are pure functions over [`Set`], one file a command; [`start`] puts them on the one loop.

pub mod account;
mod billing;
pub mod commands;
mod derived_id;
pub mod entry;
pub mod hold;
mod http;
pub mod metric_names;
mod once;
#[cfg(test)]
mod sample;
mod set;
mod store;
mod sweep;

use std::sync::Arc;
use std::time::Duration;

use chrono::TimeDelta;
use contracts::Event;
use contracts::user::UserRegistered;
use messaging::rights::Work;
use messaging::{Bus, Decider, Handle, LOOP_CONNECTIONS, Pools, Publisher, Source, idempotency};
use service::database::{self, Pool};
use service::{House, Part, StartError};

pub use billing::{Billing, Input};
pub use once::{AccountView, Booked, Declined};
pub use set::{Keys, Set};

const NAME: &str = Billing::SERVICE;
const READ_CONNECTIONS: u32 = 4;
/// Connections to its database that one process of it has at most.
pub const CONNECTIONS: u32 = LOOP_CONNECTIONS + READ_CONNECTIONS;
/// How often holds that nobody asked for are looked for.
const SWEEP_EVERY: Duration = Duration::from_secs(600);

/// What clients can ask for: known without starting the service.
pub fn public_api() -> utoipa::openapi::OpenApi {
    http::public().into_openapi()
}

/// Starts the service.
///
/// # Errors
/// Its database is not configured, or the process is told to stop.
pub async fn start(house: &House) -> Result<Part, StartError> {
    messaging::describe(metric_names::ALL);
    commands::count_contradictions_from_now();
    let writes = house.database(NAME, Pool::Writer, LOOP_CONNECTIONS).await?;
    let reads = house.database(NAME, Pool::Reader, READ_CONNECTIONS).await?;
    let hold_life = TimeDelta::seconds(house.config.business.hold_seconds.into());
    let billing = Billing::new(hold_life);
    let bus = house.bus(NAME).await?;
    let handle = start_loops(house, &bus, billing, Pools { writer: &writes, reader: &reads });
    let sweep = sweep::Sweep { db: reads.clone(), handle: handle.clone(), hold_life, every: SWEEP_EVERY };
    sweep.start(&house.runtime());
    idempotency::start_forgetting(NAME, idempotency::KEPT_MIN, reads.clone(), &house.runtime());
    let ready = vec![database::ready("database", &reads)];
    let currency = house.config.business.currency.clone();
    let counter = Arc::new(http::Counter { handle, db: reads, currency });
    Ok(Part {
        name: NAME,
        public: http::public().with_state(Arc::clone(&counter)),
        internal: http::internal(&counter),
        ready,
    })
}

fn start_loops(house: &House, bus: &Bus, billing: Billing, pools: Pools<'_>) -> Handle<Billing> {
    let runtime = house.runtime();
    let publisher = Publisher::start(NAME, bus.clone(), pools.writer.clone(), &runtime);
    messaging::start(billing, pools, bus, &publisher, sources(), house.loop_limits(), &runtime)
}

/// What the loops read.
pub fn sources() -> Vec<Source> {
    vec![Source::commands(NAME), Source::events(NAME, &[UserRegistered::TYPE])]
}

/// What it does on the road.
pub fn work() -> Work {
    Work::of(NAME).reads(sources()).answers()
}
