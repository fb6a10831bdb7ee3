//! What an order's saga knows, and what its steps say and learn. Pure functions over the order.

use chrono::TimeDelta;
use chrono::serde::{ts_microseconds, ts_microseconds_option};
use contracts::billing::{CaptureFunds, FundsReserved, ReleaseFunds, ReserveFunds};
use contracts::delivery::{CourierReserved, ReleaseCourier, ReserveCourier, ScheduleDelivery};
use contracts::notification::{LetterKind, Notify, OrderLetter};
use contracts::order::{OrderCancelled, OrderConfirmed, OrderRejected};
use contracts::stock::{Item, Line, ReleaseStock, ReserveStock, StockReserved};
use contracts::{Amount, EventData, Timestamp};
use saga::Cause;
use serde::{Deserialize, Serialize};
use uuid::Uuid;

use super::letter_of;

/// The pivot wants a hold that lasts at least this much longer: a day to capture it.
const HOLD_LASTS_MIN: TimeDelta = TimeDelta::hours(24);

/// An order as its saga knows it.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Order {
    /// The order; its saga has the same id.
    pub order_id: Uuid,
    /// Whose.
    pub user_id: Uuid,
    /// What is ordered.
    pub goods: Goods,
    /// What the client expects to pay, or, without items, what is to be paid.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub price: Option<Amount>,
    /// How the items come to the user, where the client said so.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub delivery: Option<Delivery>,
    /// The client's own words.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub comment: Option<String>,
    /// When it was accepted.
    #[serde(with = "ts_microseconds")]
    pub created_at: Timestamp,
    /// Until when the money is held, once it is.
    #[serde(with = "ts_microseconds_option", default, skip_serializing_if = "Option::is_none")]
    pub held_until: Option<Timestamp>,
}

/// How items come to their user.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Delivery {
    /// Where to; without it, where the user's profile says.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub address: Option<String>,
    /// When, if not at any time: the begin of a courier's slot.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub slot: Option<Timestamp>,
    /// The courier that is reserved for the slot.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub courier: Option<u32>,
}

/// What is ordered, by what is known of it.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Goods {
    /// What the client asked for; nothing where a price alone is to be paid.
    Asked(Vec<Item>),
    /// The same, as stock reserved it.
    Reserved(StockReserved),
}

impl Order {
    /// What it costs, once that is known: the lines' sum, or the price of an order without items.
    pub fn total(&self) -> Option<Amount> {
        match &self.goods {
            Goods::Reserved(reserved) => Some(reserved.total),
            Goods::Asked(items) if items.is_empty() => self.price,
            Goods::Asked(_) => None,
        }
    }

    /// What is ordered; none for a price alone.
    pub fn items(&self) -> Vec<Item> {
        match &self.goods {
            Goods::Asked(items) => items.clone(),
            Goods::Reserved(reserved) => reserved.lines.iter().map(item_of).collect(),
        }
    }

    pub(super) fn has_items(&self) -> bool {
        !matches!(&self.goods, Goods::Asked(items) if items.is_empty())
    }

    pub(super) fn reserve_stock(&self) -> ReserveStock {
        let expected_total = self.price.map(Amount::get);
        ReserveStock { order_id: self.order_id, items: self.items(), expected_total }
    }

    pub(super) fn stock_reserved(&mut self, reserved: StockReserved) {
        self.goods = Goods::Reserved(reserved);
    }

    pub(super) fn release_stock(&self) -> ReleaseStock {
        ReleaseStock { order_id: self.order_id }
    }

    fn slot(&self) -> Option<Timestamp> {
        self.delivery.as_ref().and_then(|delivery| delivery.slot)
    }

    pub(super) fn has_slot(&self) -> bool {
        self.slot().is_some()
    }

    pub(super) fn reserve_courier(&self) -> ReserveCourier {
        let slot = self.slot().expect("the step is left out without a slot");
        ReserveCourier { order_id: self.order_id, slot }
    }

    #[expect(clippy::needless_pass_by_value, reason = "what a step learns is given away")]
    pub(super) fn courier_reserved(&mut self, reserved: CourierReserved) {
        if let Some(delivery) = &mut self.delivery {
            delivery.courier = Some(reserved.courier);
        }
    }

    pub(super) fn release_courier(&self) -> ReleaseCourier {
        ReleaseCourier { order_id: self.order_id }
    }

    pub(super) fn schedule_delivery(&self) -> ScheduleDelivery {
        let address = self.delivery.as_ref().and_then(|delivery| delivery.address.clone());
        ScheduleDelivery { order_id: self.order_id, user_id: self.user_id, address, slot: self.slot() }
    }

