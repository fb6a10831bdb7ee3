//! What must be true of the money of one order.

use uuid::Uuid;

use super::{Order, Traces};

/// What billing has of an order.
#[derive(Debug, Clone)]
pub(crate) struct Hold {
    pub(crate) state: String,
    pub(crate) user_id: Option<Uuid>,
    pub(crate) amount: Option<i64>,
}

impl Hold {
    fn is(&self, state: &str, order: &Order) -> bool {
        self.state == state && self.user_id == Some(order.user_id) && self.amount == order.total
    }
}

impl Traces {
    /// By its saga, or at once: never both.
    pub(super) fn is_paid(&self, order: &Order) -> bool {
        let Some((hold, total)) = self.hold.as_ref().zip(order.total) else { return false };
        let by_saga = hold.is("captured", order) && self.took(&[total], &[]);
        let at_once = hold.is("paid", order) && self.took(&[], &[total]);
        (by_saga || at_once) && self.refunds.is_empty()
    }

    /// All of it was taken, and is back.
    pub(super) fn is_refunded(&self, order: &Order) -> bool {
        let Some((hold, total)) = self.hold.as_ref().zip(order.total) else { return false };
        let was_taken = self.took(&[total], &[]) || self.took(&[], &[total]);
        hold.is("refunded", order) && was_taken && self.refunds == [total]
    }

    /// It was paid at once, whatever its total, and that is back.
    pub(super) fn payment_is_back(&self) -> bool {
        let Some(hold) = &self.hold else { return false };
        let given_back = |paid: i64| self.took(&[], &[paid]) && self.refunds == [paid];
        hold.state == "refunded" && hold.amount.is_some_and(given_back)
    }

    pub(super) fn is_unpaid(&self) -> bool {
        let ended =
            |hold: &Hold| matches!(hold.state.as_str(), "released" | "expired" | "refused" | "cancelled");
        self.took(&[], &[]) && self.refunds.is_empty() && self.hold.as_ref().is_none_or(ended)
    }

    fn took(&self, captures: &[i64], payments: &[i64]) -> bool {
        self.captures == captures && self.payments == payments
    }
}
