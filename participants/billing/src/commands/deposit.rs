//! A user puts money into the own account.

use contracts::{Amount, Timestamp};
use messaging::idempotency::Key;
use uuid::Uuid;

use super::Answer;
use crate::entry::{EntryKind, Transfer};
use crate::once::{Declined, Marks, once};
use crate::set::{Keys, Set};

/// Asks for a deposit.
#[derive(Debug, Clone)]
pub struct Deposit {
    /// Made by the caller, once: by it a repeat after an unknown commit is recognised.
    pub entry_id: Uuid,
    /// Whose account.
    pub user_id: Uuid,
    /// How much.
    pub amount: Amount,
    /// The client's key, if there is one.
    pub key: Option<Key>,
}

impl Deposit {
    pub(crate) fn touches(&self, keys: &mut Keys) {
        keys.users.push(self.user_id);
        keys.entries.push(self.entry_id);
        keys.requests.extend(self.key.as_ref().map(|key| key.key_id));
    }

    pub(crate) fn decide(&self, set: &mut Set, now: Timestamp) -> Answer {
        let marks = Marks { user_id: self.user_id, entry_id: self.entry_id, key: self.key.as_ref() };
        once(set, &marks, now, |set| {
            let account = set.account(self.user_id, now);
            let account = account.deposit(self.amount).ok_or(Declined::BalanceTooLarge)?;
            let (entry_id, amount) = (self.entry_id, self.amount);
            let transfer = Transfer { entry_id, kind: EntryKind::Deposit, amount, order_id: None };
            Ok(set.book(account, &transfer, now))
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::account::MAX_BALANCE;
    use crate::entry::CASH_ACCOUNT;
    use crate::sample::{Books, USER, amount, at, key};

    fn deposit(entry: u128, units: i64, key: Option<Key>) -> Deposit {
        Deposit { entry_id: Uuid::from_u128(entry), user_id: USER, amount: amount(units), key }
    }

    #[test]
    fn money_comes_in_and_is_entered() {
        let mut books = Books::default();
        let booked = deposit(7, 50, None).decide(&mut books.set, at(0)).unwrap();
        assert_eq!((booked.account.balance, booked.replayed), (50, false));
        let entry = books.set.entries.get(Uuid::from_u128(7)).unwrap();
        assert_eq!((entry.signed_amount(), entry.balance_after, entry.number), (50, 50, 1));
        assert_eq!(entry.debit_account, CASH_ACCOUNT);
    }

    #[test]
    fn the_same_entry_is_entered_once() {
        let mut books = Books::default();
        let first = deposit(7, 50, None).decide(&mut books.set, at(0));
        assert_eq!(deposit(7, 50, None).decide(&mut books.set, at(1)), first);
        assert_eq!(books.money(), (50, 0));
    }

    #[test]
    fn a_repeated_key_is_answered_as_then_and_adds_nothing() {
        let mut books = Books::default();
        let first = deposit(7, 50, key("k", "50")).decide(&mut books.set, at(0)).unwrap();
        books.deposit(1);
        let again = deposit(8, 50, key("k", "50")).decide(&mut books.set, at(1)).unwrap();
        assert_eq!(again.account, first.account);
        assert!(again.replayed && !first.replayed);
        assert_eq!(books.money(), (51, 0));
    }

    #[test]
    fn a_key_with_another_body_is_declined() {
        let mut books = Books::default();
        deposit(7, 50, key("k", "50")).decide(&mut books.set, at(0)).unwrap();
        let reused = deposit(8, 51, key("k", "51")).decide(&mut books.set, at(1));
        assert_eq!(reused, Err(Declined::KeyReused));
        assert_eq!(books.money(), (50, 0));
    }

    #[test]
    fn a_retry_after_an_unknown_commit_is_the_first_answer_not_a_replay() {
        let mut books = Books::default();
        let call = deposit(7, 50, key("k", "50"));
        let first = call.decide(&mut books.set, at(0)).unwrap();
        assert_eq!(call.decide(&mut books.set, at(1)).unwrap(), first);
    }

    #[test]
    fn a_balance_beyond_its_bound_is_declined_and_not_remembered() {
        let mut books = Books::with(MAX_BALANCE);
        let declined = deposit(7, 1, key("k", "1")).decide(&mut books.set, at(0));
        assert_eq!(declined, Err(Declined::BalanceTooLarge));
        assert_eq!(books.money(), (MAX_BALANCE, 0));
        assert_eq!(books.set.remembered.iter().count(), 0);
    }
}
