//! An account: what a user has, and what of it is held. Its methods are the only arithmetic on money;
//! each gives the account as it is afterwards, or says why not.

use contracts::{Amount, Timestamp};
use messaging::record;
use uuid::Uuid;

use crate::derived_id::derived_id;

/// The highest balance, in minor units: below 2^53, so that every JSON reader sees it exactly.
pub const MAX_BALANCE: i64 = 9_000_000_000_000_000;

record! {
    /// A user's account. `0 <= held <= balance <= MAX_BALANCE`.
    #[derive(Copy, PartialEq, Eq)]
    pub struct Account in "accounts" {
        /// Whose; one account each.
        user_id: Uuid,
        fixed {
            /// Its id in the ledger.
            account_id: Uuid,
            /// When it was opened.
            opened_at: Timestamp,
        }
        changing {
            /// All the money, in minor units.
            balance: i64,
            /// The part of it that waits for orders, in minor units.
            held: i64,
            /// How many entries the ledger has of this account.
            entries: i64,
        }
    }
}

/// There is less than is asked for; both in minor units.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Short {
    /// What could be spent.
    pub available: i64,
    /// What was asked for.
    pub required: i64,
}

/// The account and what is asked of it contradict each other: a defect, nothing is changed.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Contradiction;

impl Account {
    /// An empty account.
    pub fn open(user_id: Uuid, now: Timestamp) -> Self {
        let account_id = derived_id(user_id, "account");
        Self { user_id, account_id, balance: 0, held: 0, entries: 0, opened_at: now }
    }

    /// What can be spent, in minor units.
    pub fn available(&self) -> i64 {
        self.balance - self.held
    }

    /// With this much more of it held.
    pub(crate) fn hold(self, amount: Amount) -> Result<Self, Short> {
        let amount = self.covered(amount)?;
        Ok(Self { held: self.held + amount, ..self })
    }

    /// With this much less of it held.
    pub(crate) fn release(self, amount: Amount) -> Result<Self, Contradiction> {
        let held = self.held.checked_sub(amount.get()).filter(|held| *held >= 0);
        Ok(Self { held: held.ok_or(Contradiction)?, ..self })
    }

    /// With money that was available gone.
    pub(crate) fn spend(self, amount: Amount) -> Result<Self, Short> {
        let amount = self.covered(amount)?;
        Ok(Self { balance: self.balance - amount, ..self })
    }

    /// With money that came in; `None` where it would pass [`MAX_BALANCE`].
    pub(crate) fn deposit(self, amount: Amount) -> Option<Self> {
        let balance = self.balance.checked_add(amount.get()).filter(|balance| *balance <= MAX_BALANCE)?;
        Some(Self { balance, ..self })
    }

    /// The amount, if it is available: no sum with it can overflow then.
    fn covered(&self, amount: Amount) -> Result<i64, Short> {
        let (available, required) = (self.available(), amount.get());
        if required <= available { Ok(required) } else { Err(Short { available, required }) }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn account(balance: i64, held: i64) -> Account {
        Account { balance, held, ..Account::open(Uuid::from_u128(1), Timestamp::default()) }
    }

    fn amount(minor_units: i64) -> Amount {
        Amount::new(minor_units).unwrap()
    }

    #[test]
    fn only_what_is_available_can_be_held_or_spent() {
        let short = Short { available: 6, required: 7 };
        assert_eq!(account(10, 4).hold(amount(7)), Err(short));
        assert_eq!(account(10, 4).spend(amount(7)), Err(short));
        assert_eq!(account(10, 4).hold(amount(6)), Ok(account(10, 10)));
        assert_eq!(account(10, 4).spend(amount(6)), Ok(account(4, 4)));
    }

    #[test]
    fn more_than_is_held_is_never_released() {
        assert_eq!(account(10, 4).release(amount(5)), Err(Contradiction));
        assert_eq!(account(10, 4).release(amount(4)), Ok(account(10, 0)));
    }

    #[test]
    fn a_balance_has_an_upper_bound() {
        assert_eq!(account(MAX_BALANCE, 0).deposit(amount(1)), None);
        assert_eq!(account(MAX_BALANCE - 1, 0).deposit(amount(1)), Some(account(MAX_BALANCE, 0)));
    }
}
