//! What billing can be asked for: one file each, with the rows it needs (`touches`) and its rule
//! (`decide`).

pub(crate) mod capture_funds;
pub mod deposit;
pub(crate) mod expire_hold;
pub mod open_account;
pub(crate) mod refund_order;
pub(crate) mod release_funds;
pub(crate) mod reserve_funds;
pub mod take_payment;
pub mod withdraw;

use contracts::billing::{CaptureFunds, RefundOrder, ReleaseFunds, ReserveFunds};
use contracts::{Reply, Timestamp};
use metrics::counter;
use uuid::Uuid;

use crate::metric_names;
use crate::once::{Booked, Declined};
use crate::set::{Keys, Set};

messaging::commands! {
    /// What sagas ask for.
    pub enum Command(Set, Keys) {
        ReserveFunds(contracts::billing::ReserveFunds) => reserve_funds,
        ReleaseFunds(contracts::billing::ReleaseFunds) => release_funds,
        CaptureFunds(contracts::billing::CaptureFunds) => capture_funds,
        RefundOrder(contracts::billing::RefundOrder) => refund_order,
    }
}

/// What clients ask for over HTTP.
#[derive(Debug, Clone)]
pub enum Call {
    /// See [`open_account`].
    OpenAccount(open_account::OpenAccount),
    /// See [`deposit`].
    Deposit(deposit::Deposit),
    /// See [`withdraw`].
    Withdraw(withdraw::Withdraw),
    /// See [`take_payment`].
    TakePayment(take_payment::TakePayment),
}

/// What a client is told.
pub type Answer = Result<Booked, Declined>;

impl Call {
    pub(crate) fn touches(&self, keys: &mut Keys) {
        match self {
            Self::OpenAccount(call) => keys.users.push(call.user_id),
            Self::Deposit(call) => call.touches(keys),
            Self::Withdraw(call) => call.touches(keys),
            Self::TakePayment(call) => call.touches(keys),
        }
    }

    pub(crate) fn decide(&self, set: &mut Set, now: Timestamp) -> Answer {
        match self {
            Self::OpenAccount(call) => Ok(Booked::now(&open_account::decide(set, call.user_id, now))),
            Self::Deposit(call) => call.decide(set, now),
            Self::Withdraw(call) => call.decide(set, now),
            Self::TakePayment(call) => call.decide(set, now),
        }
    }
}

/// From the beginning, so that their first increase is seen as one.
pub(crate) fn count_contradictions_from_now() {
    use contracts::Command as _;
    for command in [ReserveFunds::TYPE, ReleaseFunds::TYPE, CaptureFunds::TYPE, RefundOrder::TYPE] {
        counter!(metric_names::CONTRADICTIONS, "command" => command).increment(0);
    }
}

/// A command that contradicts what was done for its order: nothing is changed, somebody must look.
fn fault<C: contracts::Command>(order_id: Uuid, what: &str) -> Reply<C> {
    counter!(metric_names::CONTRADICTIONS, "command" => C::TYPE).increment(1);
    tracing::error!(command = C::TYPE, %order_id, what, "a command contradicts the books");
    Reply::Fault(what.to_owned())
}
