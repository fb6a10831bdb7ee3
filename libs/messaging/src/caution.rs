//! When a loop reads without locks and when with them. Where several processes share their rows, what one
//! takes for known is often not so any more: then each try costs a batch that is decided twice, and is made
//! ever more seldom.

/// The most batches with locks between two tries without.
const BATCHES_MAX: u32 = 1_024;

/// Of one loop.
#[derive(Debug, Default)]
pub(crate) struct Caution {
    /// Batches that lock yet.
    left: u32,
    /// How many did at the last failure.
    last: u32,
}

impl Caution {
    /// Whether the next batch locks its rows.
    pub(crate) const fn is_advised(&self) -> bool {
        self.left > 0
    }

    /// After a batch. One that failed without locks doubles how many lock, one that did not forgets it all.
    pub(crate) fn learn(&mut self, was_optimistic: bool, is_committed: bool) {
        match (was_optimistic, is_committed) {
            (true, true) => *self = Self::default(),
            (true, false) => {
                self.last = (self.last * 2).clamp(1, BATCHES_MAX);
                self.left = self.last;
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
        caution.learn(true, true);
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
