//! Notification: one letter per outcome.

use serde::{Deserialize, Serialize};
use serde_json::value::RawValue;
use uuid::Uuid;

use crate::{Command, Never};

/// What a letter is about.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum LetterKind {
    /// To a new user.
    Welcome,
    /// The letter of joy.
    OrderConfirmed,
    /// The letter of sorrow.
    OrderRejected,
    /// An order was cancelled by its user.
    OrderCancelled,
    /// An order is with its courier.
    OrderSent,
    /// An order is with its user.
    OrderReceived,
}

impl LetterKind {
    /// The name in the API.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Welcome => "welcome",
            Self::OrderConfirmed => "order_confirmed",
            Self::OrderRejected => "order_rejected",
            Self::OrderCancelled => "order_cancelled",
            Self::OrderSent => "order_sent",
            Self::OrderReceived => "order_received",
        }
    }
}

/// What the letter about an order says.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct OrderLetter {
    /// The order.
    pub order_id: Uuid,
    /// Its total in minor units, if it is known.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub total: Option<i64>,
    /// Why it was rejected.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub reason: Option<String>,
}

/// Writes a letter to a user.
#[derive(Debug, Clone, Serialize, Deserialize)]
pub struct Notify {
    /// The letter; the same id is the same letter.
    pub letter_id: Uuid,
    /// To whom.
    pub user_id: Uuid,
    /// About what.
    pub kind: LetterKind,
    /// What the text needs, by kind: an [`OrderLetter`] for `order_*`.
    pub data: Box<RawValue>,
}

impl Command for Notify {
    const TYPE: &'static str = "cmd.notification.notify.v1";
    const PARTICIPANT: &'static str = "notification";
    type Done = ();
    type Refusal = Never;
}
