//! An entry of the ledger: a transfer from the account that it debits to the one that it credits, so
//! that its two postings sum to zero by construction. Entries are never changed.

use contracts::{Amount, Timestamp};
use messaging::{record, word_column};
use uuid::Uuid;

use crate::account::Account;

/// The world outside: what came in is negative here.
pub const CASH_ACCOUNT: Uuid = Uuid::from_u128(1);
/// What was earned.
pub const REVENUE_ACCOUNT: Uuid = Uuid::from_u128(2);

/// Why money moved.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum EntryKind {
    /// The user put it in.
    Deposit,
    /// The user took it out.
    Withdrawal,
    /// A hold was captured for an order.
    Capture,
    /// An order was paid at once, without a hold.
    Payment,
    /// What was captured for an order came back: it was cancelled.
    Refund,
}

word_column!(EntryKind {
    Deposit => "deposit",
    Withdrawal => "withdrawal",
    Capture => "capture",
    Payment => "payment",
    Refund => "refund",
});

record! {
    /// A transfer between two accounts, one of them a user's.
    #[derive(PartialEq, Eq)]
    pub struct Entry in "entries" {
        /// Its id.
        entry_id: Uuid,
        fixed {
            /// In whose statement it is.
            user_id: Uuid,
            /// Its place in that statement: 1, 2, 3, ...
            number: i64,
            /// Why.
            kind: EntryKind,
            /// The account that has less now.
            debit_account: Uuid,
            /// The account that has more now.
            credit_account: Uuid,
            /// How much, in minor units; positive.
            amount: i64,
            /// The user's balance after it, in minor units.
            balance_after: i64,
            /// For which order.
            order_id: Option<Uuid>,
            /// When.
            created_at: Timestamp,
        }
    }
}

/// A transfer that is to be entered.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Transfer {
    pub(crate) entry_id: Uuid,
    pub(crate) kind: EntryKind,
    pub(crate) amount: Amount,
    pub(crate) order_id: Option<Uuid>,
}

impl Transfer {
    /// Its entry in the statement of the account, which has the new balance and counts this entry.
    pub(crate) fn entry(&self, account: &Account, now: Timestamp) -> Entry {
        let (debit_account, credit_account) = match self.kind {
            EntryKind::Deposit => (CASH_ACCOUNT, account.account_id),
            EntryKind::Withdrawal => (account.account_id, CASH_ACCOUNT),
            EntryKind::Capture | EntryKind::Payment => (account.account_id, REVENUE_ACCOUNT),
            EntryKind::Refund => (REVENUE_ACCOUNT, account.account_id),
        };
        Entry {
            entry_id: self.entry_id,
            user_id: account.user_id,
            number: account.entries,
            kind: self.kind,
            debit_account,
            credit_account,
            amount: self.amount.get(),
            balance_after: account.balance,
            order_id: self.order_id,
            created_at: now,
        }
    }
}

impl Entry {
    /// The amount as the user sees it: negative where money went away.
    pub fn signed_amount(&self) -> i64 {
        match self.kind {
            EntryKind::Deposit | EntryKind::Refund => self.amount,
            EntryKind::Withdrawal | EntryKind::Capture | EntryKind::Payment => -self.amount,
        }
    }

    /// The two postings: each account and what it has more. They sum to zero.
    pub fn postings(&self) -> [(Uuid, i64); 2] {
        [(self.debit_account, -self.amount), (self.credit_account, self.amount)]
    }
}
