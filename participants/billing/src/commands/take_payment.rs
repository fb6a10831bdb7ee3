//! Another service takes the money for an order at once, without a saga: once an order. Whoever comes first
//! pays the order: after its saga has asked for the money a payment is declined, whatever became of it; before,
//! the payment is the order's hold, which the saga finds and gives back where it turns back.

use contracts::{Amount, Timestamp};
use messaging::idempotency::Key;
use uuid::Uuid;

use super::Answer;
use crate::derived_id::derived_id;
use crate::entry::{EntryKind, Transfer};
use crate::hold::{Asked, Hold, HoldState, Terms};
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
        entry_id(self.order_id)
    }

    pub(crate) fn touches(&self, keys: &mut Keys) {
        keys.users.push(self.user_id);
        keys.orders.push(self.order_id);
        keys.entries.push(self.entry_id());
        keys.requests.extend(self.key.as_ref().map(|key| key.key_id));
    }

    pub(crate) fn decide(&self, set: &mut Set, now: Timestamp) -> Answer {
        let (entry_id, user_id, amount) = (self.entry_id(), self.user_id, self.amount);
        let asked = Asked { user_id, amount };
        let paid = set.entries.get(entry_id);
        if paid.is_some_and(|paid| (paid.user_id, paid.amount) != (user_id, amount.get())) {
            tracing::warn!(order_id = %self.order_id, "a payment was repeated with another payload");
            return Err(Declined::OtherPayment);
        }
        if paid.is_none() && set.holds.get(self.order_id).is_some() {
            tracing::warn!(order_id = %self.order_id, "a payment for an order whose saga pays it");
            return Err(Declined::OtherPayment);
        }
        let marks = Marks { user_id, entry_id, key: self.key.as_ref() };
        once(set, &marks, now, |set| {
            let account = set.account(user_id, now).spend(amount)?;
            let order_id = Some(self.order_id);
            let transfer = Transfer { entry_id, kind: EntryKind::Payment, amount, order_id };
            let terms = Terms { asked, expires_at: now + set.hold_life };
            set.holds.insert(Hold { order_id: self.order_id, state: HoldState::Paid(terms) });
            Ok(set.book(account, &transfer, now))
        })
    }
}

/// The entry of an order's payment.
pub(super) fn entry_id(order_id: Uuid) -> Uuid {
    derived_id(order_id, "payment")
}

#[cfg(test)]
mod tests {
    use contracts::Reply;
    use contracts::billing::{FundsCaptured, OrderRefunded};

    use super::*;
    use crate::account::{MAX_BALANCE, Short};
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
    fn an_order_whose_saga_has_asked_for_money_takes_no_payment_whatever_became_of_it() {
        let held = |books: &mut Books| drop(books.reserve(30));
        let captured = |books: &mut Books| (held(books), drop(books.capture())).1;
        let stories: [&dyn Fn(&mut Books); 7] = [
            &held,
            &captured,
            &|books| (captured(books), drop(books.refund())).1,
            &|books| (held(books), drop(books.release())).1,
            &|books| (held(books), books.expire()).1,
            &|books| drop(books.reserve(1_000)),
            &|books| drop(books.release()),
        ];
        for (number, story) in stories.iter().enumerate() {
            let mut books = Books::with(100);
            story(&mut books);
            let before = books.set.account(USER, at(3));
            assert_eq!(payment(30).decide(&mut books.set, at(3)), Err(Declined::OtherPayment), "{number}");
            assert_eq!(books.set.account(USER, at(3)), before, "{number}");
        }
    }

    #[test]
    fn what_was_paid_before_its_saga_asks_is_not_taken_again() {
        let mut books = Books::with(100);
        payment(30).decide(&mut books.set, at(0)).unwrap();
        let reserved = books.reserve(30);
        assert!(matches!(reserved, Reply::Done(_)), "{reserved:?}");
        assert_eq!(books.money(), (70, 0));
        let captured = books.capture();
        assert_eq!(captured, Reply::Done(FundsCaptured { entry_id: payment(30).entry_id() }));
        assert_eq!((books.reserve(30), books.capture()), (reserved, captured), "repeated");
        assert!(payment(30).decide(&mut books.set, at(1)).is_ok(), "repeated");
        books.expire();
        assert_eq!(books.money(), (70, 0));
    }

    #[test]
    fn what_was_paid_is_given_back_once_when_its_saga_turns_back_or_is_cancelled() {
        for is_cancelled in [false, true] {
            let mut books = Books::with(100);
            payment(30).decide(&mut books.set, at(0)).unwrap();
            books.reserve(30);
            for _ in 0..2 {
                if is_cancelled {
                    assert!(matches!(books.refund(), Reply::Done(OrderRefunded { entry_id: Some(_) })));
                } else {
                    assert_eq!(books.release(), Reply::Done(()));
                }
                assert_eq!(books.money(), (100, 0));
            }
            assert_eq!((books.reserve(30), books.capture()), (Reply::Cancelled, Reply::Cancelled));
            assert!(payment(30).decide(&mut books.set, at(1)).is_ok(), "answered as before");
            assert_eq!(books.money(), (100, 0));
        }
    }

    #[test]
    fn another_amount_than_was_paid_is_a_fault_and_turning_back_gives_back_what_was_paid() {
        let mut books = Books::with(100);
        payment(30).decide(&mut books.set, at(0)).unwrap();
        assert!(matches!(books.reserve(31), Reply::Fault(_)));
        assert_eq!(books.money(), (70, 0));
        assert_eq!(books.release(), Reply::Done(()));
        assert_eq!(books.money(), (100, 0));
    }

    #[test]
    fn a_balance_at_its_bound_waits_for_the_user_to_spend_before_it_is_given_back() {
        let mut books = Books::with(30);
        payment(30).decide(&mut books.set, at(0)).unwrap();
        books.set.accounts.get_mut(USER).unwrap().balance = MAX_BALANCE - 29;
        assert!(matches!(books.release(), Reply::Fault(_)));
        books.withdraw(1).unwrap();
        assert_eq!(books.release(), Reply::Done(()));
        assert_eq!(books.money(), (MAX_BALANCE, 0));
    }
}
