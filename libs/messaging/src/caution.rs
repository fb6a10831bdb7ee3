//! When a loop reads without locks and when with them. Where several processes share their rows, what one
//! takes for known is often not so any more: then each try costs a batch that is decided twice, and is made
//! ever more seldom.

/// How often the number of batches with locks between two tries without doubles at most: up to 1,024.
const DOUBLINGS_MAX: u32 = 10;
/// So many tries that go well take one doubling back. What goes well by chance must not hide what fails: above one failure
/// in about seventeen tries nearly all batches lock.
const GOOD_TRIES: u32 = 16;

/// Of one loop.
#[derive(Debug, Default)]
pub(crate) struct Caution {
    /// Batches that lock yet.
    left: u32,
    /// Failures, in [`GOOD_TRIES`]ths.
    failures: u32,
}

impl Caution {
    /// Whether the next batch locks its rows.
    pub(crate) const fn is_advised(&self) -> bool {
        self.left > 0
    }

    /// After a batch.
    pub(crate) fn learn(&mut self, was_optimistic: bool, is_committed: bool) {
        match (was_optimistic, is_committed) {
            (true, true) => self.failures = self.failures.saturating_sub(1),
            (true, false) => {
                self.failures = (self.failures + GOOD_TRIES).min((DOUBLINGS_MAX + 1) * GOOD_TRIES);
                self.left = 1 << (self.failures / GOOD_TRIES - 1);
            }
            (false, true) => self.left = self.left.saturating_sub(1),
            (false, false) => {}
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// How many batches lock after this failure, until the next one does not.
    fn locked_after_a_failure(caution: &mut Caution) -> u32 {
        caution.learn(true, false);
        let mut batches = 0;
        while caution.is_advised() {
            caution.learn(false, true);
            batches += 1;
        }
        batches
    }

    #[test]
    fn who_fails_again_and_again_tries_ever_more_seldom() {
        let mut caution = Caution::default();
        assert!(!caution.is_advised());
        let locked: Vec<u32> = (0..13).map(|_| locked_after_a_failure(&mut caution)).collect();
        assert_eq!(locked, [1, 2, 4, 8, 16, 32, 64, 128, 256, 512, 1_024, 1_024, 1_024]);
    }

    #[test]
    fn what_goes_well_by_chance_is_not_trusted_and_what_goes_well_for_long_is() {
        let mut caution = Caution::default();
        for _ in 0..20 {
            caution.learn(true, true);
            locked_after_a_failure(&mut caution);
        }
        caution.learn(true, true);
        assert_eq!(locked_after_a_failure(&mut caution), 1_024);
        for _ in 0..200 {
            caution.learn(true, true);
        }
        assert_eq!(locked_after_a_failure(&mut caution), 1);
    }

    #[test]
    fn a_batch_that_failed_with_locks_is_tried_with_locks_again() {
        let mut caution = Caution::default();
        caution.learn(true, false);
        caution.learn(false, false);
        assert!(caution.is_advised());
    }
}
