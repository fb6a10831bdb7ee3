//! Another service takes the money for an order at once, without a hold: once an order. An order whose saga
//! holds or took its money is paid already.

use contracts::{Amount, Timestamp};
use messaging::idempotency::Key;
use uuid::Uuid;

use super::Answer;
use crate::derived_id::derived_id;
use crate::entry::{EntryKind, Transfer};
use crate::once::{Declined, Marks, once};
use crate::set::{Keys, Set};

/// Asks for a payment.
#[derive(Debug, Clone)]
pub struct TakePayment {
    /// For which order; at most one payment each.
    pub order_id: Uuid,
    /// Whose account.
    pub user_id: Uuid,
    /// How much.
    pub amount: Amount,
    /// The client's key, if there is one.
    pub key: Option<Key>,
}

impl TakePayment {
    /// The entry of the order's payment.
    pub fn entry_id(&self) -> Uuid {
        derived_id(self.order_id, "payment")
    }

    pub(crate) fn touches(&self, keys: &mut Keys) {
        keys.users.push(self.user_id);
        keys.hold_and_holder(self.order_id);
        keys.entries.push(self.entry_id());
        keys.requests.extend(self.key.as_ref().map(|key| key.key_id));
    }

    pub(crate) fn decide(&self, set: &mut Set, now: Timestamp) -> Answer {
        let (entry_id, user_id, amount) = (self.entry_id(), self.user_id, self.amount);
        if let Some(paid) = set.entries.get(entry_id)
            && (paid.user_id, paid.amount) != (user_id, amount.get())
        {
            tracing::warn!(order_id = %self.order_id, "a payment was repeated with another payload");
            return Err(Declined::OtherPayment);
        }
        let is_new = set.entries.get(entry_id).is_none();
        if is_new && set.holds.get(self.order_id).is_some_and(|hold| hold.state.moves_money()) {
            tracing::warn!(order_id = %self.order_id, "a payment for an order whose saga pays it");
            return Err(Declined::OtherPayment);
        }
        let marks = Marks { user_id, entry_id, key: self.key.as_ref() };
        once(set, &marks, now, |set| {
            let account = set.account(user_id, now).spend(amount)?;
            let order_id = Some(self.order_id);
            let transfer = Transfer { entry_id, kind: EntryKind::Payment, amount, order_id };
            Ok(set.book(account, &transfer, now))
        })
    }
}

#[cfg(test)]
mod tests {
    use contracts::billing::{CaptureFunds, RefundOrder, ReserveFunds};

    use super::*;
    use crate::account::Short;
    use crate::commands::{capture_funds, refund_order, reserve_funds};
    use crate::sample::{Books, ORDER, USER, amount, at};

    fn payment(units: i64) -> TakePayment {
        TakePayment { order_id: ORDER, user_id: USER, amount: amount(units), key: None }
    }

    #[test]
    fn money_is_taken_once_an_order() {
        let mut books = Books::with(100);
        let first = payment(30).decide(&mut books.set, at(0)).unwrap();
        assert_eq!(first.account.balance, 70);
        payment(30).decide(&mut books.set, at(1)).unwrap();
        assert_eq!(books.money(), (70, 0));
        let entry = books.set.entries.get(payment(30).entry_id()).unwrap();
        assert_eq!((entry.signed_amount(), entry.order_id), (-30, Some(ORDER)));
    }

    #[test]
    fn another_amount_for_the_same_order_is_declined() {
        let mut books = Books::with(100);
        payment(30).decide(&mut books.set, at(0)).unwrap();
        assert_eq!(payment(31).decide(&mut books.set, at(1)), Err(Declined::OtherPayment));
        assert_eq!(books.money(), (70, 0));
    }

    #[test]
    fn too_little_money_is_declined_until_money_comes() {
        let mut books = Books::with(29);
        let short = Short { available: 29, required: 30 };
        let declined = payment(30).decide(&mut books.set, at(0));
        assert_eq!(declined, Err(Declined::InsufficientFunds(short)));
        books.deposit(1);
        assert!(payment(30).decide(&mut books.set, at(1)).is_ok());
        assert_eq!(books.money(), (0, 0));
    }

    #[test]
    fn an_order_that_its_saga_pays_is_not_paid_twice() {
        let mut books = Books::with(100);
        let reserve = ReserveFunds { order_id: ORDER, user_id: USER, amount: amount(30) };
        for step in 0..3 {
            match step {
                0 => drop(reserve_funds::decide(&mut books.set, &reserve, at(0))),
                1 => drop(capture_funds::decide(&mut books.set, &CaptureFunds { order_id: ORDER }, at(1))),
                _ => drop(refund_order::decide(&mut books.set, &RefundOrder { order_id: ORDER }, at(2))),
            }
            let paid = payment(30).decide(&mut books.set, at(3));
            assert_eq!(paid.is_ok(), step == 2, "only what was given back can be paid again: {paid:?}");
        }
    }
}
