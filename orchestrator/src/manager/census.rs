//! Open sagas as the database has them, counted now and then for those who watch: how many in which phase, how many
//! stuck, how old the oldest is.

use std::time::Duration;

use messaging::{Runtime, heard, watch};
use metrics::gauge;
use saga::Status;
use sea_orm::{ConnectionTrait, DatabaseBackend, DatabaseConnection, DbErr, QueryResult, Statement};

use crate::metric_names as names;

const COUNT_EVERY: Duration = Duration::from_secs(5);
/// What an open saga can be doing.
const PHASES: [Status; 3] = [Status::Running, Status::Compensating, Status::Tail];

const COUNT: &str = "SELECT workflow, status, count(*), count(stuck_since), \
    coalesce(extract(epoch FROM now() - min(created_at) FILTER (WHERE paused_by IS NULL)), 0)::float8 \
    FROM sagas WHERE finished_at IS NULL GROUP BY workflow, status";

/// The open sagas of a workflow that do the same.
struct Crowd {
    workflow: String,
    status: String,
    sagas: i64,
    stuck: i64,
    oldest_seconds: f64,
}

/// Counts the open sagas of these workflows from now on.
pub(crate) fn start(workflows: Vec<&'static str>, db: &DatabaseConnection, runtime: &Runtime) {
    let db = db.clone();
    watch::every(COUNT_EVERY, runtime, move || {
        let (db, workflows) = (db.clone(), workflows.clone());
        async move {
            match heard(count(&db)).await {
                Ok(crowds) => workflows.iter().for_each(|workflow| show(workflow, &crowds)),
                Err(error) => tracing::debug!(%error, "open sagas were not counted"),
            }
        }
    });
}

async fn count(db: &DatabaseConnection) -> Result<Vec<Crowd>, DbErr> {
    let rows = db.query_all_raw(Statement::from_string(DatabaseBackend::Postgres, COUNT)).await?;
    let read = |row: &QueryResult| {
        Ok(Crowd {
            workflow: row.try_get_by_index(0)?,
            status: row.try_get_by_index(1)?,
            sagas: row.try_get_by_index(2)?,
            stuck: row.try_get_by_index(3)?,
            oldest_seconds: row.try_get_by_index(4)?,
        })
    };
    rows.iter().map(read).collect()
}

/// What is not there any more is shown as zero.
fn show(workflow: &'static str, crowds: &[Crowd]) {
    let of_workflow = || crowds.iter().filter(|crowd| crowd.workflow == workflow);
    for phase in PHASES.map(Status::as_str) {
        let sagas: i64 = of_workflow().filter(|crowd| crowd.status == phase).map(|crowd| crowd.sagas).sum();
        gauge!(names::SAGAS_IN_PHASE, "workflow" => workflow, "phase" => phase).set(sagas as f64);
    }
    let stuck: i64 = of_workflow().map(|crowd| crowd.stuck).sum();
    let oldest = of_workflow().map(|crowd| crowd.oldest_seconds).fold(0.0, f64::max);
    gauge!(names::SAGAS_STUCK_NOW, "workflow" => workflow).set(stuck as f64);
    gauge!(names::SAGAS_OLDEST_SECONDS, "workflow" => workflow).set(oldest);
}
