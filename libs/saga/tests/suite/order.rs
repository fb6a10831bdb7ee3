//! A workflow like the one of orders, and participants that answer it: what the tests advance.

use contracts::billing::{CaptureFunds, FundsCaptured, FundsReserved, ReleaseFunds, ReserveFunds};
use contracts::notification::{LetterKind, Notify, OrderLetter};
use contracts::order::{OrderCancelled, OrderConfirmed, OrderRejected};
use contracts::stock::{Item, ReleaseStock, ReserveStock, StockReserved};
use contracts::{Amount, Command, Direction, EventData, Reply, ReplyData, Timestamp};
use saga::{Cause, Definition, Saga};
use serde::{Deserialize, Serialize};
use serde_json::value::{RawValue, to_raw_value};
use uuid::Uuid;

/// What the workflow knows of an order.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub(crate) struct Order {
    pub(crate) order_id: Uuid,
    pub(crate) items: Vec<Item>,
    pub(crate) total: i64,
    pub(crate) expires_at: Option<Timestamp>,
}

/// The time at which tests begin.
pub(crate) fn start() -> Timestamp {
    "2026-11-20T12:00:00Z".parse().unwrap()
}

pub(crate) fn definition() -> Definition<Order> {
    Saga::named("order", 1)
        .step("reserve_stock", Order::reserve_stock, Order::stock_reserved)
        .when(Order::has_items)
        .undo(Order::release_stock)
        .step("check_address", Order::check_address, |_, ()| {})
        .nothing_to_undo()
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

impl Order {
    /// An order of one position.
    pub(crate) fn of_items() -> Self {
        let item = Item { position_id: Uuid::from_u128(7), quantity: 2 };
        Self { order_id: Uuid::from_u128(1), items: vec![item], total: 0, expires_at: None }
    }

    /// An order that is a price alone.
    pub(crate) fn of_price() -> Self {
        Self { order_id: Uuid::from_u128(2), items: vec![], total: 500, expires_at: None }
    }

    fn has_items(&self) -> bool {
        !self.items.is_empty()
    }

    pub(crate) fn reserve_stock(&self) -> ReserveStock {
        ReserveStock { order_id: self.order_id, items: self.items.clone(), expected_total: None }
    }

    fn stock_reserved(&mut self, StockReserved { total, lines: _ }: StockReserved) {
        self.total = total.get();
    }

    fn release_stock(&self) -> ReleaseStock {
        ReleaseStock { order_id: self.order_id }
    }

    fn check_address(&self) -> CheckAddress {
        CheckAddress { order_id: self.order_id }
    }

    fn reserve_funds(&self) -> ReserveFunds {
        let amount = Amount::new(self.total).unwrap();
        ReserveFunds { order_id: self.order_id, user_id: Uuid::from_u128(9), amount }
    }

    fn funds_reserved(&mut self, FundsReserved { expires_at, .. }: FundsReserved) {
        self.expires_at = Some(expires_at);
    }

    fn release_funds(&self) -> ReleaseFunds {
        ReleaseFunds { order_id: self.order_id }
    }

    fn hold_lasts(&self, now: Timestamp) -> bool {
        self.expires_at.is_some_and(|expires_at| now + chrono::TimeDelta::hours(24) <= expires_at)
    }

    pub(crate) fn confirmed(&self) -> OrderConfirmed {
        let lines = vec![];
        OrderConfirmed { order_id: self.order_id, user_id: Uuid::from_u128(9), total: self.total, lines }
    }

    fn capture_funds(&self) -> CaptureFunds {
        CaptureFunds { order_id: self.order_id }
    }

    fn schedule_delivery(&self) -> ScheduleDelivery {
        ScheduleDelivery { order_id: self.order_id }
    }

    pub(crate) fn joy(&self) -> Notify {
        self.letter(LetterKind::OrderConfirmed, None)
    }

    fn rejected(&self, cause: &Cause) -> EventData {
        if cause.is_cancel() {
            OrderCancelled { order_id: self.order_id }.into()
        } else {
            OrderRejected { order_id: self.order_id, reason: cause.code.clone() }.into()
        }
    }

    fn sorrow(&self, cause: &Cause) -> Notify {
        let kind = if cause.is_cancel() { LetterKind::OrderCancelled } else { LetterKind::OrderRejected };
        self.letter(kind, Some(cause.code.clone()))
    }

    fn letter(&self, kind: LetterKind, reason: Option<String>) -> Notify {
        let letter = OrderLetter { order_id: self.order_id, total: Some(self.total), reason };
        Notify {
            letter_id: self.order_id,
            user_id: Uuid::from_u128(9),
            kind,
            data: to_raw_value(&letter).unwrap(),
        }
    }
}

/// A command with nothing to undo.
#[derive(Debug, Clone, Serialize, Deserialize)]
pub(crate) struct CheckAddress {
    pub(crate) order_id: Uuid,
}

impl Command for CheckAddress {
    const TYPE: &'static str = "cmd.delivery.check_address.v1";
    const PARTICIPANT: &'static str = "delivery";
    type Done = ();
    type Refusal = contracts::billing::FundsRefusal;
}

/// A second participant of the tail.
#[derive(Debug, Clone, Serialize, Deserialize)]
pub(crate) struct ScheduleDelivery {
    pub(crate) order_id: Uuid,
}

impl Command for ScheduleDelivery {
    const TYPE: &'static str = "cmd.delivery.schedule_delivery.v1";
    const PARTICIPANT: &'static str = "delivery";
    type Done = ();
    type Refusal = contracts::Never;
}

/// What healthy participants answer.
pub(crate) fn answer(command_type: &str, _command: &RawValue) -> ReplyData {
    match command_type {
        ReserveStock::TYPE => {
            done::<ReserveStock>(StockReserved { total: Amount::new(700).unwrap(), lines: vec![] })
        }
        ReserveFunds::TYPE => {
            let expires_at = start() + chrono::TimeDelta::days(7);
            done::<ReserveFunds>(FundsReserved { hold_id: Uuid::from_u128(3), expires_at })
        }
        CaptureFunds::TYPE => done::<CaptureFunds>(FundsCaptured { entry_id: Uuid::from_u128(4) }),
        _ => done::<ReleaseStock>(()),
    }
}

pub(crate) fn done<C: Command>(done: C::Done) -> ReplyData {
    Reply::<C>::Done(done).into()
}

/// What healthy participants answer to a step.
pub(crate) fn healthy(step: &str, direction: Direction) -> ReplyData {
    let command_type = match (step, direction) {
        ("reserve_stock", Direction::Do) => ReserveStock::TYPE,
        ("reserve_funds", Direction::Do) => ReserveFunds::TYPE,
        ("capture_funds", Direction::Do) => CaptureFunds::TYPE,
        _ => "",
    };
    answer(command_type, RawValue::NULL)
}

/// A refusal by this code.
pub(crate) fn refused(code: &str) -> ReplyData {
    let body = to_raw_value(&serde_json::json!({ "available": 5 })).unwrap();
    ReplyData { outcome: contracts::Outcome::Refused, code: Some(code.to_owned()), body: Some(body) }
}

/// A `done` whose body no command has.
pub(crate) fn garbled() -> ReplyData {
    let body = to_raw_value("garbled").unwrap();
    ReplyData { outcome: contracts::Outcome::Done, code: None, body: Some(body) }
}
