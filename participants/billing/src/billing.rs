//! Billing's rules on the one loop: what comes in, which rows it needs, and where they are saved.

use chrono::TimeDelta;
use contracts::user::UserRegistered;
use contracts::{Event, Timestamp};
use messaging::rows::memory::Tables;
use messaging::rows::{Changes, Hold as Locking, Rows, Transaction};
use messaging::{BatchError, Decided, Decider, DecodeError, Item};
use uuid::Uuid;

use crate::account::Account;
use crate::commands::{Answer, Call, Command, expire_hold, open_account};
use crate::hold::Hold;
use crate::set::{Keys, Set};

/// Billing, as the loop sees it.
#[derive(Debug, Clone, Copy)]
pub struct Billing {
    /// How long a new hold lasts.
    pub hold_life: TimeDelta,
}

/// Everything that changes billing's rows.
#[derive(Debug, Clone)]
pub enum Input {
    /// A saga asks.
    Command(Command),
    /// A user registered.
    Registered(UserRegistered),
    /// A client asks.
    Call(Call),
    /// The hold of this order may be due.
    Expire(Uuid),
}

impl Input {
    fn touches(&self, keys: &mut Keys) {
        match self {
            Self::Command(command) => command.touches(keys),
            Self::Registered(event) => keys.users.push(event.user_id),
            Self::Call(call) => call.touches(keys),
            Self::Expire(order_id) => keys.hold_and_holder(*order_id),
        }
    }
}

impl Decider for Billing {
    const SERVICE: &'static str = "billing";
    type Input = Input;
    type Answer = Answer;
    type Set = Set;

    fn decode(&self, item: &Item<'_>) -> Result<Input, DecodeError> {
        if item.item_type == UserRegistered::TYPE {
            return Ok(Input::Registered(serde_json::from_str(item.data.get())?));
        }
        Command::decode(item).map(Input::Command)
    }

    /// An order is decided before its money is taken.
    fn can_wait(&self, input: &Input) -> bool {
        matches!(input, Input::Command(Command::CaptureFunds(_)))
    }

    async fn load(&self, tx: &mut Transaction, inputs: &[&Input]) -> Result<Set, BatchError> {
        let mut keys = Keys::default();
        for input in inputs {
            input.touches(&mut keys);
        }
        let accounts = lock_accounts(tx, &keys).await?;
        let holds = Rows::load(tx, &keys.orders, Locking::Unlocked).await?;
        check_holders(&keys, &holds, &accounts)?;
        Ok(Set {
            accounts,
            holds,
            entries: Rows::load(tx, &keys.entries, Locking::Unlocked).await?,
            remembered: Rows::load(tx, &keys.requests, Locking::Unlocked).await?,
            hold_life: self.hold_life,
        })
    }

    fn decide(&self, set: &mut Set, input: &Input, now: Timestamp) -> Decided<Answer> {
        match input {
            Input::Command(command) => Decided::reply(command.decide(set, now)),
            Input::Call(call) => Decided::answer(call.decide(set, now)),
            Input::Registered(event) => {
                open_account::decide(set, event.user_id, now);
                Decided::nothing()
            }
            Input::Expire(order_id) => {
                expire_hold::decide(set, *order_id, now);
                Decided::nothing()
            }
        }
    }

    fn save(&self, set: &Set, changes: &mut Changes) {
        changes.save(&set.accounts);
        changes.save(&set.holds);
        changes.save(&set.entries);
        changes.save(&set.remembered);
    }
}

/// Locks every account of the batch in one statement, in the order of their users.
async fn lock_accounts(tx: &mut Transaction, keys: &Keys) -> Result<Rows<Account>, BatchError> {
    let holders = "SELECT user_id FROM holds WHERE order_id = ANY($2)";
    let holder = |tables: &Tables, order_id| {
        let hold: Option<&Hold> = tables.get(order_id);
        hold.and_then(|hold| hold.state.asked()).map(|asked| asked.user_id).into_iter().collect()
    };
    Ok(Rows::lock_with_parents_of(tx, &keys.users, holders, &keys.orders_of_holders, holder).await?)
}

/// A hold may have come between the two statements of [`Billing::load`]: then its account is not locked,
/// and the batch is loaded again.
fn check_holders(keys: &Keys, holds: &Rows<Hold>, accounts: &Rows<Account>) -> Result<(), BatchError> {
    let holders = keys.orders_of_holders.iter().filter_map(|order_id| holds.get(*order_id));
    let asked = holders.filter(|hold| hold.state.moves_money()).filter_map(|hold| hold.state.asked());
    match asked.filter(|asked| accounts.get(asked.user_id).is_none()).count() {
        0 => Ok(()),
        unlocked => Err(BatchError::Conflict(format!("accounts: {unlocked} more are to be locked"))),
    }
}
