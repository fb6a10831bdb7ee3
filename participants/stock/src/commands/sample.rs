//! A shelf for tests: 10 of tea at 50, 4 of coffee at 70.

use contracts::Timestamp;
use contracts::order::OrderConfirmed;
use contracts::stock::{Item, Line};
use messaging::rows::Rows;
use uuid::Uuid;

use crate::decider::Set;
use crate::position::Position;

pub(super) const ORDER: Uuid = Uuid::from_u128(1);
pub(super) const TEA: Uuid = Uuid::from_u128(11);
pub(super) const COFFEE: Uuid = Uuid::from_u128(12);
pub(super) const UNKNOWN: Uuid = Uuid::from_u128(13);

pub(super) fn shelf() -> Set {
    let position = |position_id, name: &str, price, available| Position {
        position_id,
        name: name.to_owned(),
        price,
        available,
        reserved: 0,
    };
    Set {
        positions: Rows::of([position(TEA, "tea", 50, 10), position(COFFEE, "coffee", 70, 4)]),
        reservations: Rows::default(),
    }
}

/// Available and reserved.
pub(super) fn counts(set: &Set, position_id: Uuid) -> (i64, i64) {
    let position = set.positions.get(position_id).unwrap();
    (position.available, position.reserved)
}

pub(super) fn item(position_id: Uuid, quantity: i64) -> Item {
    Item { position_id, quantity }
}

/// The event about the order. What it says of its lines is not believed: the reservation knows.
pub(super) fn confirmed() -> OrderConfirmed {
    let line = Line { position_id: UNKNOWN, name: "?".to_owned(), quantity: 1, price: 1 };
    OrderConfirmed { order_id: ORDER, user_id: Uuid::from_u128(2), total: 1, lines: vec![line] }
}

pub(super) fn now() -> Timestamp {
    Timestamp::default()
}
