//! Every step of every version of the workflow, put through every trouble.

use chrono::TimeDelta;
use contracts::billing::{
    CaptureFunds, FundsCaptured, FundsReserved, OrderRefunded, RefundOrder, ReserveFunds,
};
use contracts::delivery::{CourierReserved, DeliveryScheduled, ReserveCourier, ScheduleDelivery};
use contracts::stock::{Item, ReserveStock, StockReserved};
use contracts::{Amount, Command, Reply, ReplyData, Timestamp};
use serde_json::value::RawValue;
use uuid::Uuid;

use super::cancellation::Cancellation;
use super::data::{Delivery, Goods};
use super::{CancellationWorkflow, Order, OrderWorkflow};
use crate::manager::Workflow;

fn order(items: usize, price: Option<i64>, slot: Option<Timestamp>) -> Order {
    let item = |_| Item { position_id: Uuid::now_v7(), quantity: 2 };
    Order {
        order_id: Uuid::now_v7(),
        user_id: Uuid::now_v7(),
        goods: Goods::Asked((0..items).map(item).collect()),
        price: price.map(amount),
        delivery: slot.map(|slot| Delivery { address: None, slot: Some(slot), courier: None }),
        comment: None,
        created_at: Timestamp::default(),
        held_until: None,
    }
}

fn amount(units: i64) -> Amount {
    Amount::new(units).unwrap()
}

/// What healthy participants answer.
fn answer(command_type: &str, _: &RawValue) -> ReplyData {
    match command_type {
        ReserveStock::TYPE => {
            let reserved = StockReserved { total: amount(700), lines: Vec::new() };
            Reply::<ReserveStock>::Done(reserved).into()
        }
        ReserveFunds::TYPE => {
            let expires_at = Timestamp::default() + TimeDelta::days(7);
            let reserved = FundsReserved { hold_id: Uuid::now_v7(), expires_at };
            Reply::<ReserveFunds>::Done(reserved).into()
        }
        ReserveCourier::TYPE => Reply::<ReserveCourier>::Done(CourierReserved { courier: 1 }).into(),
        ScheduleDelivery::TYPE => {
            Reply::<ScheduleDelivery>::Done(DeliveryScheduled { delivery_id: Uuid::now_v7() }).into()
        }
        RefundOrder::TYPE => {
            Reply::<RefundOrder>::Done(OrderRefunded { entry_id: Some(Uuid::now_v7()) }).into()
        }
        CaptureFunds::TYPE => Reply::<CaptureFunds>::Done(FundsCaptured { entry_id: Uuid::now_v7() }).into(),
        _ => Reply::<contracts::stock::ReleaseStock>::Done(()).into(),
    }
}

#[test]
fn every_version_gets_every_kind_of_order_through_every_trouble() {
    let slot = Some(Timestamp::default());
    let orders =
        [order(2, None, None), order(0, Some(700), None), order(2, Some(700), None), order(2, None, slot)];
    for definition in OrderWorkflow::definitions() {
        let coverage = saga::harness::prove(&definition, &orders, Timestamp::default(), answer);
        let coverage = coverage.unwrap_or_else(|violation| {
            panic!("{} version {}: {violation}", definition.name(), definition.version())
        });
        assert!(coverage.runs > 100, "{coverage:?}");
    }
}

#[test]
fn every_version_of_a_cancellation_gets_through_every_trouble() {
    let orders = [order(2, None, None), order(0, Some(700), None)];
    for definition in CancellationWorkflow::definitions() {
        let cancellations = orders.clone().map(Cancellation);
        let coverage = saga::harness::prove(&definition, &cancellations, Timestamp::default(), answer);
        let coverage = coverage.unwrap_or_else(|violation| {
            panic!("{} version {}: {violation}", definition.name(), definition.version())
        });
        assert!(coverage.runs > 50, "{coverage:?}");
    }
}
