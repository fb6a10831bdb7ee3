//! The orchestrator: orders and the sagas that carry them out. `order/` is the workflow, `manager/`
//! what runs any workflow.

mod manager;
pub mod metric_names;
pub mod order;

use std::sync::Arc;
use std::time::Duration;

use chrono::TimeDelta;
use contracts::Event;
use contracts::order::{OrderCancelled, OrderConfirmed, OrderRejected};
use messaging::rights::Work;
use messaging::{LoopLimits, Publisher, idempotency, outbox, topology, watch};
use service::database::{self, Pool};
use service::{House, Part, StartError};

use manager::Operated;
pub use manager::{UnknownVersion, Workflow, WorkflowManager, simulation};
pub use order::{CancellationWorkflow, CancellationWorkflowManager, OrderWorkflow, OrderWorkflowManager};

/// This service's name.
pub const SERVICE: &str = "orchestrator";

/// Connections for the loops of the workflows.
const WRITERS: u32 = 2 * messaging::LOOP_CONNECTIONS;
/// Connections for everything that only looks.
const READERS: u32 = 8;
/// Connections to its database that one process of it has at most.
pub const CONNECTIONS: u32 = WRITERS + READERS;
/// How long answers of tail steps gather. Participants gather 50 ms themselves: with three times that most sagas
/// find all their answers in one batch, and are written once (docs/performance.md).
const TAIL_GATHER: Duration = Duration::from_millis(150);
/// The least time between two small batches of what somebody waits for. Every one of them makes a batch at each
/// participant that it asks, so a load that keeps batches small costs a third less by it, and is decided no later
/// (docs/performance.md).
const PACE: Duration = Duration::from_millis(6);
/// Batches of commands' answers that make one of tail steps' answers, which come from three participants.
const TAIL_BATCHES: usize = 8;

/// What clients can ask for: known without starting the service.
pub fn public_api() -> utoipa::openapi::OpenApi {
    order::public().into_openapi()
}

/// The events that it tells of.
const TOLD: &[&str] = &[OrderConfirmed::TYPE, OrderRejected::TYPE, OrderCancelled::TYPE];

/// What it does on the road.
pub fn work() -> Work {
    let workflows = simulation::names();
    let work = Work::of(SERVICE).tells(TOLD).makes(&topology::events()).wakes(workflows);
    work.reads(simulation::all_sources()).asks(simulation::all_participants())
}

/// Starts the service: its loops and clock in the house's tasks, its routes for the house's listeners.
///
/// # Errors
/// The database is not configured or refuses, or open sagas use a version unknown here.
pub async fn start(house: &House) -> Result<Part, StartError> {
    messaging::describe(metric_names::ALL);
    let runtime = house.runtime();
    let writer = house.database(SERVICE, Pool::Writer, WRITERS).await?;
    let reader = house.database(SERVICE, Pool::Reader, READERS).await?;
    let bus = house.bus(SERVICE).await?;
    let asked = simulation::all_participants();
    let their_streams = asked.iter().copied().map(topology::commands_of).collect();
    let publisher = Publisher::start_making(their_streams, SERVICE, bus.clone(), writer.clone(), &runtime);
    watch::participants(SERVICE, asked, &bus, &runtime);
    let events = Some(topology::events());
    outbox::start_relay(SERVICE, bus.clone(), reader.clone(), publisher.clone(), events, &runtime);
    let kept = TimeDelta::days(house.config.business.saga_retention_days.into());
    manager::start_removing(kept, reader.clone(), &runtime);
    // A request is remembered longer than the saga that it began.
    idempotency::start_forgetting(SERVICE, kept + idempotency::KEPT_MIN, reader.clone(), &runtime);
    let business = &house.config.business;
    let bounds = manager::Bounds {
        open_sagas_max: business.open_sagas_max,
        decided_within: Duration::from_millis(business.decided_within_ms.into()),
    };
    let admission = manager::Admission::start(bounds, reader.clone(), &runtime);
    let pauses = unless_told_to_stop(house, manager::Pauses::start(reader.clone(), &runtime)).await??;
    let parts = manager::Parts {
        process: manager::process_name(),
        bus: &bus,
        publisher,
        writer,
        reader: reader.clone(),
        admission: admission.clone(),
        pauses: Arc::clone(&pauses),
        limits: limits(house),
        runtime: &runtime,
    };
    let orders = unless_told_to_stop(house, OrderWorkflowManager::start(parts.clone())).await?;
    let orders = orders.map_err(cannot_start)?;
    let cancellations = unless_told_to_stop(house, CancellationWorkflowManager::start(parts)).await?;
    let cancellations = cancellations.map_err(cannot_start)?;
    let workflows: [Arc<dyn Operated>; 2] = [Arc::new(orders.clone()), Arc::new(cancellations.clone())];
    manager::start_census(simulation::names(), &reader, &runtime);
    debug_assert_eq!(workflows.each_ref().map(|workflow| workflow.name())[..], simulation::names());
    let sagas = manager::Sagas { reader: reader.clone(), workflows: Arc::new(workflows), pauses };
    let currency = house.config.business.currency.clone();
    Ok(Part {
        name: SERVICE,
        public: order::routes(orders, cancellations, admission, currency, house.draining.clone()),
        internal: manager::routes(sagas),
        // NATS is no reason to be sent no orders: they are taken and wait.
        ready: vec![database::ready("database", &reader)],
    })
}

/// What waits for the database does not keep a process that is to stop.
async fn unless_told_to_stop<T>(house: &House, starting: impl Future<Output = T>) -> Result<T, StartError> {
    // On the heap: the futures of a whole start are large.
    house.leaving.run_until_cancelled(Box::pin(starting)).await.ok_or(StartError::ShutDown)
}

fn cannot_start(error: manager::ManagerError) -> StartError {
    match error {
        manager::ManagerError::Database(error) => StartError::Database(error),
        manager::ManagerError::Version(error) => StartError::Other(error.into()),
    }
}

fn limits(house: &House) -> LoopLimits {
    let limits = house.loop_limits();
    let is_batched = limits.batch_inputs_max > 1;
    let patient_inputs_max = if is_batched { TAIL_BATCHES * limits.batch_inputs_max } else { 1 };
    LoopLimits { gather_max: TAIL_GATHER, pace: PACE, patient_inputs_max, ..limits }
}
