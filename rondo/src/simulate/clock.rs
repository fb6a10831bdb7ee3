//! Virtual time: a clock that stands still until the next thing happens, and the list of what will.

use std::collections::BTreeMap;
use std::sync::Arc;
use std::sync::atomic::{AtomicI64, Ordering};

use contracts::Timestamp;

/// 2026-01-05T08:00:00Z, a full hour: when every simulation begins.
const BEGINNING_SECONDS: i64 = 1_767_600_000;

pub(super) const MILLISECOND: i64 = 1_000;
pub(super) const SECOND: i64 = 1_000 * MILLISECOND;

/// Time in microseconds since the simulation began. Cheap to clone; all clones go alike.
#[derive(Debug, Clone, Default)]
pub(super) struct Clock {
    elapsed: Arc<AtomicI64>,
    /// By how much it is wrong.
    skew: i64,
}

impl Clock {
    /// Microseconds since the simulation began.
    pub(super) fn elapsed(&self) -> i64 {
        self.elapsed.load(Ordering::Relaxed)
    }

    /// What it shows.
    pub(super) fn now(&self) -> Timestamp {
        at(self.elapsed() + self.skew)
    }

    /// A clock that goes as this one does, and is wrong by so many microseconds.
    pub(super) fn wrong_by(&self, skew: i64) -> Self {
        Self { skew, ..self.clone() }
    }

    pub(super) fn set(&self, elapsed: i64) {
        self.elapsed.store(elapsed, Ordering::Relaxed);
    }
}

/// The time so many microseconds after the simulation began.
pub(super) fn at(elapsed: i64) -> Timestamp {
    Timestamp::from_timestamp_micros(BEGINNING_SECONDS * SECOND + elapsed).unwrap_or_default()
}

/// What will happen, in the order of time; what happens at one time, in the order in which it was planned.
#[derive(Debug)]
pub(super) struct Agenda<E> {
    /// By time and number.
    planned: BTreeMap<(i64, u64), E>,
    count: u64,
}

impl<E> Agenda<E> {
    pub(super) fn new() -> Self {
        Self { planned: BTreeMap::new(), count: 0 }
    }

    pub(super) fn plan(&mut self, at: i64, event: E) {
        self.count += 1;
        self.planned.insert((at, self.count), event);
    }

    pub(super) fn next(&mut self) -> Option<(i64, E)> {
        self.planned.pop_first().map(|((at, _), event)| (at, event))
    }
}
