//! The bound of open running sagas: above it new ones are refused before anything is read, so that an
//! overload costs next to nothing.

use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

use axum::extract::{Request, State};
use axum::middleware::Next;
use axum::response::{IntoResponse, Response};
use messaging::Runtime;
use metrics::gauge;
use sea_orm::{ConnectionTrait, DatabaseConnection, DbErr, Statement};
use service::http::Problem;

use crate::metric_names;

const COUNT_EVERY: Duration = Duration::from_secs(1);
/// What a refused client is told to wait, in seconds.
const RETRY_AFTER_SECONDS: u32 = 2;

/// Counts open sagas: once a second in the database, and own starts since.
#[derive(Debug, Default)]
pub(crate) struct Admission {
    max: u64,
    counted: AtomicU64,
    paused: AtomicU64,
    started_since: AtomicU64,
}

impl Admission {
    /// Starts counting.
    pub(crate) fn start(max: u64, db: DatabaseConnection, runtime: &Runtime) -> Arc<Self> {
        let admission = Arc::new(Self { max, ..Self::default() });
        let counting = Arc::clone(&admission);
        let shutdown = runtime.shutdown.clone();
        runtime.tasks.spawn(async move {
            let mut ticks = tokio::time::interval(COUNT_EVERY);
            while shutdown.run_until_cancelled(ticks.tick()).await.is_some() {
                match count(&db).await {
                    Ok(counts) => counting.counted(counts),
                    Err(error) => tracing::debug!(%error, "open sagas were not counted"),
                }
            }
        });
        admission
    }

    fn counted(&self, Counts { open, paused }: Counts) {
        self.paused.store(paused, Ordering::Relaxed);
        self.counted.store(open, Ordering::Relaxed);
        self.started_since.store(0, Ordering::Relaxed);
        gauge!(metric_names::SAGAS_OPEN).set(open as f64);
        gauge!(metric_names::SAGAS_PAUSED).set(paused as f64);
    }

    /// One more was started here.
    pub(crate) fn started(&self) {
        self.started_since.fetch_add(1, Ordering::Relaxed);
    }

    /// Whether any saga was paused when they were counted.
    pub(crate) fn has_paused(&self) -> bool {
        self.paused.load(Ordering::Relaxed) > 0
    }

    fn has_room(&self) -> bool {
        self.counted.load(Ordering::Relaxed) + self.started_since.load(Ordering::Relaxed) < self.max
    }
}

/// Sagas that have not ended.
struct Counts {
    open: u64,
    paused: u64,
}

/// Stuck and paused sagas are not counted as open: they wait for people, and must not keep customers out.
async fn count(db: &DatabaseConnection) -> Result<Counts, DbErr> {
    let sql = "SELECT count(*) FILTER (WHERE stuck_since IS NULL AND paused_by IS NULL), \
               count(*) FILTER (WHERE paused_by IS NOT NULL) FROM sagas WHERE finished_at IS NULL";
    let row = db.query_one_raw(Statement::from_string(sea_orm::DatabaseBackend::Postgres, sql)).await?;
    let counted = |index| {
        let counted: i64 = row.as_ref().map_or(Ok(0), |row| row.try_get_by_index(index))?;
        Ok::<_, DbErr>(u64::try_from(counted).unwrap_or_default())
    };
    Ok(Counts { open: counted(0)?, paused: counted(1)? })
}

/// Refuses new sagas above the bound, before body and token are looked at.
pub(crate) async fn admit(State(admission): State<Arc<Admission>>, request: Request, next: Next) -> Response {
    if admission.has_room() {
        return next.run(request).await;
    }
    let detail = "too many orders are in progress; please try again in a moment";
    Problem::unavailable("overloaded", detail, RETRY_AFTER_SECONDS).into_response()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn own_starts_count_until_the_database_was_counted() {
        let admission = Admission { max: 2, counted: AtomicU64::new(1), ..Admission::default() };
        assert!(admission.has_room());
        admission.started();
        assert!(!admission.has_room());
        admission.counted(Counts { open: 1, paused: 0 });
        assert!(admission.has_room());
    }
}
