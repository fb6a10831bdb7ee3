//! Billing: holds on an account, their release and their capture.

use serde::{Deserialize, Serialize};
use uuid::Uuid;

use crate::{Amount, Command, Never, Refusal, Timestamp};

/// Holds an order's total on its user's account.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct ReserveFunds {
    /// The order that pays; at most one hold each.
    pub order_id: Uuid,
    /// Whose account.
    pub user_id: Uuid,
    /// How much, in minor units.
    pub amount: Amount,
}

/// The hold stands.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct FundsReserved {
    /// The hold.
    pub hold_id: Uuid,
    /// When billing may end it on its own.
    pub expires_at: Timestamp,
}

/// Why funds are not held.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(tag = "code", content = "body", rename_all = "snake_case")]
pub enum FundsRefusal {
    /// The account has less than is asked for.
    InsufficientFunds {
        /// What the account could spend, in minor units.
        available: i64,
        /// What was asked for, in minor units.
        required: i64,
    },
}

/// Ends a hold; the money is available again. The undo of [`ReserveFunds`].
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct ReleaseFunds {
    /// The order whose hold ends.
    pub order_id: Uuid,
}

/// Takes the held money for good. Refused only as a broken contract (`hold_expired`).
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct CaptureFunds {
    /// The order whose hold is captured.
    pub order_id: Uuid,
}

/// The money was taken.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct FundsCaptured {
    /// The ledger entry that took it.
    pub entry_id: Uuid,
}

/// Gives back what was captured for a confirmed order that is cancelled.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct RefundOrder {
    /// The order whose money goes back.
    pub order_id: Uuid,
}

/// The money is on the account again.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct OrderRefunded {
    /// The ledger entry that gave it back; none where nothing had been taken.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub entry_id: Option<Uuid>,
}

impl Refusal for FundsRefusal {}

impl Command for ReserveFunds {
    const TYPE: &'static str = "cmd.billing.reserve_funds.v1";
    const PARTICIPANT: &'static str = "billing";
    type Done = FundsReserved;
    type Refusal = FundsRefusal;
}

impl Command for ReleaseFunds {
    const TYPE: &'static str = "cmd.billing.release_funds.v1";
    const PARTICIPANT: &'static str = "billing";
    type Done = ();
    type Refusal = Never;
}

impl Command for CaptureFunds {
    const TYPE: &'static str = "cmd.billing.capture_funds.v1";
    const PARTICIPANT: &'static str = "billing";
    type Done = FundsCaptured;
    type Refusal = Never;
}

impl Command for RefundOrder {
    const TYPE: &'static str = "cmd.billing.refund_order.v1";
    const PARTICIPANT: &'static str = "billing";
    type Done = OrderRefunded;
    type Refusal = Never;
}
