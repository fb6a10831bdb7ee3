//! The rules without a database: random sequences of everything that can be asked for, each answer
//! compared with a model of a few lines, and the books audited after each step.

use std::collections::BTreeMap;
use std::sync::LazyLock;

use billing::commands::deposit::Deposit;
use billing::commands::take_payment::TakePayment;
use billing::commands::withdraw::Withdraw;
use billing::commands::{Answer as Told, Call, Command};
use billing::hold::HoldState;
use billing::{Billing, Declined, Input, Set};
use chrono::TimeDelta;
use contracts::billing::{CaptureFunds, RefundOrder, ReleaseFunds};
use contracts::{Outcome, Timestamp};
use messaging::{Answer, Decider};
use proptest::collection::vec;
use proptest::prelude::{Just, Strategy, any, prop_oneof, proptest};
use uuid::Uuid;

use crate::bank::{amount, reserve};

const USERS: u128 = 3;
const ORDERS: u128 = 5;
static BILLING: LazyLock<Billing> = LazyLock::new(|| Billing::new(TimeDelta::days(7)));

/// Something that is asked for, of small numbers of users and orders so that they meet often.
#[derive(Debug, Clone, Copy)]
pub(crate) enum Step {
    Deposit { user: u128, units: i64 },
    Withdraw { user: u128, units: i64 },
    Pay { order: u128, user: u128, units: i64 },
    Reserve { order: u128, user: u128, units: i64 },
    Release { order: u128 },
    Capture { order: u128 },
    Refund { order: u128 },
    Expire { order: u128 },
    Wait { hours: i64 },
}

pub(crate) fn step() -> impl Strategy<Value = Step> {
    let (user, order, units) = (0..USERS, 0..ORDERS, 1..40_i64);
    // Mostly the order's own user and amount: a repeat is then a repeat, and seldom a contradiction.
    let own =
        (order.clone(), any::<u8>(), user.clone(), units.clone()).prop_map(|(order, odd, user, units)| {
            if odd < 16 {
                (order, user, units)
            } else {
                (order, order % USERS, 10 + 5 * i64::try_from(order).unwrap())
            }
        });
    prop_oneof![
        3 => (user.clone(), units.clone()).prop_map(|(user, units)| Step::Deposit { user, units }),
        2 => (user, units).prop_map(|(user, units)| Step::Withdraw { user, units }),
        1 => own.clone().prop_map(|(order, user, units)| Step::Pay { order, user, units }),
        6 => own.prop_map(|(order, user, units)| Step::Reserve { order, user, units }),
        3 => order.clone().prop_map(|order| Step::Release { order }),
        3 => order.clone().prop_map(|order| Step::Capture { order }),
        2 => order.clone().prop_map(|order| Step::Refund { order }),
        2 => order.prop_map(|order| Step::Expire { order }),
        1 => prop_oneof![Just(1), Just(24), Just(200)].prop_map(|hours| Step::Wait { hours }),
    ]
}

/// What happened to an order, as simply as it can be said.
#[derive(Debug, Clone, Copy, PartialEq)]
enum Fate {
    Held { user: u128, units: i64, since: Timestamp },
    Expired { user: u128, units: i64 },
    Released { user: u128, units: i64 },
    Captured { user: u128, units: i64 },
    Paid { user: u128, units: i64 },
    Refunded { user: u128, units: i64 },
    Refused { user: u128, units: i64 },
    Cancelled,
}

#[derive(Default)]
struct Model {
    balance: BTreeMap<u128, i64>,
    fates: BTreeMap<u128, Fate>,
    paid: BTreeMap<u128, (u128, i64)>,
}

impl Model {
    fn held(&self, of: u128) -> i64 {
        let held = self.fates.values().map(|fate| match *fate {
            Fate::Held { user, units, .. } if user == of => units,
            _ => 0,
        });
        held.sum()
    }

    fn balance(&self, user: u128) -> i64 {
        self.balance.get(&user).copied().unwrap_or_default()
    }

    fn change(&mut self, user: u128, units: i64) {
        *self.balance.entry(user).or_default() += units;
    }

    fn spend(&mut self, user: u128, units: i64) -> bool {
        let covered = units <= self.balance(user) - self.held(user);
        if covered {
            self.change(user, -units);
        }
        covered
    }

