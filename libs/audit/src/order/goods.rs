//! What must be true of the goods of one order: on the shelves, and on their way.

use sea_orm::prelude::ChronoDateTimeUtc;
use serde::Deserialize;
use uuid::Uuid;

use super::{Line, Order, Traces};

/// What stock has of an order.
#[derive(Debug, Clone, Deserialize)]
pub(crate) struct Reservation {
    pub(crate) state: String,
    #[serde(default)]
    pub(crate) lines: Vec<Line>,
}

/// What delivery brings for an order.
#[derive(Debug, Clone)]
pub(crate) struct Delivery {
    pub(crate) status: String,
    pub(crate) user_id: Option<Uuid>,
    pub(crate) slot: Option<ChronoDateTimeUtc>,
}

/// What became of an order's courier.
#[derive(Debug, Clone)]
pub(crate) struct Booking {
    pub(crate) state: String,
    pub(crate) begins_at: Option<ChronoDateTimeUtc>,
}

impl Traces {
    pub(super) fn is_reserved(&self, order: &Order) -> bool {
        let Some(reservation) = &self.reservation else { return order.items.is_empty() };
        let mut reserved: Vec<_> =
            reservation.lines.iter().map(|line| (line.position_id, line.quantity)).collect();
        let mut ordered: Vec<_> = order.items.iter().map(|item| (item.position_id, item.quantity)).collect();
        reserved.sort_unstable();
        ordered.sort_unstable();
        let cost: i64 = reservation.lines.iter().map(|line| line.quantity.saturating_mul(line.price)).sum();
        // Stock hears later of the confirmation.
        matches!(reservation.state.as_str(), "reserved" | "sold")
            && reserved == ordered
            && order.total == Some(cost)
    }

    pub(super) fn has_nothing(&self) -> bool {
        let ended = |reservation: &Reservation| {
            matches!(reservation.state.as_str(), "released" | "refused" | "cancelled")
        };
        self.reservation.as_ref().is_none_or(ended)
    }

    /// Delivery may be ahead of the order, which hears of it later.
    pub(super) fn is_delivered(&self, order: &Order) -> bool {
        let Some(delivery) = &self.delivery else { return order.items.is_empty() };
        let is_as_far = match order.status.as_str() {
            "confirmed" => matches!(delivery.status.as_str(), "scheduled" | "sent" | "received"),
            "sent" => matches!(delivery.status.as_str(), "sent" | "received"),
            _ => delivery.status == "received",
        };
        !order.items.is_empty() && is_as_far && delivery.user_id == Some(order.user_id)
    }

    pub(super) fn has_its_courier(&self) -> bool {
        let slot = self.delivery.as_ref().and_then(|delivery| delivery.slot);
        match &self.booking {
            Some(booking) => slot.is_some() && booking.state == "booked" && booking.begins_at == slot,
            None => slot.is_none(),
        }
    }

    pub(super) fn is_not_delivered(&self) -> bool {
        let is_off =
            |delivery: &Delivery| matches!(delivery.status.as_str(), "cancelled" | "never_scheduled");
        let is_free =
            |booking: &Booking| matches!(booking.state.as_str(), "released" | "refused" | "cancelled");
        self.delivery.as_ref().is_none_or(is_off) && self.booking.as_ref().is_none_or(is_free)
    }
}
