//! The row of an order: what its saga says of it, for its user.

use contracts::{Amount, Timestamp};
use messaging::rows::Json;
use messaging::{record, word_column};
use saga::Cause;
use serde::{Deserialize, Serialize};
use serde_json::Value;
use utoipa::ToSchema;
use uuid::Uuid;

use super::Order;
use contracts::stock::Item;

/// Where an order stands.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
#[serde(rename_all = "snake_case")]
pub enum OrderStatus {
    /// Accepted; not decided.
    Pending,
    /// It will be done.
    Confirmed,
    /// Refused; what was done for it is undone, or being undone.
    Rejected,
    /// Cancelled by its user; everything is undone.
    Cancelled,
    /// With the courier.
    Sent,
    /// With its user.
    Received,
}

word_column!(OrderStatus {
    Pending => "pending",
    Confirmed => "confirmed",
    Rejected => "rejected",
    Cancelled => "cancelled",
    Sent => "sent",
    Received => "received",
});

record! {
    /// An order.
    pub struct OrderRow in "orders" {
        /// The order.
        order_id: Uuid,
        fixed {
            /// Whose.
            user_id: Uuid,
            /// What is ordered.
            items: Json<Vec<Item>>,
            /// What the client expected, in minor units.
            price: Option<i64>,
            /// The client's own words.
            comment: Option<String>,
            /// When it was accepted.
            created_at: Timestamp,
        }
        changing {
            /// Where it stands.
            status: OrderStatus,
            /// Why it was rejected: the refusal's code.
            reason: Option<String>,
            /// What explains the refusal.
            refusal: Json<Option<Value>>,
            /// What it costs, in minor units, once that is known.
            total: Option<i64>,
            /// When its status changed last.
            updated_at: Timestamp,
            /// When the courier took it along, as far as that was told in time.
            sent_at: Option<Timestamp>,
        }
    }
}

impl OrderRow {
    pub(super) fn pending(order: &Order) -> Self {
        Self {
            order_id: order.order_id,
            user_id: order.user_id,
            status: OrderStatus::Pending,
            reason: None,
            refusal: Json(None),
            items: Json(order.items()),
            price: order.price.map(Amount::get),
            total: order.total().map(Amount::get),
            comment: order.comment.clone(),
            created_at: order.created_at,
            updated_at: order.created_at,
            sent_at: None,
        }
    }

    pub(super) fn confirmed(order: &Order, now: Timestamp) -> Self {
        Self { status: OrderStatus::Confirmed, updated_at: now, ..Self::pending(order) }
    }

    /// A cancelled order stays pending until everything is undone.
    pub(super) fn turned_back(order: &Order, cause: &Cause, now: Timestamp) -> Self {
        if cause.is_cancel() {
            return Self::pending(order);
        }
        Self {
            status: OrderStatus::Rejected,
            updated_at: now,
            reason: Some(cause.code.clone()),
            refusal: Json(cause.detail.clone()),
            ..Self::pending(order)
        }
    }

    /// The order further on its way.
    pub(super) fn moved_to(&self, status: OrderStatus, now: Timestamp) -> Self {
        let sent_at = if status == OrderStatus::Sent { Some(now) } else { self.sent_at };
        Self { status, updated_at: now, sent_at, ..self.clone() }
    }

    pub(super) fn cancelled(order: &Order, now: Timestamp) -> Self {
        Self { status: OrderStatus::Cancelled, updated_at: now, ..Self::pending(order) }
    }
}
