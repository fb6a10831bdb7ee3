//! Ids that follow from the seed and from the order in which they are made: UUIDv7 of virtual time.

use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};

use uuid::Uuid;

use super::clock::Clock;
use super::dice::{Dice, mix};

/// Cheap to clone; no two clones make the same id.
#[derive(Debug, Clone)]
pub(super) struct Ids {
    clock: Clock,
    dice: Dice,
    made: Arc<AtomicU64>,
}

impl Ids {
    pub(super) fn new(clock: Clock, dice: Dice) -> Self {
        Self { clock, dice, made: Arc::default() }
    }

    pub(super) fn next(&self) -> Uuid {
        self.of("id", self.made.fetch_add(1, Ordering::Relaxed))
    }

    /// The same for the same at the same time.
    pub(super) fn of(&self, what: &str, number: u64) -> Uuid {
        let random = self.dice.roll(what, number);
        let mut rest = [0; 10];
        rest[..8].copy_from_slice(&random.to_be_bytes());
        rest[8..].copy_from_slice(&mix(random, number).to_be_bytes()[..2]);
        let milliseconds = u64::try_from(self.clock.now().timestamp_millis()).unwrap_or_default();
        uuid::Builder::from_unix_timestamp_millis(milliseconds, &rest).into_uuid()
    }
}
