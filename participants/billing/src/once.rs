//! What is asked over HTTP is done once: recognised by the effect's id where a commit's outcome was
//! unknown, and by the client's `Idempotency-Key`.

use contracts::Timestamp;
use messaging::idempotency::{self, Earlier, Key};
use serde::{Deserialize, Serialize};
use serde_json::value::RawValue;
use uuid::Uuid;

use crate::account::{Account, Short};
use crate::set::Set;

/// An account as it was told to a client; remembered in this form.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct AccountView {
    /// The account.
    pub account_id: Uuid,
    /// Whose.
    pub user_id: Uuid,
    /// All the money, in minor units.
    pub balance: i64,
    /// The part of it that waits for orders, in minor units.
    pub held: i64,
}

impl From<&Account> for AccountView {
    fn from(account: &Account) -> Self {
        let &Account { account_id, user_id, balance, held, .. } = account;
        Self { account_id, user_id, balance, held }
    }
}

/// It was done.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Booked {
    /// The account afterwards.
    pub account: AccountView,
    /// Whether this is the answer to an earlier request with the same key.
    pub replayed: bool,
}

impl Booked {
    pub(crate) fn now(account: &Account) -> Self {
        Self { account: account.into(), replayed: false }
    }
}

/// It was not done, and nothing was changed.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Declined {
    /// There is less than is asked for.
    InsufficientFunds(Short),
    /// The balance would pass [`crate::account::MAX_BALANCE`].
    BalanceTooLarge,
    /// The order was paid by another user, with another amount, or its saga has asked for the money.
    OtherPayment,
    /// The key came with another body before.
    KeyReused,
}

impl From<Short> for Declined {
    fn from(short: Short) -> Self {
        Self::InsufficientFunds(short)
    }
}

/// The marks by which a repeat is recognised.
pub(crate) struct Marks<'a> {
    pub(crate) user_id: Uuid,
    pub(crate) entry_id: Uuid,
    pub(crate) key: Option<&'a Key>,
}

/// Does what `first` does, unless it was done before. Only what had an effect is remembered.
pub(crate) fn once(
    set: &mut Set,
    marks: &Marks<'_>,
    now: Timestamp,
    first: impl FnOnce(&mut Set) -> Result<Account, Declined>,
) -> Result<Booked, Declined> {
    let is_done = set.entries.get(marks.entry_id).is_some();
    let earlier = marks.key.map_or(Earlier::Unknown, |key| idempotency::earlier(&set.remembered, key));
    match earlier {
        Earlier::OtherBody => return Err(Declined::KeyReused),
        Earlier::Answered(answer) => {
            if let Ok(account) = serde_json::from_str(answer.get()) {
                return Ok(Booked { account, replayed: !is_done });
            }
            // Remembered in a form that is no longer read: the key still says that it was done.
            return Ok(Booked { replayed: !is_done, ..Booked::now(&set.account(marks.user_id, now)) });
        }
        Earlier::Unknown => {}
    }
    let account = if is_done { set.account(marks.user_id, now) } else { first(set)? };
    let booked = Booked::now(&account);
    if let Some(key) = marks.key {
        set.remembered.insert(key.remember(encoded(&booked.account), now));
    }
    Ok(booked)
}

fn encoded(account: &AccountView) -> Box<RawValue> {
    serde_json::value::to_raw_value(account).expect("two ids and two numbers always have a JSON form")
}
