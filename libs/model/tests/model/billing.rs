//! Billing's rows of one account, under its real rule.

use billing::Set;
use billing::account::Account;
use billing::entry::Entry;
use billing::hold::{Hold, HoldState};
use chrono::TimeDelta;
use contracts::ReplyData;
use messaging::rows::Rows as Table;

use crate::order::{Command, ORDERS, Order, USER, now};
use crate::participants::Rows;

/// How long a hold lasts: longer than any saga of the model.
const HOLD_LIFE: TimeDelta = TimeDelta::days(7);

/// One account, what became of each order's hold on it, and its entries.
#[derive(Debug, Clone, PartialEq)]
pub(crate) struct Books {
    /// Minor units that there were at first.
    money: i64,
    account: Account,
    holds: [Option<HoldState>; ORDERS],
    entries: Vec<Entry>,
}

impl Books {
    pub(crate) fn with(money: i64) -> Self {
        let account = Account { balance: money, ..Account::open(USER, now()) };
        Self { money, account, holds: [const { None }; ORDERS], entries: Vec::new() }
    }

    /// As billing's rule wants it.
    pub(crate) fn set(&self) -> Set {
        let holds = self.holds.iter().enumerate().filter_map(|(order, state)| {
            state.clone().map(|state| Hold { order_id: Order::id(order), state })
        });
        Set {
            accounts: Table::of([self.account]),
            holds: Table::of(holds),
            entries: Table::of(self.entries.clone()),
            hold_life: HOLD_LIFE,
            ..Set::default()
        }
    }

    /// What the rule has made of it.
    pub(crate) fn after(&self, set: &Set) -> Self {
        let hold = |order| set.holds.get(Order::id(order)).map(|hold| hold.state.clone());
        Self {
            money: self.money,
            account: *set.accounts.get(USER).expect("nothing removes an account"),
            holds: std::array::from_fn(hold),
            entries: set.entries.iter().cloned().collect(),
        }
    }
}

/// Decides by billing's own rule.
pub(crate) fn decide(set: &mut Set, order: usize, command: Command) -> ReplyData {
    use billing::commands::Command as Asked;
    let order = Order::priced(order);
    let asked = match command {
        Command::ReserveFunds => Asked::ReserveFunds(order.reserve_funds()),
        Command::ReleaseFunds => Asked::ReleaseFunds(order.release_funds()),
        Command::CaptureFunds => Asked::CaptureFunds(order.capture_funds()),
        other => panic!("{other:?} is none of billing's"),
    };
    asked.decide(set, now())
}

impl Rows for Books {
    fn decide(&self, order: usize, command: Command) -> (Self, ReplyData) {
        let mut set = self.set();
        let reply = decide(&mut set, order, command);
        (self.after(&set), reply)
    }

    fn knows(&self, order: usize) -> bool {
        self.holds[order].is_some()
    }

    fn without(mut self, order: usize) -> Self {
        self.holds[order] = None;
        self.entries.retain(|entry| entry.order_id != Some(Order::id(order)));
        self
    }

    fn promised(&self) -> i64 {
        self.account.held
    }

    fn taken(&self) -> i64 {
        self.money - self.account.balance
    }

    /// Money is where the holds and the entries say, and there is never less than none.
    fn agree(&self) -> bool {
        let Account { balance, held, .. } = self.account;
        let promised = self.holds.iter().map(|state| match state {
            Some(HoldState::Held(terms)) => terms.asked.amount.get(),
            _ => 0,
        });
        let entered: i64 = self.entries.iter().map(Entry::signed_amount).sum();
        0 <= held && held <= balance && held == promised.sum::<i64>() && balance - self.money == entered
    }
}
