//! What may happen to thousands of messages a second is said at once, and then as a sum now and then: a log that is full of
//! one line hides all others.

use std::sync::{Mutex, PoisonError};
use std::time::{Duration, Instant};

/// How long nothing is said after something was.
const SAID_EVERY: Duration = Duration::from_secs(10);

/// One thing that is said seldom.
#[derive(Debug, Default)]
pub struct Seldom(Mutex<Silence>);

#[derive(Debug, Default)]
struct Silence {
    said_at: Option<Instant>,
    unsaid: u64,
}

impl Seldom {
    /// It happened: whether it is to be said, and then how often it happened since it was said the last time, without
    /// this time.
    pub fn again(&self, now: Instant) -> Option<u64> {
        let mut silence = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        if silence.said_at.is_some_and(|said| now.duration_since(said) < SAID_EVERY) {
            silence.unsaid += 1;
            return None;
        }
        silence.said_at = Some(now);
        Some(std::mem::take(&mut silence.unsaid))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_flood_is_said_at_once_and_then_as_a_sum() {
        let (seldom, began) = (Seldom::default(), Instant::now());
        assert_eq!(seldom.again(began), Some(0), "the first is said");
        for _ in 0..1_000 {
            assert_eq!(seldom.again(began), None);
        }
        let later = |times: u32| began + SAID_EVERY * times;
        assert_eq!(seldom.again(later(1)), Some(1_000), "what was not said is");
        assert_eq!(seldom.again(later(1)), None);
        assert_eq!(seldom.again(later(2)), Some(1));
        assert_eq!(seldom.again(later(3)), Some(0), "one that comes alone is said as it is");
    }
}