    /// The word that is answered.
    fn expect(&mut self, step: Step, now: Timestamp) -> &'static str {
        match step {
            Step::Wait { .. } => "",
            Step::Deposit { user, units } => {
                self.change(user, units);
                "done"
            }
            Step::Withdraw { user, units } => word(self.spend(user, units), "insufficient_funds"),
            Step::Pay { order, user, units } => match self.paid.get(&order).copied() {
                Some(paid) => word(paid == (user, units), "other_payment"),
                None if self.fates.contains_key(&order) => "other_payment",
                None if self.spend(user, units) => {
                    self.paid.insert(order, (user, units));
                    self.fates.insert(order, Fate::Paid { user, units });
                    "done"
                }
                None => "insufficient_funds",
            },
            Step::Reserve { order, user, units } => self.reserve(order, user, units, now),
            Step::Release { order } => self.release(order),
            Step::Capture { order } => self.capture(order),
            Step::Refund { order } => self.refund(order),
            Step::Expire { order } => {
                if let Some(&Fate::Held { user, units, since }) = self.fates.get(&order)
                    && now >= since + TimeDelta::days(8)
                {
                    self.fates.insert(order, Fate::Expired { user, units });
                }
                ""
            }
        }
    }

    fn reserve(&mut self, order: u128, user: u128, units: i64, now: Timestamp) -> &'static str {
        let asked = (user, units);
        match self.fates.get(&order).copied() {
            None if units <= self.balance(user) - self.held(user) => {
                self.fates.insert(order, Fate::Held { user, units, since: now });
                "done"
            }
            None => {
                self.fates.insert(order, Fate::Refused { user, units });
                "insufficient_funds"
            }
            Some(Fate::Cancelled) => "cancelled",
            Some(
                Fate::Held { user, units, .. }
                | Fate::Expired { user, units }
                | Fate::Captured { user, units }
                | Fate::Paid { user, units },
            ) => word((user, units) == asked, "fault"),
            Some(Fate::Released { user, units } | Fate::Refunded { user, units })
                if (user, units) == asked =>
            {
                "cancelled"
            }
            Some(Fate::Refused { user, units }) if (user, units) == asked => "insufficient_funds",
            Some(Fate::Released { .. } | Fate::Refunded { .. } | Fate::Refused { .. }) => "fault",
        }
    }

    fn release(&mut self, order: u128) -> &'static str {
        match self.fates.get(&order).copied() {
            Some(Fate::Captured { .. }) => return "fault",
            Some(Fate::Paid { user, units }) => {
                self.fates.insert(order, Fate::Refunded { user, units });
                self.change(user, units);
            }
            Some(Fate::Held { user, units, .. } | Fate::Expired { user, units }) => {
                self.fates.insert(order, Fate::Released { user, units });
            }
            None => {
                self.fates.insert(order, Fate::Cancelled);
            }
            Some(Fate::Released { .. } | Fate::Refunded { .. } | Fate::Refused { .. } | Fate::Cancelled) => {}
        }
        "done"
    }

    /// As a release, but what was taken comes back.
    fn refund(&mut self, order: u128) -> &'static str {
        if let Some(Fate::Captured { user, units }) = self.fates.get(&order).copied() {
            self.fates.insert(order, Fate::Refunded { user, units });
            self.change(user, units);
            return "done";
        }
        self.release(order)
    }

    fn capture(&mut self, order: u128) -> &'static str {
        match self.fates.get(&order).copied() {
            Some(Fate::Captured { .. } | Fate::Paid { .. }) => "done",
            Some(Fate::Held { user, units, .. }) => {
                self.fates.insert(order, Fate::Captured { user, units });
                self.change(user, -units);
                "done"
            }
            Some(Fate::Expired { user, units }) => {
                if !self.spend(user, units) {
                    return "hold_expired";
                }
                self.fates.insert(order, Fate::Captured { user, units });
                "done"
            }
            Some(Fate::Released { .. } | Fate::Refunded { .. } | Fate::Cancelled) => "cancelled",
            None | Some(Fate::Refused { .. }) => "no_hold",
        }
    }
}

