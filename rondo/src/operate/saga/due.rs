//! When a saga asks again, as operators read it.

use chrono::{DateTime, TimeDelta, Utc};

use crate::operate::shown::when;

/// A saga that is due is asked within a second or two, unless it must not be.
const PROMPTLY: TimeDelta = TimeDelta::seconds(3);

/// Whether asking is put off: it is due and was not done, for a participant still has unread messages.
pub(super) fn is_put_off(wake_at: &str, now: DateTime<Utc>) -> bool {
    wake_at.parse::<DateTime<Utc>>().is_ok_and(|due| due + PROMPTLY < now)
}

/// `in 5 s`, or `put off, due 7 s ago`.
pub(super) fn asked_again(wake_at: &str, now: DateTime<Utc>) -> String {
    let when = when(wake_at, now);
    if is_put_off(wake_at, now) { format!("put off, due {when}") } else { when }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_long_due_was_put_off_and_not_asked() {
        let now: DateTime<Utc> = "2026-01-02T03:04:05Z".parse().unwrap();
        assert_eq!(asked_again("2026-01-02T03:04:10Z", now), "in 5 s");
        assert_eq!(asked_again("2026-01-02T03:04:04Z", now), "1 s ago");
        assert_eq!(asked_again("2026-01-02T03:03:58Z", now), "put off, due 7 s ago");
        assert_eq!(asked_again("", now), "");
    }
}
