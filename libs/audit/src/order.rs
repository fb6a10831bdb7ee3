//! What must be true of one order over all services. Pure.

mod goods;
mod money;
#[cfg(test)]
mod tests;

use serde::Deserialize;
use uuid::Uuid;

use crate::{Accepted, Told};
pub(crate) use goods::{Booking, Delivery, Reservation};
pub(crate) use money::Hold;

/// An order as the orchestrator has it.
#[derive(Debug, Clone)]
pub(crate) struct Order {
    pub(crate) user_id: Uuid,
    pub(crate) status: String,
    pub(crate) total: Option<i64>,
    pub(crate) items: Vec<Line>,
}

/// So many of a position, at a price where that is known.
#[derive(Debug, Clone, Deserialize)]
pub(crate) struct Line {
    pub(crate) position_id: Uuid,
    pub(crate) quantity: i64,
    #[serde(default)]
    pub(crate) price: i64,
}

/// What was written about an order.
#[derive(Debug, Clone)]
pub(crate) struct Letter {
    pub(crate) kind: String,
    pub(crate) user_id: Uuid,
}

/// Everything that the services have of one order id.
#[derive(Debug, Clone, Default)]
pub(crate) struct Traces {
    pub(crate) order: Option<Order>,
    pub(crate) hold: Option<Hold>,
    /// The amounts of its captures.
    pub(crate) captures: Vec<i64>,
    /// The amounts that were paid at once, without a saga.
    pub(crate) payments: Vec<i64>,
    /// The amounts that were given back of both.
    pub(crate) refunds: Vec<i64>,
    pub(crate) reservation: Option<Reservation>,
    pub(crate) delivery: Option<Delivery>,
    pub(crate) booking: Option<Booking>,
    pub(crate) letters: Vec<Letter>,
    /// What an operator answers for.
    pub(crate) accepted: Vec<Accepted>,
    /// What its client was told.
    pub(crate) told: Option<Told>,
}

impl Traces {
    /// The rules that it breaks.
    pub(crate) fn broken_rules(&self) -> Vec<&'static str> {
        let mut broken = Vec::new();
        let mut check = |holds: bool, rule| {
            if !holds {
                broken.push(rule);
            }
        };
        let Some(order) = &self.order else {
            check(self.told.is_none(), "every order that a client knows of is kept");
            check(
                self.told.is_some() || !self.has_effects(),
                "nothing is done for an order that nobody placed",
            );
            return broken;
        };
        check(self.told_rightly(order), "a client is told what its order came to");
        check(self.letters_are_right(order), "an order has one letter, of its outcome, to its user");
        match order.status.as_str() {
            "confirmed" | "sent" | "received" => {
                check(self.is_paid(order), "a confirmed order's total is taken once, from its user");
                check(
                    self.is_reserved(order),
                    "a confirmed order's items are reserved or sold at the prices of its total",
                );
                check(self.is_delivered(order), "a confirmed order of items is delivered once, to its user");
                check(
                    self.has_its_courier(),
                    "a delivery in an hour has its courier booked, and no other has",
                );
            }
            "rejected" | "cancelled" => {
                let is_cancelled = order.status == "cancelled";
                check(
                    self.is_unpaid() || self.payment_is_back() || (is_cancelled && self.is_refunded(order)),
                    "an order that was turned back holds no money, and what was taken is given back",
                );
                check(self.has_nothing(), "an order that was turned back has nothing reserved or sold");
                check(
                    self.is_not_delivered(),
                    "an order that was turned back is not delivered and has no courier",
                );
            }
            _ => check(false, "every order has reached its end"),
        }
        broken
    }

    /// Whether there is a reservation and nothing else, not even an order.
    pub(crate) fn may_be_by_hand(&self) -> bool {
        let mut besides = self.clone();
        besides.reservation = None;
        self.order.is_none() && self.told.is_none() && self.reservation.is_some() && !besides.has_effects()
    }

    /// A payment at once may be for an order that only another system knows.
    fn has_effects(&self) -> bool {
        self.hold.as_ref().is_some_and(|hold| hold.state != "paid")
            || !self.captures.is_empty()
            || !self.refunds.is_empty()
            || self.reservation.is_some()
            || self.delivery.is_some()
            || self.booking.is_some()
            || !self.letters.is_empty()
    }

    fn told_rightly(&self, order: &Order) -> bool {
        match self.told {
            None | Some(Told::Accepted) => true,
            Some(Told::Confirmed) => !matches!(order.status.as_str(), "pending" | "rejected"),
            Some(Told::Rejected) => matches!(order.status.as_str(), "rejected" | "cancelled"),
        }
    }

    /// Letters on the way to the customer (sent, received) come on top. Of an order that was cancelled after
    /// it was confirmed, both were told.
    fn letters_are_right(&self, order: &Order) -> bool {
        let expected: &[&str] = match order.status.as_str() {
            "rejected" => &["order_rejected"],
            "cancelled" if self.was_confirmed() => &["order_cancelled", "order_confirmed"],
            "cancelled" => &["order_cancelled"],
            _ => &["order_confirmed"],
        };
        let outcomes: Vec<&Letter> = self.letters.iter().filter(|letter| letter.is_of_outcome()).collect();
        let mut kinds: Vec<&str> = outcomes.iter().map(|letter| letter.kind.as_str()).collect();
        kinds.sort_unstable();
        kinds == expected && outcomes.iter().all(|letter| letter.user_id == order.user_id)
    }

    /// Whether it went past its pivot: a capture is made there and nowhere else. Of what was paid at once
    /// only the letter tells.
    pub(crate) fn was_confirmed(&self) -> bool {
        let was_told = || self.letters.iter().any(|letter| letter.kind == "order_confirmed");
        !self.captures.is_empty() || (!self.payments.is_empty() && was_told())
    }
}

impl Letter {
    /// Whether it tells what an order came to.
    pub(crate) fn is_of_outcome(&self) -> bool {
        matches!(self.kind.as_str(), "order_confirmed" | "order_rejected" | "order_cancelled")
    }
}
