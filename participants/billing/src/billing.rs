//! Billing's rules on the one loop: what comes in, which rows it needs, and where they are saved.

use chrono::TimeDelta;
use contracts::user::UserRegistered;
use contracts::{Event, Timestamp};
use messaging::rows::memory::Tables;
use messaging::rows::{Changes, Hold as Locking, Known, Rows, Transaction, Version};
use messaging::{BatchError, Decided, Decider, DecodeError, Item};
use uuid::Uuid;

use crate::account::Account;
use crate::commands::{Answer, Call, Command, expire_hold, open_account};
use crate::hold::{Hold, HoldState};
use crate::set::{Keys, Set};

/// Billing, as the loop sees it.
#[derive(Debug)]
pub struct Billing {
    /// How long a new hold lasts.
    pub hold_life: TimeDelta,
    accounts: Known<Account>,
    /// Those that wait.
    holds: Known<Hold>,
}

impl Billing {
    /// Whose new holds last so long.
    pub fn new(hold_life: TimeDelta) -> Self {
        Self { hold_life, accounts: Known::new(KNOWN_MAX), holds: Known::new(KNOWN_MAX) }
    }
}

/// Accounts, and holds, that a process remembers, about 200 bytes each: others are read.
const KNOWN_MAX: usize = 8_192;

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
    const IS_OPTIMISTIC: bool = true;
    const TAKES_TURNS: bool = true;
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
        let (accounts, holds) =
            if tx.is_optimistic() { self.read(tx, &keys).await? } else { self.lock(tx, &keys).await? };
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

    fn committed(&self, set: Set, version: Option<Version>) {
        if let Some(version) = version {
            self.accounts.keep(set.accounts, version, |_| true);
            self.holds.keep(set.holds, version, |hold| matches!(hold.state, HoldState::Held(_)));
        }
    }
}

impl Billing {
    /// Without locks: holds first, for they say whose accounts they are on. What is there of new orders' is found
    /// out by writing them: such a batch is loaded again, with locks.
    async fn read(
        &self,
        tx: &mut Transaction,
        keys: &Keys,
    ) -> Result<(Rows<Account>, Rows<Hold>), BatchError> {
        let known = self.holds.take(&keys.all_orders());
        let holds = known.and_read(tx, &keys.orders).await?;
        let holders = holds.iter().filter(|hold| hold.state.moves_money());
        let holders = holders.filter_map(|hold| hold.state.asked()).map(|asked| asked.user_id);
        let users: Vec<Uuid> = keys.users.iter().copied().chain(holders).collect();
        Ok((self.accounts.load(tx, &users).await?, holds))
    }

    async fn lock(
        &self,
        tx: &mut Transaction,
        keys: &Keys,
    ) -> Result<(Rows<Account>, Rows<Hold>), BatchError> {
        let accounts = lock_accounts(tx, keys).await?;
        let holds = Rows::load(tx, &keys.all_orders(), Locking::Unlocked).await?;
        check_holders(keys, &holds, &accounts)?;
        Ok((accounts, holds))
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

/// A hold may have come between the two statements of [`Billing::lock`]: then its account is not locked,
/// and the batch is loaded again.
fn check_holders(keys: &Keys, holds: &Rows<Hold>, accounts: &Rows<Account>) -> Result<(), BatchError> {
    let holders = keys.orders_of_holders.iter().filter_map(|order_id| holds.get(*order_id));
    let asked = holders.filter(|hold| hold.state.moves_money()).filter_map(|hold| hold.state.asked());
    match asked.filter(|asked| accounts.get(asked.user_id).is_none()).count() {
        0 => Ok(()),
        unlocked => Err(BatchError::Conflict(format!("accounts: {unlocked} more are to be locked"))),
    }
}
