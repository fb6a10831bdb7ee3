//! The bound of open running sagas: above it new ones are refused before anything of them is read, so that an
//! overload costs next to nothing.
//!
//! While a participant is away sagas wait for it, up to `open_sagas_max`. That many would be far too many to wait
//! behind while everybody works as fast as they can; so those that are not decided yet have a bound of their own, which
//! follows the time that sagas take to be decided, by Little's law: what waits is what arrives in a second times the
//! seconds it waits, so half as many wait half as long. Where nothing is decided at all, nobody is late.

use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

use axum::extract::{Request, State};
use axum::middleware::Next;
use axum::response::{IntoResponse, Response};
use chrono::TimeDelta;
use messaging::{Runtime, heard};
use metrics::{counter, gauge};
use sea_orm::{ConnectionTrait, DatabaseConnection, DbErr, Statement};
use service::http::Problem;
use tokio::time::MissedTickBehavior;

use crate::metric_names;

const COUNT_EVERY: Duration = Duration::from_millis(500);
/// What a refused client is told to wait, in seconds.
const RETRY_AFTER_SECONDS: u32 = 2;
/// The bound does not sink below: fewer would no longer fill the loops' batches.
const BOUND_MIN: u64 = 512;
/// A saga counts as decided after so many times `decided_within` at most: one that people settled after a day says
/// nothing about how long the others wait.
const LATE_MAX: u32 = 4;

/// What is let in.
#[derive(Debug, Clone, Copy, Default)]
pub(crate) struct Bounds {
    /// Open sagas, whatever they wait for.
    pub(crate) open_sagas_max: u64,
    /// So soon they should be decided; zero: whenever it may be.
    pub(crate) decided_within: Duration,
}

/// Counts open sagas: in the database now and then, and what this process began and ended since.
#[derive(Debug, Default)]
pub(crate) struct Admission {
    bounds: Bounds,
    /// Undecided sagas above which nobody is let in now.
    bound: AtomicU64,
    counted: AtomicU64,
    counted_undecided: AtomicU64,
    paused: AtomicU64,
    started_since: AtomicU64,
    finished_since: AtomicU64,
    /// Those that wait to begin.
    beginning: AtomicU64,
    /// Decided here since the count, and how many milliseconds after they began, all together.
    decided: AtomicU64,
    decided_after_ms: AtomicU64,
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
            // After a slow count, the next ones at once would see nothing decided.
            ticks.set_missed_tick_behavior(MissedTickBehavior::Delay);
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

    fn counted(&self, Counts { open, undecided, paused }: Counts) {
        self.paused.store(paused, Ordering::Relaxed);
        self.counted.store(open, Ordering::Relaxed);
        self.counted_undecided.store(undecided, Ordering::Relaxed);
        self.started_since.store(0, Ordering::Relaxed);
        self.finished_since.store(0, Ordering::Relaxed);
        let decided = self.decided.swap(0, Ordering::Relaxed);
        let after_ms = self.decided_after_ms.swap(0, Ordering::Relaxed);
        let mean_ms = after_ms.checked_div(decided).unwrap_or_default();
        let bound = self.bounds.next(self.bound.load(Ordering::Relaxed), undecided, mean_ms);
        self.bound.store(bound, Ordering::Relaxed);
        gauge!(metric_names::SAGAS_OPEN).set(open as f64);
        gauge!(metric_names::SAGAS_UNDECIDED).set(undecided as f64);
        gauge!(metric_names::SAGAS_PAUSED).set(paused as f64);
        gauge!(metric_names::SAGAS_UNDECIDED_BOUND).set(bound as f64);
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
        let most_ms = millis(self.bounds.decided_within * LATE_MAX);
        let after_ms =
            |after: &TimeDelta| u64::try_from(after.num_milliseconds()).unwrap_or_default().min(most_ms);
        self.decided_after_ms.fetch_add(decided_after.iter().map(after_ms).sum(), Ordering::Relaxed);
        self.decided.fetch_add(decided_after.len() as u64, Ordering::Relaxed);
        self.finished_since.fetch_add(finished, Ordering::Relaxed);
    }

    /// Whether any saga was paused when they were counted.
    pub(crate) fn has_paused(&self) -> bool {
        self.paused.load(Ordering::Relaxed) > 0
    }

