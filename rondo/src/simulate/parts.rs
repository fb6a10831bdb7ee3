//! Who plays: every service that takes part in a workflow, with its real rules, and its own tables.

use std::sync::Arc;

use billing::Billing;
use chrono::TimeDelta;
use delivery::Deliveries;
use messaging::rows::memory::Database;
use messaging::{Decider, Source};
use notification::Notification;
use orchestrator::simulation::KnownPauses;
use stock::Stock;

use super::clock::Clock;
use super::ids::Ids;
use super::managed::{Managed, managers};
use super::service::{Heard, Loops, PROCESSES, Service};

/// In every hour: few, so that some orders find none.
const COURIERS: u32 = 3;

/// The databases, one a service.
#[derive(Debug, Clone, Default)]
pub(super) struct Databases {
    pub(super) orchestrator: Database,
    pub(super) billing: Database,
    pub(super) stock: Database,
    pub(super) delivery: Database,
    pub(super) notification: Database,
}

/// What all parts share.
#[derive(Debug, Clone)]
pub(super) struct Stage {
    pub(super) databases: Databases,
    pub(super) clock: Clock,
    pub(super) ids: Ids,
    pub(super) hold_life: TimeDelta,
    /// By how many microseconds the clocks of first and second processes are wrong.
    pub(super) skews: [i64; PROCESSES],
}

/// A service and where its inputs come from.
pub(super) struct Part {
    /// The processes that it runs in: with others of the same house.
    pub(super) house: &'static str,
    pub(super) sources: Vec<Source>,
    pub(super) service: Box<dyn Service>,
}

/// Everybody, in an order that stays; workflows first.
pub(super) struct Cast {
    pub(super) parts: Vec<Part>,
    pub(super) managed: Vec<Managed>,
    /// What each process of the orchestrator knows of pauses.
    pub(super) pauses: Vec<Arc<KnownPauses>>,
}

/// The services as they are.
pub(super) fn cast(stage: &Stage) -> Cast {
    let pauses: Vec<Arc<KnownPauses>> = (0..PROCESSES).map(|_| Arc::default()).collect();
    let (mut parts, managed) = managers(stage, &pauses);
    let databases = &stage.databases;
    let billing = || Billing::new(stage.hold_life);
    let letters = || Notification { currency: "RUB".to_owned() };
    let deliveries = || Deliveries { couriers: COURIERS };
    parts.push(participant(stage, billing, &databases.billing, billing::sources(), heard));
    parts.push(participant(stage, Stock::default, &databases.stock, stock::sources(), heard_of_stock));
    parts.push(participant(stage, deliveries, &databases.delivery, delivery::sources(), heard));
    let (database, sources) = (&databases.notification, notification::sources());
    parts.push(participant(stage, letters, database, sources, |()| Heard::Done));
    Cast { parts, managed, pauses }
}

/// A participant by its rules, which each of its processes has of its own.
pub(super) fn participant<D: Decider>(
    stage: &Stage,
    rules: impl Fn() -> D,
    database: &Database,
    sources: Vec<Source>,
    hear: fn(&D::Answer) -> Heard,
) -> Part {
    let deciders = (0..PROCESSES).map(|_| rules());
    let loops = Loops::new(deciders, database.clone(), stage, hear);
    Part { house: D::SERVICE, sources, service: Box::new(loops) }
}

pub(super) fn heard<T, E>(answer: &Result<T, E>) -> Heard {
    if answer.is_ok() { Heard::Done } else { Heard::Refused }
}

fn heard_of_stock(answer: &stock::Answer) -> Heard {
    match answer {
        stock::Answer::Reserved(reserved) => heard(reserved),
        stock::Answer::Put(put) => heard(put),
    }
}
