//! What the clients themselves know: what they asked for, what they were told, and how long that took. The auditor
//! compares it with what is there.

use std::collections::{BTreeMap, HashMap, HashSet};
use std::sync::{Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use uuid::Uuid;

/// What a client knows of a request, in the end.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub(super) enum Outcome {
    /// It was told that it is done.
    Done,
    /// It was told that it is not, and why is a matter of the business.
    Declined,
    /// It was told that nothing was done, and to come again.
    NotDone,
    /// An answer was lost: it may be done, once, or not.
    Unknown,
}

impl Outcome {
    pub(super) const ALL: [Self; 4] = [Self::Done, Self::Declined, Self::NotDone, Self::Unknown];

    pub(super) const fn as_str(self) -> &'static str {
        match self {
            Self::Done => "done",
            Self::Declined => "declined",
            Self::NotDone => "not done",
            Self::Unknown => "unknown",
        }
    }
}

/// A deposit or a withdrawal. No two of a user have the same amount, so each is found again.
#[derive(Debug, Clone)]
pub(super) struct Payment {
    pub(super) user_id: Uuid,
    /// As the ledger calls it.
    pub(super) kind: &'static str,
    /// In minor units.
    pub(super) amount: i64,
    pub(super) outcome: Outcome,
}

/// An order as its client sees it.
#[derive(Debug, Clone)]
pub(super) struct Placed {
    /// Its comment: no two orders have the same.
    pub(super) marker: String,
    pub(super) user_id: Uuid,
    /// What it costs if it is confirmed, in minor units.
    pub(super) total: i64,
    /// Whether its customer can pay it, by far.
    pub(super) affordable: bool,
    /// The hour of a courier that it wants.
    pub(super) slot: Option<String>,
    /// Declined: it was placed, and rejected.
    pub(super) outcome: Outcome,
    /// Known as soon as any answer came.
    pub(super) order_id: Option<Uuid>,
    /// The furthest that anybody was told.
    pub(super) told: Option<Status>,
}

/// Where an order stands, in the words of the API.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub(super) enum Status {
    Pending,
    Confirmed,
    Rejected,
    Cancelled,
    Sent,
    Received,
}

impl Status {
    pub(super) fn parse(word: &str) -> Option<Self> {
        Some(match word {
            "pending" => Self::Pending,
            "confirmed" => Self::Confirmed,
            "rejected" => Self::Rejected,
            "cancelled" => Self::Cancelled,
            "sent" => Self::Sent,
            "received" => Self::Received,
            _ => return None,
        })
    }

    /// Whether an order that was said to be here may be there later. `cancel_asked`: somebody may have cancelled it.
    pub(super) fn may_become(self, later: Self, cancel_asked: bool) -> bool {
        use Status::{Cancelled, Confirmed, Pending, Received, Rejected, Sent};
        match (self, later) {
            (one, same) if one == same => true,
            (_, Cancelled) => cancel_asked && matches!(self, Pending | Confirmed),
            (Pending, _) | (Confirmed, Sent | Received) | (Sent, Received) => true,
            (Confirmed | Rejected | Cancelled | Sent | Received, _) => false,
        }
    }
}

/// When something was asked.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub(super) enum Phase {
    Before,
    During,
    After,
}

/// Everything that clients know. Shared by all of them.
#[derive(Default)]
pub(super) struct Records(Mutex<Book>);

/// The records themselves.
#[derive(Default)]
pub(super) struct Book {
    pub(super) payments: Vec<Payment>,
    pub(super) orders: Vec<Placed>,
    places: HashMap<Uuid, usize>,
    /// How far deliveries have come, as their couriers were told.
    pub(super) moved: HashSet<(Uuid, Status)>,
    /// Orders that somebody wanted to cancel, whatever became of it.
    pub(super) cancel_asked: HashSet<Uuid>,
    /// Requests by what they were and how they ended.
    pub(super) operations: BTreeMap<(&'static str, Outcome), u64>,
    /// Tries whose answer was lost, by kind of request.
    pub(super) lost_answers: BTreeMap<&'static str, u64>,
    /// Why requests were declined or not done.
    pub(super) reasons: BTreeMap<String, u64>,
    /// What clients saw that must not be.
    pub(super) violations: Vec<String>,
    phase: Option<Phase>,
    /// From the first try to the last answer, of what was answered, in microseconds.
    pub(super) answered_after_us: BTreeMap<(&'static str, Phase), Vec<u32>>,
}

impl Records {
    pub(super) fn book(&self) -> MutexGuard<'_, Book> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// From here on times are of this phase; none counts where there is none.
    pub(super) fn enter(&self, phase: Option<Phase>) {
        self.book().phase = phase;
    }

    pub(super) fn violation(&self, words: String) {
        self.book().violations.push(words);
    }

    pub(super) fn wants_to_cancel(&self, order_id: Uuid) {
        self.book().cancel_asked.insert(order_id);
    }

    /// Somebody was told that the order stands here. It must be possible after what was told before.
    pub(super) fn told(&self, order_id: Uuid, status: Status) {
        let mut book = self.book();
        let cancel_asked = book.cancel_asked.contains(&order_id);
        let Some(place) = book.places.get(&order_id).copied() else { return };
        let order = &mut book.orders[place];
        let before = order.told.replace(status).unwrap_or(Status::Pending);
        if !before.may_become(status, cancel_asked) {
            let words = format!("order {order_id} was {before:?}, and then {status:?}");
            book.violations.push(words);
        }
    }
}

impl Book {
    /// One request, with all its tries.
    pub(super) fn count(&mut self, kind: &'static str, outcome: Outcome, lost: u64, took: Option<Duration>) {
        *self.operations.entry((kind, outcome)).or_default() += 1;
        if lost > 0 {
            *self.lost_answers.entry(kind).or_default() += lost;
        }
        if let Some((took, phase)) = took.zip(self.phase) {
            let took_us = u32::try_from(took.as_micros()).unwrap_or(u32::MAX);
            self.answered_after_us.entry((kind, phase)).or_default().push(took_us);
        }
    }

    /// A new order of a client.
    pub(super) fn place(&mut self, order: Placed) {
        if let Some(order_id) = order.order_id {
            self.places.insert(order_id, self.orders.len());
        }
        self.orders.push(order);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn orders_move_forward_and_are_cancelled_only_by_somebody() {
        use Status::{Cancelled, Confirmed, Pending, Received, Rejected, Sent};
        assert!(Pending.may_become(Rejected, false) && Confirmed.may_become(Received, false));
        assert!(Confirmed.may_become(Cancelled, true) && !Confirmed.may_become(Cancelled, false));
        for gone in [Confirmed, Rejected, Cancelled, Sent, Received] {
            assert!(!gone.may_become(Pending, true), "{gone:?}");
        }
        assert!(!Confirmed.may_become(Rejected, true) && !Sent.may_become(Cancelled, true));
    }

    #[test]
    fn what_is_told_must_follow_from_what_was_told() {
        let records = Records::default();
        let order_id = Uuid::now_v7();
        let (marker, told) = ("1".to_owned(), Some(Status::Confirmed));
        let user_id = Uuid::nil();
        let outcome = Outcome::Done;
        let order = Placed {
            marker,
            user_id,
            total: 1,
            affordable: true,
            slot: None,
            outcome,
            order_id: Some(order_id),
            told,
        };
        records.book().place(order);
        records.told(order_id, Status::Sent);
        assert!(records.book().violations.is_empty());
        records.told(order_id, Status::Confirmed);
        assert_eq!(records.book().violations, [format!("order {order_id} was Sent, and then Confirmed")]);
    }
}
