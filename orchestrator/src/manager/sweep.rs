//! The manager's clock: once a second, sagas whose wake time is reached are given that input. Asking
//! again is bounded, and spared to participants that still have messages to read.

use std::collections::HashSet;
use std::time::Duration;

use messaging::{Bus, Handle, Runtime};
use sea_orm::{ConnectionTrait, DatabaseBackend, DatabaseConnection, DbErr, Statement, Value};
use tokio::time::MissedTickBehavior;
use uuid::Uuid;

use super::Workflow;
use super::decider::{Input, ManagerDecider};

const SWEEP_EVERY: Duration = Duration::from_secs(1);
/// Sagas woken in one sweep, so that a participant that comes back is not flooded.
const WOKEN_MAX: u64 = 1_000;

/// Starts the sweep of a workflow.
pub(crate) fn start<W: Workflow>(
    handle: Handle<ManagerDecider<W>>,
    bus: Bus,
    db: DatabaseConnection,
    runtime: &Runtime,
) {
    let shutdown = runtime.shutdown.clone();
    runtime.tasks.spawn(async move {
        let mut ticks = tokio::time::interval(SWEEP_EVERY);
        ticks.set_missed_tick_behavior(MissedTickBehavior::Delay);
        while shutdown.run_until_cancelled(ticks.tick()).await.is_some() {
            match due::<W>(&bus, &db).await {
                Ok(sagas) => {
                    for saga_id in sagas {
                        handle.submit(Input::Advance(saga_id, saga::Input::Wake)).await;
                    }
                }
                Err(error) => tracing::debug!(%error, "the sweep found no database; again in a second"),
            }
        }
    });
}

/// The sagas to wake: those that wait for nobody who is busy, and those whose deadline has passed.
async fn due<W: Workflow>(bus: &Bus, db: &DatabaseConnection) -> Result<Vec<Uuid>, DbErr> {
    let waited_for = waited_for::<W>(db).await?;
    if waited_for.is_empty() {
        return Ok(Vec::new());
    }
    let busy = busy(bus, &waited_for).await;
    let is_free = |list: &String| !list.split(',').any(|name| busy.contains(name));
    let free: Vec<String> = waited_for.iter().filter(|list| is_free(list)).cloned().collect();
    let sql = format!(
        "SELECT saga_id FROM sagas WHERE finished_at IS NULL AND workflow = $1 AND wake_at <= now() \
         AND (waits_for = ANY($2) OR deadline_at <= now()) ORDER BY wake_at LIMIT {WOKEN_MAX}"
    );
    let values: [Value; 2] = [W::NAME.into(), free.into()];
    let rows =
        db.query_all_raw(Statement::from_sql_and_values(DatabaseBackend::Postgres, sql, values)).await?;
    rows.iter().map(|row| row.try_get_by_index(0)).collect()
}

/// The participants, or lists of them, that due sagas wait for.
async fn waited_for<W: Workflow>(db: &DatabaseConnection) -> Result<Vec<String>, DbErr> {
    let sql = "SELECT DISTINCT waits_for FROM sagas \
               WHERE finished_at IS NULL AND workflow = $1 AND wake_at <= now()";
    let statement = Statement::from_sql_and_values(DatabaseBackend::Postgres, sql, [Value::from(W::NAME)]);
    db.query_all_raw(statement).await?.iter().map(|row| row.try_get_by_index(0)).collect()
}

/// Of these the ones that still have messages to read. A lost stream shows none, so it is refilled.
async fn busy<'a>(bus: &Bus, waited_for: &'a [String]) -> HashSet<&'a str> {
    let names: HashSet<&str> =
        waited_for.iter().flat_map(|list| list.split(',')).filter(|n| !n.is_empty()).collect();
    let mut busy = HashSet::new();
    for name in names {
        if bus.backlog_of(name).await > 0 {
            busy.insert(name);
        }
    }
    busy
}
