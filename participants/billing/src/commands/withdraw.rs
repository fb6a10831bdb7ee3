//! A user takes money out of the own account: only what is not held.

use contracts::{Amount, Timestamp};
use messaging::idempotency::Key;
use uuid::Uuid;

use super::Answer;
use crate::entry::{EntryKind, Transfer};
use crate::once::{Marks, once};
use crate::set::{Keys, Set};

/// Asks for a withdrawal.
#[derive(Debug, Clone)]
pub struct Withdraw {
    /// Made by the caller, once: by it a repeat after an unknown commit is recognised.
    pub entry_id: Uuid,
    /// Whose account.
    pub user_id: Uuid,
    /// How much.
    pub amount: Amount,
    /// The client's key, if there is one.
    pub key: Option<Key>,
}

impl Withdraw {
    pub(crate) fn touches(&self, keys: &mut Keys) {
        keys.users.push(self.user_id);
        keys.entries.push(self.entry_id);
        keys.requests.extend(self.key.as_ref().map(|key| key.key_id));
    }

    pub(crate) fn decide(&self, set: &mut Set, now: Timestamp) -> Answer {
        let marks = Marks { user_id: self.user_id, entry_id: self.entry_id, key: self.key.as_ref() };
        once(set, &marks, now, |set| {
            let account = set.account(self.user_id, now).spend(self.amount)?;
            let (entry_id, amount) = (self.entry_id, self.amount);
            let transfer = Transfer { entry_id, kind: EntryKind::Withdrawal, amount, order_id: None };
            Ok(set.book(account, &transfer, now))
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::account::Short;
    use crate::once::Declined;
    use crate::sample::{Books, USER, amount, at, key};

    fn withdraw(entry: u128, units: i64, key: Option<Key>) -> Withdraw {
        Withdraw { entry_id: Uuid::from_u128(entry), user_id: USER, amount: amount(units), key }
    }

    #[test]
    fn money_goes_out_and_is_entered() {
        let mut books = Books::with(100);
        let booked = withdraw(7, 30, None).decide(&mut books.set, at(0)).unwrap();
        assert_eq!(booked.account.balance, 70);
        let entry = books.set.entries.get(Uuid::from_u128(7)).unwrap();
        assert_eq!((entry.signed_amount(), entry.balance_after), (-30, 70));
    }

    #[test]
    fn the_same_entry_is_entered_once() {
        let mut books = Books::with(100);
        let first = withdraw(7, 80, None).decide(&mut books.set, at(0));
        assert_eq!(withdraw(7, 80, None).decide(&mut books.set, at(1)), first);
        assert_eq!(books.money(), (20, 0));
    }

    #[test]
    fn held_money_stays() {
        let mut books = Books::with(100);
        books.reserve(60);
        let short = Short { available: 40, required: 41 };
        let declined = withdraw(7, 41, None).decide(&mut books.set, at(0));
        assert_eq!(declined, Err(Declined::InsufficientFunds(short)));
        assert_eq!(books.money(), (100, 60));
    }

    #[test]
    fn what_was_declined_is_not_remembered() {
        let mut books = Books::with(10);
        assert!(withdraw(7, 20, key("k", "20")).decide(&mut books.set, at(0)).is_err());
        books.deposit(10);
        let booked = withdraw(8, 20, key("k", "20")).decide(&mut books.set, at(1)).unwrap();
        assert_eq!((booked.account.balance, booked.replayed), (0, false));
        let again = withdraw(9, 20, key("k", "20")).decide(&mut books.set, at(2)).unwrap();
        assert_eq!((again.account.balance, again.replayed), (0, true));
    }
}