    pub(super) fn reserve_funds(&self) -> ReserveFunds {
        // Either there are no items and the request has a price, or stock has answered before this step.
        let amount = self.total().expect("the total is known before funds are reserved");
        ReserveFunds { order_id: self.order_id, user_id: self.user_id, amount }
    }

    #[expect(clippy::needless_pass_by_value, reason = "what a step learns is given away")]
    pub(super) fn funds_reserved(&mut self, reserved: FundsReserved) {
        self.held_until = Some(reserved.expires_at);
    }

    pub(super) fn release_funds(&self) -> ReleaseFunds {
        ReleaseFunds { order_id: self.order_id }
    }

    pub(super) fn hold_lasts(&self, now: Timestamp) -> bool {
        self.held_until.is_some_and(|until| until - now >= HOLD_LASTS_MIN)
    }

    pub(super) fn confirmed(&self) -> OrderConfirmed {
        OrderConfirmed {
            order_id: self.order_id,
            user_id: self.user_id,
            total: self.total().map_or(0, Amount::get),
            lines: self.lines().to_vec(),
        }
    }

    pub(super) fn capture_funds(&self) -> CaptureFunds {
        CaptureFunds { order_id: self.order_id }
    }

    pub(super) fn joy(&self) -> Notify {
        self.letter(LetterKind::OrderConfirmed, None)
    }

    pub(super) fn rejected(&self, cause: &Cause) -> EventData {
        if cause.is_cancel() {
            OrderCancelled { order_id: self.order_id }.into()
        } else {
            OrderRejected { order_id: self.order_id, reason: cause.code.clone() }.into()
        }
    }

    pub(super) fn sorrow(&self, cause: &Cause) -> Notify {
        self.letter(letter_of(cause), Some(cause.code.clone()))
    }

    fn lines(&self) -> &[Line] {
        match &self.goods {
            Goods::Asked(_) => &[],
            Goods::Reserved(reserved) => &reserved.lines,
        }
    }

    /// One letter per outcome: its id is made of the order and the kind.
    pub(super) fn letter(&self, kind: LetterKind, reason: Option<String>) -> Notify {
        let letter = OrderLetter { order_id: self.order_id, total: self.total().map(Amount::get), reason };
        let data =
            serde_json::value::to_raw_value(&letter).expect("a letter is a plain struct with a JSON form");
        let letter_id = Uuid::new_v5(&self.order_id, kind.as_str().as_bytes());
        Notify { letter_id, user_id: self.user_id, kind, data }
    }
}

fn item_of(line: &Line) -> Item {
    Item { position_id: line.position_id, quantity: line.quantity }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn order(items: usize, price: Option<i64>) -> Order {
        let item = |_| Item { position_id: Uuid::now_v7(), quantity: 2 };
        Order {
            order_id: Uuid::now_v7(),
            user_id: Uuid::now_v7(),
            goods: Goods::Asked((0..items).map(item).collect()),
            price: price.map(|price| Amount::new(price).unwrap()),
            delivery: None,
            comment: None,
            created_at: Timestamp::default(),
            held_until: None,
        }
    }

    #[test]
    fn a_price_alone_is_the_total() {
        assert_eq!(order(0, Some(7)).total().map(Amount::get), Some(7));
    }

    #[test]
    fn with_items_the_price_is_only_what_is_expected() {
        let mut order = order(1, Some(7));
        assert_eq!(order.total(), None);
        assert_eq!(order.reserve_stock().expected_total, Some(7));
        order.stock_reserved(StockReserved { total: Amount::new(9).unwrap(), lines: Vec::new() });
        assert_eq!(order.reserve_funds().amount.get(), 9);
    }

    #[test]
    fn the_pivot_wants_a_hold_that_lasts_a_day() {
        let mut order = order(0, Some(7));
        let now = Timestamp::default();
        assert!(!order.hold_lasts(now));
        order.held_until = Some(now + HOLD_LASTS_MIN);
        assert!(order.hold_lasts(now));
        order.held_until = Some(now + HOLD_LASTS_MIN - TimeDelta::seconds(1));
        assert!(!order.hold_lasts(now));
    }

    #[test]
    fn the_letters_of_joy_and_sorrow_are_different_letters() {
        let order = order(0, Some(7));
        let cause = Cause { code: "out_of_stock".into(), step: Some("reserve_stock".into()), detail: None };
        assert_ne!(order.joy().letter_id, order.sorrow(&cause).letter_id);
        assert_eq!(order.joy().letter_id, order.joy().letter_id);
    }
}
