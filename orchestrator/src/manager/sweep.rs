//! The manager's clock: once a second, sagas whose wake time is reached are given that input. Asking
//! again is bounded, and spared to participants that still have messages to read.

use std::collections::HashSet;
use std::sync::Arc;
use std::time::Duration;

use contracts::Timestamp;
use messaging::{Bus, Handle, Runtime, heard};
use saga::PausedBy;
use sea_orm::{ConnectionTrait, DatabaseBackend, DatabaseConnection, DbErr, QueryResult, Statement, Value};
use tokio::time::MissedTickBehavior;
use uuid::Uuid;

use super::Workflow;
use super::admission::Admission;
use super::decider::ManagerDecider;
use super::input::Input;
use super::pauses::PauseRow;
use super::saga_row::SagaRow;

const SWEEP_EVERY: Duration = Duration::from_secs(1);
/// Sagas woken in one sweep, so that a participant that comes back is not flooded.
const WOKEN_MAX: u64 = 1_000;

/// Starts the sweep of a workflow.
pub(crate) fn start<W: Workflow>(
    handle: Handle<ManagerDecider<W>>,
    bus: Bus,
    db: DatabaseConnection,
    admission: Arc<Admission>,
    runtime: &Runtime,
) {
    let shutdown = runtime.shutdown.clone();
    runtime.tasks.spawn(async move {
        let mut ticks = tokio::time::interval(SWEEP_EVERY);
        ticks.set_missed_tick_behavior(MissedTickBehavior::Delay);
        while shutdown.run_until_cancelled(ticks.tick()).await.is_some() {
            if let Err(error) = sweep(&handle, &bus, &db, &admission).await {
                tracing::debug!(%error, "the sweep found no database; again in a second");
            }
        }
    });
}

async fn sweep<W: Workflow>(
    handle: &Handle<ManagerDecider<W>>,
    bus: &Bus,
    db: &DatabaseConnection,
    admission: &Admission,
) -> Result<(), DbErr> {
    for saga_id in heard(due::<W>(bus, db)).await? {
        handle.submit(Input::Advance(saga_id, saga::Input::Wake)).await;
    }
    if admission.has_paused() {
        for (saga_id, resume) in heard(free_again::<W>(db)).await? {
            handle.submit(Input::Advance(saga_id, resume)).await;
        }
    }
    Ok(())
}

/// The sagas that need not stand still any more, with what paused them and why they may go on: their pause has
/// ended, or not all that they wait for is paused (they learned, or were turned back, meanwhile). The latter
/// is just what keeps [`move_saga`](super::moving::move_saga) from pausing them again. Some at a time: who
/// comes back is not flooded; and again every second: who dies in between leaves nobody behind.
async fn free_again<W: Workflow>(db: &DatabaseConnection) -> Result<Vec<(Uuid, saga::Input)>, DbErr> {
    let sql = format!(
        "SELECT saga_id, paused_by, has_ended FROM (SELECT saga_id, paused_by, waits_for, workflow, \
         NOT EXISTS (SELECT FROM pauses WHERE CASE scope \
         WHEN 'workflow' THEN paused_by = 'workflow' AND name = workflow \
         ELSE paused_by = 'participant ' || name END) AS has_ended \
         FROM sagas WHERE finished_at IS NULL AND workflow = $1 AND paused_by <> 'saga') AS paused \
         WHERE has_ended OR (NOT EXISTS (SELECT FROM pauses WHERE scope = 'workflow' AND name = workflow) \
         AND EXISTS (SELECT unnest(string_to_array(waits_for, ',')) \
         EXCEPT SELECT name FROM pauses WHERE scope = 'participant')) ORDER BY saga_id LIMIT {WOKEN_MAX}"
    );
    let statement = Statement::from_sql_and_values(DatabaseBackend::Postgres, sql, [Value::from(W::NAME)]);
    let read = |row: &QueryResult| {
        let word: String = row.try_get_by_index(1)?;
        let paused_by = word.strip_prefix("participant ").map(str::to_owned);
        let paused_by = paused_by.map_or(PausedBy::Workflow, PausedBy::Participant);
        Ok((row.try_get_by_index(0)?, resume(paused_by, row.try_get_by_index(2)?)))
    };
    db.query_all_raw(statement).await?.iter().map(read).collect()
}

/// The same of a row in memory.
pub(super) fn resumed(row: &SagaRow, pauses: &[PauseRow]) -> Option<saga::Input> {
    let paused_by = row.state.0.paused.as_ref().map(|pause| &pause.by);
    let paused_by = paused_by.filter(|by| **by != PausedBy::Saga && row.finished_at.is_none())?;
    let holds = |pause: &PauseRow| {
        pause.paused_by() == *paused_by && (*paused_by != PausedBy::Workflow || pause.name == row.workflow)
    };
    let is_workflow_paused = pauses.iter().any(|p| p.scope == "workflow" && p.name == row.workflow);
    let is_paused = |name: &str| pauses.iter().any(|p| p.scope == "participant" && p.name == name);
    let has_ended = !pauses.iter().any(holds);
    let may_go_on = has_ended || !is_workflow_paused && !row.participants().all(is_paused);
    may_go_on.then(|| resume(paused_by.clone(), has_ended))
}

fn resume(paused_by: PausedBy, has_ended: bool) -> saga::Input {
    let reason = match has_ended {
        true => format!("the pause of its {paused_by} has ended"),
        false => "not all that it waits for is paused any more".to_owned(),
    };
    saga::Input::Operator { action: saga::Action::Resume(paused_by), by: "sweep".to_owned(), reason }
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
         AND paused_by IS NULL AND (waits_for = ANY($2) OR deadline_at <= now()) ORDER BY wake_at LIMIT {WOKEN_MAX}"
    );
    let values: [Value; 2] = [W::NAME.into(), free.into()];
    let rows =
        db.query_all_raw(Statement::from_sql_and_values(DatabaseBackend::Postgres, sql, values)).await?;
    rows.iter().map(|row| row.try_get_by_index(0)).collect()
}

/// The same of a row in memory.
pub(super) fn is_due(row: &SagaRow, busy: &HashSet<&str>, now: Timestamp) -> bool {
    let is_reached = |at: Option<Timestamp>| at.is_some_and(|at| at <= now);
    let is_open = row.finished_at.is_none() && row.paused_by.is_none();
    let is_free = !row.participants().any(|name| busy.contains(name));
    is_open && is_reached(row.wake_at) && (is_free || is_reached(row.deadline_at))
}

/// The participants, or lists of them, that due sagas wait for.
async fn waited_for<W: Workflow>(db: &DatabaseConnection) -> Result<Vec<String>, DbErr> {
    let sql = "SELECT DISTINCT waits_for FROM sagas \
               WHERE finished_at IS NULL AND workflow = $1 AND wake_at <= now() AND paused_by IS NULL";
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
