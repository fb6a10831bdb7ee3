//! The bound of open running sagas: above it new ones are refused before anything of them is read, so that an
//! overload costs next to nothing.
//!
//! While a participant is away sagas wait for it, up to `open_sagas_max`. That many would be far too many to wait
//! behind while everybody works as fast as they can; so the bound sinks while most sagas are decided late, and
//! rises again when they are not. Where nothing is decided at all, nobody is late.

use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

use axum::extract::{Request, State};
use axum::middleware::Next;
use axum::response::{IntoResponse, Response};
use chrono::TimeDelta;
use messaging::{Runtime, heard};
use metrics::gauge;
use sea_orm::{ConnectionTrait, DatabaseConnection, DbErr, Statement};
use service::http::Problem;

use crate::metric_names;

const COUNT_EVERY: Duration = Duration::from_secs(1);
/// What a refused client is told to wait, in seconds.
const RETRY_AFTER_SECONDS: u32 = 2;
/// The bound does not sink below: fewer would no longer fill the loops' batches.
const BOUND_MIN: u64 = 512;

/// What is let in.
#[derive(Debug, Clone, Copy, Default)]
pub(crate) struct Bounds {
    /// Open sagas, whatever they wait for.
    pub(crate) open_sagas_max: u64,
    /// Most should be decided so soon; zero: whenever it may be.
    pub(crate) decided_within: Duration,
}

/// Counts open sagas: once a second in the database, and what this process began and ended since.
#[derive(Debug, Default)]
pub(crate) struct Admission {
    bounds: Bounds,
    /// Open sagas above which nobody is let in now.
    bound: AtomicU64,
    counted: AtomicU64,
    paused: AtomicU64,
    started_since: AtomicU64,
    finished_since: AtomicU64,
    /// Those that wait to begin.
    beginning: AtomicU64,
    /// Decided since the count, in time and late.
    prompt: AtomicU64,
    late: AtomicU64,
}

/// A saga that waits to begin, until this is dropped.
pub(crate) struct Begins<'a>(&'a Admission);

impl Drop for Begins<'_> {
    fn drop(&mut self) {
        self.0.beginning.fetch_sub(1, Ordering::Relaxed);
    }
}

impl Admission {
    /// Starts counting.
    pub(crate) fn start(bounds: Bounds, db: DatabaseConnection, runtime: &Runtime) -> Arc<Self> {
        let admission = Arc::new(Self::new(bounds));
        let counting = Arc::clone(&admission);
        let shutdown = runtime.shutdown.clone();
        runtime.tasks.spawn(async move {
            let mut ticks = tokio::time::interval(COUNT_EVERY);
            while shutdown.run_until_cancelled(ticks.tick()).await.is_some() {
                match heard(count(&db)).await {
                    Ok(counts) => counting.counted(counts),
                    Err(error) => tracing::debug!(%error, "open sagas were not counted"),
                }
            }
        });
        admission
    }

    fn new(bounds: Bounds) -> Self {
        Self { bounds, bound: AtomicU64::new(bounds.open_sagas_max), ..Self::default() }
    }

    fn counted(&self, Counts { open, paused }: Counts) {
        self.paused.store(paused, Ordering::Relaxed);
        self.counted.store(open, Ordering::Relaxed);
        self.started_since.store(0, Ordering::Relaxed);
        self.finished_since.store(0, Ordering::Relaxed);
        let (prompt, late) = (self.prompt.swap(0, Ordering::Relaxed), self.late.swap(0, Ordering::Relaxed));
        let bound = self.bounds.next(self.bound.load(Ordering::Relaxed), open, late > prompt);
        self.bound.store(bound, Ordering::Relaxed);
        gauge!(metric_names::SAGAS_OPEN).set(open as f64);
        gauge!(metric_names::SAGAS_PAUSED).set(paused as f64);
        gauge!(metric_names::SAGAS_OPEN_BOUND).set(bound as f64);
    }

