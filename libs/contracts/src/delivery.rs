//! Delivery: courier slots, and what becomes of an order on its way to its user.

use serde::{Deserialize, Serialize};
use uuid::Uuid;

use crate::{Command, Event, Never, Refusal, Timestamp};

/// Reserves a courier for an order.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct ReserveCourier {
    /// The order; at most one courier each.
    pub order_id: Uuid,
    /// When the slot begins: a full hour.
    pub slot: Timestamp,
}

/// A courier will come.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct CourierReserved {
    /// Which one, by the courier's number.
    pub courier: u32,
}

/// Why no courier is reserved.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(tag = "code", content = "body", rename_all = "snake_case")]
pub enum CourierRefusal {
    /// Every courier has an order in this slot.
    SlotTaken,
}

/// Frees the courier. The undo of [`ReserveCourier`].
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct ReleaseCourier {
    /// The order whose courier is free.
    pub order_id: Uuid,
}

/// Puts an order among those to be delivered.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct ScheduleDelivery {
    /// The order; at most one delivery each.
    pub order_id: Uuid,
    /// Whose.
    pub user_id: Uuid,
    /// Where to; without it, where the user's profile says.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub address: Option<String>,
    /// The slot for which a courier is reserved.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub slot: Option<Timestamp>,
}

/// The order will be delivered.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct DeliveryScheduled {
    /// The delivery.
    pub delivery_id: Uuid,
}

/// Takes an order off those to be delivered; its courier is free.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct CancelDelivery {
    /// The order that nobody waits for any more.
    pub order_id: Uuid,
}

/// Why a delivery goes on.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(tag = "code", content = "body", rename_all = "snake_case")]
pub enum CancelDeliveryRefusal {
    /// The order is with its courier, or with its user.
    AlreadySent,
}

/// The order is with its courier.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct OrderSent {
    /// The order.
    pub order_id: Uuid,
    /// Whose.
    pub user_id: Uuid,
}

/// The order is with its user.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct OrderReceived {
    /// The order.
    pub order_id: Uuid,
    /// Whose.
    pub user_id: Uuid,
}

/// The order will not be delivered.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct DeliveryCancelled {
    /// The order.
    pub order_id: Uuid,
    /// Whose.
    pub user_id: Uuid,
}

impl Refusal for CourierRefusal {}
impl Refusal for CancelDeliveryRefusal {}

impl Command for ReserveCourier {
    const TYPE: &'static str = "cmd.delivery.reserve_courier.v1";
    const PARTICIPANT: &'static str = "delivery";
    type Done = CourierReserved;
    type Refusal = CourierRefusal;
}

impl Command for ReleaseCourier {
    const TYPE: &'static str = "cmd.delivery.release_courier.v1";
    const PARTICIPANT: &'static str = "delivery";
    type Done = ();
    type Refusal = Never;
}

impl Command for ScheduleDelivery {
    const TYPE: &'static str = "cmd.delivery.schedule_delivery.v1";
    const PARTICIPANT: &'static str = "delivery";
    type Done = DeliveryScheduled;
    type Refusal = Never;
}

impl Command for CancelDelivery {
    const TYPE: &'static str = "cmd.delivery.cancel_delivery.v1";
    const PARTICIPANT: &'static str = "delivery";
    type Done = ();
    type Refusal = CancelDeliveryRefusal;
}

impl Event for OrderSent {
    const TYPE: &'static str = "delivery.order_sent.v1";
    fn about(&self) -> Uuid {
        self.order_id
    }
}

impl Event for OrderReceived {
    const TYPE: &'static str = "delivery.order_received.v1";
    fn about(&self) -> Uuid {
        self.order_id
    }
}

impl Event for DeliveryCancelled {
    const TYPE: &'static str = "delivery.order_cancelled.v1";
    fn about(&self) -> Uuid {
        self.order_id
    }
}
