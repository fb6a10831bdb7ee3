//! Customers and what they order. Which customer orders what follows from the seed and the number of the order
//! alone.

use chrono::TimeDelta;
use contracts::stock::Item;
use contracts::{Amount, Timestamp};
use messaging::idempotency::Key;
use orchestrator::order::{Delivery, Goods, Order};
use serde_json::Value;
use uuid::Uuid;

use super::clock::{MILLISECOND, SECOND};
use super::dice::Dice;

/// Who order.
const USERS: u64 = 5;
/// What can be ordered.
const POSITIONS: u64 = 4;
/// Of each, at the beginning.
pub(super) const ON_HAND: i64 = 20;
/// On each account, at the beginning, in minor units.
pub(super) const DEPOSITED: i64 = 2_500;
/// All orders are placed within one of these, in seconds: all at once, so that many meet on few rows, or one
/// after the other.
const PLACED_WITHIN: [u64; 4] = [1, 2, 6, 20];

/// The world's customers and goods.
#[derive(Debug, Clone, Copy)]
pub(super) struct People(Dice);

/// An order to be placed.
#[derive(Debug, Clone)]
pub(super) struct Wish {
    /// Microseconds after the beginning.
    pub(super) at: i64,
    pub(super) key: Key,
    order: Order,
}

impl People {
    pub(super) fn new(dice: Dice) -> Self {
        Self(dice)
    }

    pub(super) fn users() -> impl Iterator<Item = Uuid> {
        (0..USERS).map(user)
    }

    /// Each with its price, in minor units.
    pub(super) fn positions() -> impl Iterator<Item = (Uuid, Amount)> {
        (0..POSITIONS).map(|number| (position(number), price(number)))
    }

    /// What the customer of an order wants.
    pub(super) fn wish(self, number: u64, now: Timestamp) -> Wish {
        let dice = self.0;
        let user_id = user(dice.below(USERS, "user", number));
        let items = self.items(number);
        let within = PLACED_WITHIN[usize::try_from(dice.below(4, "within", 0)).unwrap_or(0)];
        let at = dice.below(within * SECOND.cast_unsigned(), "placed", number);
        let order = Order {
            order_id: Uuid::nil(),
            user_id,
            price: self.price(number, &items),
            delivery: if items.is_empty() { None } else { self.delivery(number, now) },
            goods: Goods::Asked(items),
            comment: None,
            created_at: now,
            held_until: None,
        };
        let key = Key::new(user_id, "order", &number.to_string(), String::new());
        Wish { at: at.cast_signed() / MILLISECOND * MILLISECOND, key, order }
    }

    /// None for a price alone; now and then of what nobody sells.
    fn items(self, number: u64) -> Vec<Item> {
        let dice = self.0;
        let first = dice.below(POSITIONS, "first", number);
        let kinds = [0, 1, 1, 1, 2, 2, 3][usize::try_from(dice.below(7, "kinds", number)).unwrap_or(0)];
        let unknown = if dice.percent(4, "unknown", number) { 90 } else { 0 };
        let item = |kind| Item {
            position_id: position((first + kind) % POSITIONS + unknown),
            quantity: 1 + dice.below(3, "quantity", number * 8 + kind).cast_signed(),
        };
        (0..kinds).map(item).collect()
    }

    /// With items, what is expected: now and then something else than it costs.
    fn price(self, number: u64, items: &[Item]) -> Option<Amount> {
        let dice = self.0;
        if items.is_empty() {
            return Amount::new(1 + dice.below(400, "price", number).cast_signed()).ok();
        }
        let cost = |item: &Item| {
            let known = Self::positions().find(|(position_id, _)| *position_id == item.position_id);
            known.map_or(1, |(_, price)| price.get() * item.quantity)
        };
        let wrong = i64::from(dice.percent(5, "wrong price", number));
        let is_told = dice.percent(30, "told price", number);
        is_told.then(|| Amount::new(items.iter().map(cost).sum::<i64>() + wrong).ok()).flatten()
    }

    fn delivery(self, number: u64, now: Timestamp) -> Option<Delivery> {
        let dice = self.0;
        let hours = i64::try_from(1 + dice.below(3, "hour", number)).unwrap_or(1);
        let hour = now + TimeDelta::hours(hours);
        let slot = dice.percent(40, "slot", number).then_some(hour);
        let address = dice.percent(50, "address", number).then(|| "Omsk".to_owned());
        Some(Delivery { address, slot, courier: None })
    }
}

impl Wish {
    /// As it is asked for: every asking has an order of its own.
    pub(super) fn asked(&self, order_id: Uuid, now: Timestamp) -> Order {
        Order { order_id, created_at: now, ..self.order.clone() }
    }

    pub(super) fn user_id(&self) -> Uuid {
        self.order.user_id
    }

    /// Whether this can be why it was refused. How much was there at that moment nobody can say any more, but
    /// nobody is refused for goods, an hour or money that was not asked for.
    pub(super) fn may_be_refused_for(&self, reason: &str, detail: Option<&Value>) -> bool {
        let Goods::Asked(items) = &self.order.goods else { return false };
        let amount = |name| detail.and_then(|detail| detail[name].as_i64());
        let known: Vec<Uuid> = People::positions().map(|(position_id, _)| position_id).collect();
        let cost = || {
            let price_of = |item: &Item| People::positions().find(|(known, _)| *known == item.position_id);
            items.iter().map(|item| price_of(item).map_or(0, |(_, price)| price.get() * item.quantity)).sum()
        };
        match reason {
            "unknown_position" => items.iter().any(|item| !known.contains(&item.position_id)),
            "price_changed" => self.order.price.is_some_and(|price| price.get() != cost()),
            "out_of_stock" => !items.is_empty(),
            "slot_taken" => self.order.delivery.as_ref().is_some_and(|delivery| delivery.slot.is_some()),
            "insufficient_funds" => {
                let required =
                    if items.is_empty() { self.order.price.map_or(0, Amount::get) } else { cost() };
                amount("required") == Some(required) && amount("available") < Some(required)
            }
            "timed_out" | "cancelled" => true,
            _ => false,
        }
    }
}

fn user(number: u64) -> Uuid {
    Uuid::from_u128(0xA000 + u128::from(number))
}

fn position(number: u64) -> Uuid {
    Uuid::from_u128(0xB000 + u128::from(number))
}

fn price(number: u64) -> Amount {
    Amount::new(20 + 35 * number.cast_signed()).expect("it is small and above zero")
}
