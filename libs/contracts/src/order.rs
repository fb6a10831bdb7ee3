//! What is known of an order outside the orchestrator.

use serde::{Deserialize, Serialize};
use uuid::Uuid;

use crate::Event;
use crate::stock::Line;

/// The order passed its pivot: it will be done.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct OrderConfirmed {
    /// The order.
    pub order_id: Uuid,
    /// Whose.
    pub user_id: Uuid,
    /// What it costs, in minor units.
    pub total: i64,
    /// What was reserved; empty for an order that is a price alone.
    pub lines: Vec<Line>,
}

/// The order was rejected and everything done for it is undone.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct OrderRejected {
    /// The order.
    pub order_id: Uuid,
    /// The refusal's code.
    pub reason: String,
}

/// The order was cancelled by its user: what was done for it is undone or, where it was confirmed, nothing can
/// stop that any more.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct OrderCancelled {
    /// The order.
    pub order_id: Uuid,
}

impl Event for OrderConfirmed {
    const TYPE: &'static str = "order.order_confirmed.v1";
    fn about(&self) -> Uuid {
        self.order_id
    }
}

impl Event for OrderRejected {
    const TYPE: &'static str = "order.order_rejected.v1";
    fn about(&self) -> Uuid {
        self.order_id
    }
}

impl Event for OrderCancelled {
    const TYPE: &'static str = "order.order_cancelled.v1";
    fn about(&self) -> Uuid {
        self.order_id
    }
}
