//! The order workflow: what an order is done with, in which order, and how it is undone.

pub mod cancellation;
mod data;
mod http;
#[cfg(test)]
mod proof;
mod row;

use contracts::delivery::{OrderReceived, OrderSent};
use contracts::{Amount, Event, Timestamp};
use saga::{Cause, Decision, Definition, Outcome, Saga};

pub use cancellation::{CancellationWorkflow, CancellationWorkflowManager};
pub use data::{Delivery, Goods, Order};
pub(crate) use http::{public, routes};
pub use row::{OrderRow, OrderStatus};

use crate::manager::Workflow;

/// The workflow of orders.
#[derive(Debug, Clone, Copy)]
pub struct OrderWorkflow;

/// Runs the sagas of orders.
pub type OrderWorkflowManager = crate::manager::WorkflowManager<OrderWorkflow>;

/// An order, step by step.
pub fn definition() -> Definition<Order> {
    Saga::named("order", 1)
        .step("reserve_stock", Order::reserve_stock, Order::stock_reserved)
        .when(Order::has_items)
        .undo(Order::release_stock)
        .step("reserve_courier", Order::reserve_courier, Order::courier_reserved)
        .when(Order::has_slot)
        .undo(Order::release_courier)
        .step("reserve_funds", Order::reserve_funds, Order::funds_reserved)
        .undo(Order::release_funds)
        .pivot_while(Order::hold_lasts)
        .pivot(Order::confirmed)
        .tail("capture_funds", Order::capture_funds)
        .tail("schedule_delivery", Order::schedule_delivery)
        .when(Order::has_items)
        .tail("notify_joy", Order::joy)
        .otherwise(Order::rejected)
        .tail("notify_sorrow", Order::sorrow)
        .build()
}

impl Workflow for OrderWorkflow {
    const NAME: &'static str = "order";
    const REPLY_SUBJECT: &'static str = "reply.order.v1";
    const START_VERSION: u32 = 1;
    const HEARS: &'static [&'static str] = &[OrderSent::TYPE, OrderReceived::TYPE];
    type Data = Order;
    type Row = OrderRow;

    fn definitions() -> Vec<Definition<Order>> {
        vec![definition()]
    }

    fn key(order: &Order) -> uuid::Uuid {
        order.order_id
    }

    fn started(order: &Order) -> Option<OrderRow> {
        Some(OrderRow::pending(order))
    }

    fn decided(order: &Order, decision: &Decision, now: Timestamp) -> Option<OrderRow> {
        Some(match decision {
            Decision::Confirmed => OrderRow::confirmed(order, now),
            Decision::TurnedBack(cause) => OrderRow::turned_back(order, cause, now),
        })
    }

    /// A cancelled order is so once everything is undone; every other fate was known when it was decided.
    fn finished(order: &Order, outcome: &Outcome, now: Timestamp) -> Option<OrderRow> {
        match outcome {
            Outcome::TurnedBack(cause) if cause.is_cancel() => Some(OrderRow::cancelled(order, now)),
            _ => None,
        }
    }

    fn worth(order: &Order) -> i64 {
        order.total().map_or(0, Amount::get)
    }

    /// Forward only: whatever is repeated or late changes nothing.
    fn heard(order: &OrderRow, event_type: &str, now: Timestamp) -> Option<OrderRow> {
        match (event_type, order.status) {
            (OrderSent::TYPE, OrderStatus::Confirmed) => Some(order.moved_to(OrderStatus::Sent, now)),
            (OrderReceived::TYPE, OrderStatus::Confirmed | OrderStatus::Sent) => {
                Some(order.moved_to(OrderStatus::Received, now))
            }
            _ => None,
        }
    }
}

/// The letter about a saga that turned back for this cause.
fn letter_of(cause: &Cause) -> contracts::notification::LetterKind {
    use contracts::notification::LetterKind;
    if cause.is_cancel() { LetterKind::OrderCancelled } else { LetterKind::OrderRejected }
}
