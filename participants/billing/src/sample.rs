//! Books with one user and one order, for the tests of the rules.

use chrono::TimeDelta;
use contracts::billing::{CaptureFunds, RefundOrder, ReleaseFunds, ReserveFunds};
use contracts::{Amount, Reply, Timestamp};
use messaging::idempotency::Key;
use messaging::rows::Rows;
use uuid::Uuid;

use crate::account::Account;
use crate::commands::deposit::Deposit;
use crate::commands::withdraw::Withdraw;
use crate::commands::{Answer, capture_funds, expire_hold, refund_order, release_funds, reserve_funds};
use crate::set::Set;

pub(crate) const USER: Uuid = Uuid::from_u128(0x01934a5f_0000_7000_8000_000000000001);
pub(crate) const ORDER: Uuid = Uuid::from_u128(0x01934a5f_0000_7000_8000_000000000002);

pub(crate) fn amount(minor_units: i64) -> Amount {
    Amount::new(minor_units).unwrap()
}

/// So many seconds after the beginning.
pub(crate) fn at(seconds: i64) -> Timestamp {
    Timestamp::default() + TimeDelta::seconds(seconds)
}

pub(crate) fn key(key: &str, body_hash: &str) -> Option<Key> {
    Some(Key::new(USER, "/route", key, body_hash.to_owned()))
}

pub(crate) struct Books {
    pub(crate) set: Set,
    now: Timestamp,
    entries_made: u128,
}

impl Default for Books {
    fn default() -> Self {
        let set = Set { hold_life: TimeDelta::days(7), ..Set::default() };
        Self { set, now: at(0), entries_made: 1_000 }
    }
}

impl Books {
    pub(crate) fn with(balance: i64) -> Self {
        let account = Account { balance, ..Account::open(USER, at(0)) };
        let mut books = Self::default();
        books.set.accounts = Rows::of([account]);
        books
    }

    /// Balance and held of the user.
    pub(crate) fn money(&self) -> (i64, i64) {
        let account = self.set.accounts.get(USER).expect("the user has an account");
        (account.balance, account.held)
    }

    pub(crate) fn set_held(&mut self, held: i64) {
        self.set.accounts.get_mut(USER).expect("the user has an account").held = held;
    }

    /// Past the hold's end, not yet past the grace.
    pub(crate) fn later(&mut self) {
        self.now += self.set.hold_life + TimeDelta::hours(1);
    }

    pub(crate) fn reserve(&mut self, units: i64) -> Reply<ReserveFunds> {
        let command = ReserveFunds { order_id: ORDER, user_id: USER, amount: amount(units) };
        reserve_funds::decide(&mut self.set, &command, self.now)
    }

    pub(crate) fn release(&mut self) -> Reply<ReleaseFunds> {
        release_funds::decide(&mut self.set, &ReleaseFunds { order_id: ORDER }, self.now)
    }

    pub(crate) fn capture(&mut self) -> Reply<CaptureFunds> {
        capture_funds::decide(&mut self.set, &CaptureFunds { order_id: ORDER }, self.now)
    }

    pub(crate) fn refund(&mut self) -> Reply<RefundOrder> {
        refund_order::decide(&mut self.set, &RefundOrder { order_id: ORDER }, self.now)
    }

    pub(crate) fn expire(&mut self) {
        self.now += self.set.hold_life + TimeDelta::hours(24);
        expire_hold::decide(&mut self.set, ORDER, self.now);
    }

    pub(crate) fn deposit(&mut self, units: i64) {
        let (entry_id, user_id, amount) = (self.next_entry(), USER, amount(units));
        let call = Deposit { entry_id, user_id, amount, key: None };
        call.decide(&mut self.set, self.now).expect("a deposit of a test is in bounds");
    }

    pub(crate) fn withdraw(&mut self, units: i64) -> Answer {
        let (entry_id, user_id, amount) = (self.next_entry(), USER, amount(units));
        Withdraw { entry_id, user_id, amount, key: None }.decide(&mut self.set, self.now)
    }

    fn next_entry(&mut self) -> Uuid {
        self.entries_made += 1;
        Uuid::from_u128(self.entries_made)
    }
}
