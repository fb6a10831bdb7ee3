//! Billing ends a hold on its own when nobody asked for the money in time: a day after the hold's end,
//! for a saga that passed its pivot in time may still be on its way to the capture.

use chrono::TimeDelta;
use contracts::Timestamp;
use metrics::counter;
use uuid::Uuid;

use super::release_funds::give_back;
use crate::hold::HoldState;
use crate::metric_names;
use crate::set::Set;

/// How long a hold stands after its time.
pub(crate) const GRACE: TimeDelta = TimeDelta::hours(24);

pub(crate) fn decide(set: &mut Set, order_id: Uuid, now: Timestamp) {
    let Some(&HoldState::Held(terms)) = set.holds.get(order_id).map(|hold| &hold.state) else { return };
    if now < terms.expires_at + GRACE {
        return;
    }
    if give_back(set, terms, now).is_ok() {
        set.end_hold(order_id, HoldState::Expired(terms));
        counter!(metric_names::HOLDS_EXPIRED).increment(1);
    } else {
        tracing::error!(%order_id, "less is held than the hold says");
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::sample::{Books, ORDER, at};

    #[test]
    fn only_a_day_after_its_time() {
        let mut books = Books::with(100);
        books.reserve(60);
        let due = at(0) + books.set.hold_life + GRACE;
        decide(&mut books.set, ORDER, due - TimeDelta::seconds(1));
        assert_eq!(books.money(), (100, 60));
        decide(&mut books.set, ORDER, due);
        assert_eq!(books.money(), (100, 0));
        decide(&mut books.set, ORDER, due);
        assert_eq!(books.money(), (100, 0), "a hold ends once");
    }

    #[test]
    fn what_has_ended_stays_as_it_is() {
        let mut books = Books::with(100);
        books.reserve(60);
        let captured = books.capture();
        books.expire();
        assert_eq!(books.capture(), captured);
        assert_eq!(books.money(), (40, 0));
    }
}