    fn has_room(&self) -> bool {
        let now = |count: &AtomicU64| count.load(Ordering::Relaxed);
        let begun = now(&self.started_since) + now(&self.beginning);
        let open = (now(&self.counted) + begun).saturating_sub(now(&self.finished_since));
        let undecided = (now(&self.counted_undecided) + begun).saturating_sub(now(&self.decided));
        open < self.bounds.open_sagas_max && undecided < now(&self.bound)
    }
}

impl Bounds {
    /// The bound until the next count: what would be decided in time if so many take `mean_ms`; an eighth more
    /// than before while they take less than half of the time. Half, for those decided now began when fewer
    /// waited than wait by now.
    fn next(self, bound: u64, undecided: u64, mean_ms: u64) -> u64 {
        let (max, within_ms) = (self.open_sagas_max, millis(self.decided_within));
        if mean_ms > within_ms / 2 {
            (undecided * within_ms / mean_ms).clamp(BOUND_MIN.min(max), max)
        } else {
            (bound + bound / 8 + 1).min(max)
        }
    }
}

fn millis(duration: Duration) -> u64 {
    u64::try_from(duration.as_millis()).unwrap_or(u64::MAX)
}

/// Sagas that have not ended.
struct Counts {
    open: u64,
    /// They can still go either way.
    undecided: u64,
    paused: u64,
}

/// Stuck and paused sagas are not counted as open: they wait for people, and must not keep customers out. An undecided
/// one has a deadline.
async fn count(db: &DatabaseConnection) -> Result<Counts, DbErr> {
    let sql = "SELECT count(*) FILTER (WHERE stuck_since IS NULL AND paused_by IS NULL), \
               count(*) FILTER (WHERE stuck_since IS NULL AND paused_by IS NULL AND deadline_at IS NOT NULL), \
               count(*) FILTER (WHERE paused_by IS NOT NULL) FROM sagas WHERE finished_at IS NULL";
    let row = db.query_one_raw(Statement::from_string(sea_orm::DatabaseBackend::Postgres, sql)).await?;
    let counted = |index| {
        let counted: i64 = row.as_ref().map_or(Ok(0), |row| row.try_get_by_index(index))?;
        Ok::<_, DbErr>(u64::try_from(counted).unwrap_or_default())
    };
    Ok(Counts { open: counted(0)?, undecided: counted(1)?, paused: counted(2)? })
}

/// Refuses new sagas above the bound, before body and token are looked at.
pub(crate) async fn admit(State(admission): State<Arc<Admission>>, request: Request, next: Next) -> Response {
    if admission.has_room() {
        return next.run(request).await;
    }
    counter!(metric_names::SAGAS_NOT_ADMITTED).increment(1);
    let detail = "too many orders are in progress; please try again in a moment";
    Problem::unavailable("overloaded", detail, RETRY_AFTER_SECONDS).into_response()
}

#[cfg(test)]
mod tests {
    use std::collections::VecDeque;

    use super::*;

    fn admission(open_sagas_max: u64) -> Admission {
        Admission::new(Bounds { open_sagas_max, decided_within: Duration::from_secs(1) })
    }

    fn count(admission: &Admission, open: u64, decided_after_ms: &[i64]) -> u64 {
        let after: Vec<_> = decided_after_ms.iter().map(|ms| TimeDelta::milliseconds(*ms)).collect();
        admission.moved_on(&after, 0);
        admission.counted(Counts { open, undecided: open, paused: 0 });
        admission.bound.load(Ordering::Relaxed)
    }

    /// The longest wait in milliseconds of a queue to which so many come a millisecond and of which so many are
    /// decided, for ten seconds; and the share of the latter that was there to be decided.
    fn queue(admission: &Admission, arriving: u64, decided: impl Fn(u64) -> u64) -> (u64, f64) {
        let mut waiting = VecDeque::new();
        let (mut longest, mut done, mut could) = (0, 0, 0);
        for now in 0..10_000 {
            for _ in 0..arriving {
                if admission.has_room() {
                    admission.started();
                    waiting.push_back(now);
                }
            }
            let taken = waiting.len().min(decided(now) as usize);
            let waited: Vec<u64> = waiting.drain(..taken).map(|since| now - since).collect();
            let after: Vec<_> = waited.iter().map(|ms| TimeDelta::milliseconds(*ms as i64)).collect();
            admission.moved_on(&after, taken as u64);
            if now % COUNT_EVERY.as_millis() as u64 == 0 {
                let undecided = waiting.len() as u64;
                admission.counted(Counts { open: undecided, undecided, paused: 0 });
            }
            longest = waited.into_iter().max().unwrap_or_default().max(longest);
            done += taken as u64;
            could += decided(now);
        }
        (longest, done as f64 / could as f64)
    }

