//! The working set of a batch, and which rows an input needs in it.

use chrono::TimeDelta;
use contracts::Timestamp;
use messaging::idempotency::RememberedRequest;
use messaging::rows::Rows;
use uuid::Uuid;

use crate::account::Account;
use crate::entry::{Entry, Transfer};
use crate::hold::{Hold, HoldState};

/// The rows that a batch touches.
#[derive(Debug, Clone, Default)]
pub struct Set {
    /// Locked: the parents of all else.
    pub accounts: Rows<Account>,
    /// By order.
    pub holds: Rows<Hold>,
    /// Only those that a repeated call would find.
    pub entries: Rows<Entry>,
    /// Requests that came with an `Idempotency-Key`.
    pub remembered: Rows<RememberedRequest>,
    /// How long a new hold lasts.
    pub hold_life: TimeDelta,
}

impl Set {
    /// A copy of the user's account, opened now if there is none.
    pub(crate) fn account(&mut self, user_id: Uuid, now: Timestamp) -> Account {
        if let Some(account) = self.accounts.get(user_id) {
            return *account;
        }
        let account = Account::open(user_id, now);
        self.accounts.insert(account);
        account
    }

    /// Replaces an account by what it has become.
    pub(crate) fn put(&mut self, account: Account) {
        if let Some(row) = self.accounts.get_mut(account.user_id) {
            *row = account;
        }
    }

    /// Enters a transfer whose effect on the balance the account has already. Returns the account.
    pub(crate) fn book(&mut self, account: Account, transfer: &Transfer, now: Timestamp) -> Account {
        let account = Account { entries: account.entries + 1, ..account };
        self.entries.insert(transfer.entry(&account, now));
        self.put(account);
        account
    }

    /// Moves a hold to another state.
    pub(crate) fn end_hold(&mut self, order_id: Uuid, state: HoldState) {
        if let Some(hold) = self.holds.get_mut(order_id) {
            hold.state = state;
        }
    }
}

/// The keys of the rows that a batch needs.
#[derive(Debug, Default)]
pub struct Keys {
    /// Whose accounts are locked.
    pub(crate) users: Vec<Uuid>,
    /// Whose holds are read.
    pub(crate) orders: Vec<Uuid>,
    /// Whose holds most likely are not there yet.
    pub(crate) new_orders: Vec<Uuid>,
    /// Of these orders the account is not named by the input: it is the hold's.
    pub(crate) orders_of_holders: Vec<Uuid>,
    /// Entries that exist if the call is a repeat.
    pub(crate) entries: Vec<Uuid>,
    /// Remembered requests.
    pub(crate) requests: Vec<Uuid>,
}

impl Keys {
    pub(crate) fn all_orders(&self) -> Vec<Uuid> {
        [&self.orders[..], &self.new_orders].concat()
    }

    /// The hold of an order, and the account that the hold is on.
    pub(crate) fn hold_and_holder(&mut self, order_id: Uuid) {
        self.orders.push(order_id);
        self.orders_of_holders.push(order_id);
    }
}
