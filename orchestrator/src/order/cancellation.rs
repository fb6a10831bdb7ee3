//! Cancelling a confirmed order: a workflow of its own. Delivery decides, for whoever is quicker than the
//! courier: once the delivery is off nothing can stop the rest.

use contracts::billing::RefundOrder;
use contracts::delivery::CancelDelivery;
use contracts::notification::{LetterKind, Notify};
use contracts::order::OrderCancelled;
use contracts::stock::ReleaseStock;
use contracts::{Amount, Timestamp};
use saga::{Decision, Definition, Outcome, Saga};
use serde::{Deserialize, Serialize};
use uuid::Uuid;

use super::{Order, OrderRow};
use crate::manager::Workflow;

/// The workflow of cancellations.
#[derive(Debug, Clone, Copy)]
pub struct CancellationWorkflow;

/// Runs the sagas of cancellations.
pub type CancellationWorkflowManager = crate::manager::WorkflowManager<CancellationWorkflow>;

/// What is cancelled.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(transparent)]
pub struct Cancellation(pub Order);

/// A cancellation, step by step. Refused (the courier was quicker), it leaves all as it was. Delivery is
/// asked until it answers: giving up while nobody knows whether the delivery is off would leave a confirmed
/// order that nobody brings.
pub fn definition() -> Definition<Cancellation> {
    Saga::named(CancellationWorkflow::NAME, 1)
        .until_answered()
        .step("cancel_delivery", Cancellation::cancel_delivery, |_, ()| {})
        .when(Cancellation::is_delivered)
        .nothing_to_undo()
        .pivot(Cancellation::cancelled)
        .tail("refund_order", Cancellation::refund_order)
        .tail("release_stock", Cancellation::release_stock)
        .when(Cancellation::is_delivered)
        .tail("notify_cancelled", Cancellation::letter)
        .otherwise_as_before()
        .build()
}

impl Cancellation {
    /// One for an order: whoever asks again asks for the same one. It has the order's time, so that lists in
    /// the order of ids show both together.
    pub fn id_for(order_id: Uuid) -> Uuid {
        let mut bytes = Uuid::new_v5(&order_id, b"cancellation").into_bytes();
        bytes[..6].copy_from_slice(&order_id.as_bytes()[..6]);
        uuid::Builder::from_bytes(bytes).with_version(uuid::Version::SortRand).into_uuid()
    }

    fn is_delivered(&self) -> bool {
        self.0.has_items()
    }

    fn cancel_delivery(&self) -> CancelDelivery {
        CancelDelivery { order_id: self.0.order_id }
    }

    fn cancelled(&self) -> OrderCancelled {
        OrderCancelled { order_id: self.0.order_id }
    }

    fn refund_order(&self) -> RefundOrder {
        RefundOrder { order_id: self.0.order_id }
    }

    fn release_stock(&self) -> ReleaseStock {
        ReleaseStock { order_id: self.0.order_id }
    }

    fn letter(&self) -> Notify {
        self.0.letter(LetterKind::OrderCancelled, None)
    }
}

impl Workflow for CancellationWorkflow {
    const NAME: &'static str = "order_cancellation";
    const REPLY_SUBJECT: &'static str = "reply.order_cancellation.v1";
    const START_VERSION: u32 = 1;
    type Data = Cancellation;
    type Row = OrderRow;

    fn definitions() -> Vec<Definition<Cancellation>> {
        vec![definition()]
    }

    fn key(cancellation: &Cancellation) -> Uuid {
        cancellation.0.order_id
    }

    /// The order is there already, and stays confirmed for now.
    fn started(_: &Cancellation) -> Option<OrderRow> {
        None
    }

    /// A cancelled order is so once everything is undone.
    fn decided(_: &Cancellation, _: &Decision, _: Timestamp) -> Option<OrderRow> {
        None
    }

    fn worth(cancellation: &Cancellation) -> i64 {
        cancellation.0.total().map_or(0, Amount::get)
    }

    fn finished(cancellation: &Cancellation, outcome: &Outcome, now: Timestamp) -> Option<OrderRow> {
        matches!(outcome, Outcome::Completed).then(|| OrderRow::cancelled(&cancellation.0, now))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_cancellation_has_an_id_of_its_own_that_sorts_like_its_orders() {
        let (earlier, later) = (Uuid::from_u128(0x0199_0000_0000_7000_8000_0000_0000_0001), Uuid::now_v7());
        let ids = [earlier, later].map(Cancellation::id_for);
        assert!(earlier != ids[0] && ids[0] < ids[1] && ids[0] < later, "{ids:?}");
        assert_eq!(ids[0], Cancellation::id_for(earlier));
        assert_eq!(ids[0].get_version(), Some(uuid::Version::SortRand));
    }
}