fn word(done: bool, otherwise: &'static str) -> &'static str {
    if done { "done" } else { otherwise }
}

pub(crate) fn user_id(user: u128) -> Uuid {
    Uuid::from_u128(0x01934a5f_0000_7000_8000_000000000100 + user)
}

pub(crate) fn order_id(order: u128) -> Uuid {
    Uuid::from_u128(0x01934a5f_0000_7000_8000_000000000200 + order)
}

/// The step as billing hears it; `entry` is the id that the caller makes.
fn input(step: Step, entry_id: Uuid) -> Option<Input> {
    let key = None;
    Some(match step {
        Step::Wait { .. } => return None,
        Step::Deposit { user, units } => Input::Call(Call::Deposit(Deposit {
            entry_id,
            user_id: user_id(user),
            amount: amount(units),
            key,
        })),
        Step::Withdraw { user, units } => Input::Call(Call::Withdraw(Withdraw {
            entry_id,
            user_id: user_id(user),
            amount: amount(units),
            key,
        })),
        Step::Pay { order, user, units } => Input::Call(Call::TakePayment(TakePayment {
            order_id: order_id(order),
            user_id: user_id(user),
            amount: amount(units),
            key,
        })),
        Step::Reserve { order, user, units } => {
            Input::Command(Command::ReserveFunds(reserve(order_id(order), user_id(user), units)))
        }
        Step::Release { order } => {
            Input::Command(Command::ReleaseFunds(ReleaseFunds { order_id: order_id(order) }))
        }
        Step::Capture { order } => {
            Input::Command(Command::CaptureFunds(CaptureFunds { order_id: order_id(order) }))
        }
        Step::Refund { order } => {
            Input::Command(Command::RefundOrder(RefundOrder { order_id: order_id(order) }))
        }
        Step::Expire { order } => Input::Expire(order_id(order)),
    })
}

/// The word in an answer.
fn said(answer: &Answer<Told>) -> &str {
    match answer {
        Answer::Nobody | Answer::NotHere => "",
        Answer::Reply(reply) if reply.outcome == Outcome::Done => "done",
        Answer::Reply(reply) => reply.code.as_deref().unwrap_or_default(),
        Answer::Caller(Ok(_)) => "done",
        Answer::Caller(Err(Declined::InsufficientFunds(_))) => "insufficient_funds",
        Answer::Caller(Err(Declined::OtherPayment)) => "other_payment",
        Answer::Caller(Err(other)) => panic!("nothing here leads to {other:?}"),
    }
}

/// Accounts, holds and ledger say the same.
fn audit(set: &Set) {
    let mut sums: BTreeMap<Uuid, i64> = BTreeMap::new();
    let postings = set.entries.iter().flat_map(billing::entry::Entry::postings);
    postings.for_each(|(account, units)| *sums.entry(account).or_default() += units);
    assert_eq!(sums.values().sum::<i64>(), 0, "money is neither made nor lost");
    for account in set.accounts.iter() {
        assert!(0 <= account.held && account.held <= account.balance, "{account:?}");
        assert_eq!(account.balance, sums.get(&account.account_id).copied().unwrap_or_default());
        let mut statement: Vec<_> =
            set.entries.iter().filter(|entry| entry.user_id == account.user_id).collect();
        statement.sort_by_key(|entry| entry.number);
        let mut balance = 0;
        for (at, entry) in statement.iter().enumerate() {
            balance += entry.signed_amount();
            assert_eq!((entry.number, entry.balance_after), (i64::try_from(at).unwrap() + 1, balance));
        }
        assert_eq!(account.entries, i64::try_from(statement.len()).unwrap());
        let held = set.holds.iter().filter_map(|hold| match &hold.state {
            HoldState::Held(terms) if terms.asked.user_id == account.user_id => {
                Some(terms.asked.amount.get())
            }
            _ => None,
        });
        assert_eq!(account.held, held.sum::<i64>());
    }
}

/// Ends that no later step changes; what was captured or paid may still be given back.
fn ended(state: &HoldState) -> bool {
    matches!(state, HoldState::Released(_) | HoldState::Refunded(_))
}

/// What may become of what was captured or paid.
fn is_taken_or_given_back(state: &HoldState) -> bool {
    matches!(state, HoldState::Captured(_) | HoldState::Paid(_) | HoldState::Refunded(_))
}

proptest! {
    #![proptest_config(proptest::prelude::ProptestConfig { cases: 2_000, ..Default::default() })]

    #[test]
    fn whatever_is_asked_in_whatever_order_the_books_agree_with_the_model(steps in vec(step(), 1..80)) {
        let (mut set, mut model) = (Set { hold_life: BILLING.hold_life, ..Set::default() }, Model::default());
        let mut now = Timestamp::default();
        for (at, step) in steps.into_iter().enumerate() {
            if let Step::Wait { hours } = step {
                now += TimeDelta::hours(hours);
            }
            let Some(input) = input(step, Uuid::from_u128(at as u128 + 1)) else { continue };
            let before = set.clone();
            let decided = BILLING.decide(&mut set, &input, now);
            assert_eq!(said(&decided.answer), model.expect(step, now), "{step:?}");
            audit(&set);
            for user in 0..USERS {
                let account = set.accounts.get(user_id(user)).map(|account| (account.balance, account.held));
                assert_eq!(account.unwrap_or_default(), (model.balance(user), model.held(user)), "{step:?}");
            }
            for hold in before.holds.iter().filter(|hold| ended(&hold.state)) {
                assert_eq!(set.holds.get(hold.order_id), Some(hold), "a hold ends once");
            }
            for hold in before.holds.iter().filter(|hold| is_taken_or_given_back(&hold.state)) {
                let after = set.holds.get(hold.order_id).map(|hold| &hold.state);
                assert!(after.is_some_and(is_taken_or_given_back), "{after:?}");
            }
        }
    }
}