    /// One more is on its way into the loop.
    pub(crate) fn begins(&self) -> Begins<'_> {
        self.beginning.fetch_add(1, Ordering::Relaxed);
        Begins(self)
    }

    /// One more was started here.
    pub(crate) fn started(&self) {
        self.started_since.fetch_add(1, Ordering::Relaxed);
    }

    /// The fate of some was decided here so long after their beginning, and some have ended.
    pub(crate) fn moved_on(&self, decided_after: &[TimeDelta], finished: u64) {
        let within = TimeDelta::from_std(self.bounds.decided_within).unwrap_or(TimeDelta::MAX);
        let late = decided_after.iter().filter(|after| **after > within && !within.is_zero()).count();
        self.late.fetch_add(late as u64, Ordering::Relaxed);
        self.prompt.fetch_add((decided_after.len() - late) as u64, Ordering::Relaxed);
        self.finished_since.fetch_add(finished, Ordering::Relaxed);
    }

    /// Whether any saga was paused when they were counted.
    pub(crate) fn has_paused(&self) -> bool {
        self.paused.load(Ordering::Relaxed) > 0
    }

    fn has_room(&self) -> bool {
        let now = |count: &AtomicU64| count.load(Ordering::Relaxed);
        let open = now(&self.counted) + now(&self.started_since) + now(&self.beginning);
        open.saturating_sub(now(&self.finished_since)) < now(&self.bound)
    }
}

impl Bounds {
    /// The bound of the next second: three quarters of what is open when most were late, an eighth more when not.
    fn next(self, bound: u64, open: u64, late: bool) -> u64 {
        let max = self.open_sagas_max;
        if late {
            (bound.min(open) * 3 / 4).max(BOUND_MIN.min(max))
        } else {
            (bound + bound / 8 + 1).min(max)
        }
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

    fn admission(open_sagas_max: u64) -> Admission {
        Admission::new(Bounds { open_sagas_max, decided_within: Duration::from_secs(1) })
    }

    fn second(admission: &Admission, open: u64, decided_after_ms: &[i64]) -> u64 {
        let after: Vec<_> = decided_after_ms.iter().map(|ms| TimeDelta::milliseconds(*ms)).collect();
        admission.moved_on(&after, 0);
        admission.counted(Counts { open, paused: 0 });
        admission.bound.load(Ordering::Relaxed)
    }

    #[test]
    fn what_began_and_ended_here_counts_until_the_database_was_counted() {
        let admission = admission(2);
        admission.counted(Counts { open: 1, paused: 0 });
        assert!(admission.has_room());
        admission.started();
        assert!(!admission.has_room());
        admission.moved_on(&[], 1);
        assert!(admission.has_room());
        admission.started();
        assert!(!admission.has_room());
        admission.counted(Counts { open: 1, paused: 0 });
        assert!(admission.has_room());
    }

    #[test]
    fn who_waits_to_begin_takes_room() {
        let admission = admission(1);
        let waits = admission.begins();
        assert!(!admission.has_room());
        drop(waits);
        assert!(admission.has_room());
    }

    #[test]
    fn while_most_are_decided_late_fewer_are_let_in() {
        let admission = admission(20_000);
        assert_eq!(second(&admission, 8_000, &[2_000, 3_000, 10]), 6_000);
        assert_eq!(second(&admission, 6_000, &[2_000]), 4_500);
        assert_eq!(second(&admission, 4_500, &[900, 1_100]), 5_063, "half of them are not most");
        for _ in 0..30 {
            second(&admission, 100, &[10]);
        }
        assert_eq!(second(&admission, 100, &[10]), 20_000, "all are let in again");
    }

    #[test]
    fn where_nothing_is_decided_nobody_is_late() {
        let admission = admission(20_000);
        assert_eq!(second(&admission, 19_000, &[]), 20_000, "a participant is away");
        assert_eq!(second(&admission, 400, &[60_000]), BOUND_MIN, "and back");
        assert_eq!(second(&self::admission(3), 3, &[60_000]), 3, "never above what was configured");
    }

    #[test]
    fn without_a_time_nobody_is_late() {
        let bounds = Bounds { open_sagas_max: 20_000, decided_within: Duration::ZERO };
        assert_eq!(second(&Admission::new(bounds), 19_000, &[60_000]), 20_000);
    }
}