    #[test]
    fn what_began_and_ended_here_counts_until_the_database_was_counted() {
        let admission = admission(2);
        admission.counted(Counts { open: 1, undecided: 0, paused: 0 });
        assert!(admission.has_room());
        admission.started();
        assert!(!admission.has_room());
        admission.moved_on(&[], 1);
        assert!(admission.has_room());
        admission.started();
        assert!(!admission.has_room());
        admission.counted(Counts { open: 1, undecided: 0, paused: 0 });
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
    fn when_they_are_decided_late_as_many_are_let_in_as_would_be_in_time() {
        let admission = admission(20_000);
        assert_eq!(count(&admission, 8_000, &[3_000, 4_000, 500]), 3_200, "2.5 s on average");
        assert_eq!(count(&admission, 3_200, &[1_000]), 3_200, "just in time");
        assert_eq!(count(&admission, 1_000, &[600]), 1_666, "still half late");
        for _ in 0..30 {
            count(&admission, 100, &[10]);
        }
        assert_eq!(count(&admission, 100, &[10]), 20_000, "all are let in again");
    }

    #[test]
    fn at_twice_the_load_nobody_waits_much_longer_than_is_wanted_and_nobody_idles() {
        let (longest, done) = queue(&admission(20_000), 4, |_| 2);
        assert!((1_000..2_500).contains(&longest), "{longest} ms");
        assert!(done > 0.99, "{done} of what could be done");
    }

    #[test]
    fn when_the_capacity_sinks_meanwhile_fewer_are_let_in_and_when_it_rises_more() {
        let admission = admission(20_000);
        let capacity = |now| if (3_000..6_000).contains(&now) { 1 } else { 6 };
        let (longest, done) = queue(&admission, 12, capacity);
        assert!(longest < 5_200, "{longest} ms: what was let in before takes six times as long, nobody else");
        assert!(done > 0.9, "{done} of what could be done");
        let bound = admission.bound.load(Ordering::Relaxed);
        assert!((700..6_000).contains(&bound), "{bound}: it rises again, and no faster than is needed");
    }

    #[test]
    fn who_is_decided_and_not_yet_at_the_end_takes_no_room_of_those_who_wait() {
        let admission = admission(1_000);
        admission.moved_on(&[TimeDelta::milliseconds(1_000)], 0);
        admission.counted(Counts { open: 900, undecided: 600, paused: 0 });
        assert_eq!(admission.bound.load(Ordering::Relaxed), 600);
        assert!(!admission.has_room());
        admission.moved_on(&[TimeDelta::milliseconds(1_000)], 0);
        assert!(admission.has_room(), "one of them is decided");
        admission.counted(Counts { open: 1_000, undecided: 10, paused: 0 });
        assert!(!admission.has_room(), "but all together have a bound, too");
    }

    #[test]
    fn what_the_capacity_suffices_for_is_let_in() {
        let admission = admission(20_000);
        assert_eq!(queue(&admission, 3, |_| 4).0, 0);
        assert_eq!(admission.bound.load(Ordering::Relaxed), 20_000);
    }

    #[test]
    fn where_nothing_is_decided_nobody_is_late() {
        let admission = admission(20_000);
        assert_eq!(count(&admission, 19_000, &[]), 20_000, "a participant is away");
        assert_eq!(count(&admission, 1_900, &[60_000]), BOUND_MIN, "and back");
        assert_eq!(count(&self::admission(3), 3, &[60_000]), 3, "never above what was configured");
    }

    #[test]
    fn one_that_people_settled_after_a_day_keeps_nobody_out() {
        let admission = admission(20_000);
        let mut decided_after_ms = vec![50; 99];
        decided_after_ms.push(24 * 60 * 60 * 1_000);
        assert_eq!(count(&admission, 500, &decided_after_ms), 20_000);
    }

    #[test]
    fn without_a_time_nobody_is_late() {
        let bounds = Bounds { open_sagas_max: 20_000, decided_within: Duration::ZERO };
        assert_eq!(count(&Admission::new(bounds), 19_000, &[60_000]), 20_000);
    }
}
