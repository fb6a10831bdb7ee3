//! Stock: reservations of positions and their release.

use serde::{Deserialize, Serialize};
use uuid::Uuid;

use crate::{Amount, Command, Never, Refusal};

/// How many of what.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Item {
    /// The position asked for.
    pub position_id: Uuid,
    /// How many: 1 to 10^9.
    pub quantity: i64,
}

/// Reserves all the items of an order, or none.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct ReserveStock {
    /// The order; at most one reservation each.
    pub order_id: Uuid,
    /// 1 to 100 items, no position twice.
    pub items: Vec<Item>,
    /// The total the client expects, in minor units; another one is refused.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub expected_total: Option<i64>,
}

/// A reserved item at the price of the moment of reservation.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Line {
    /// The position.
    pub position_id: Uuid,
    /// Its name then.
    pub name: String,
    /// How many.
    pub quantity: i64,
    /// The price of one, in minor units.
    pub price: i64,
}

/// The items are reserved.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct StockReserved {
    /// The sum of the lines.
    pub total: Amount,
    /// One for each item, in the order of the items.
    pub lines: Vec<Line>,
}

/// Why nothing is reserved.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(tag = "code", content = "body", rename_all = "snake_case")]
pub enum StockRefusal {
    /// There is less than was asked for.
    OutOfStock {
        /// Of these.
        position_ids: Vec<Uuid>,
    },
    /// No such position.
    UnknownPosition {
        /// These.
        position_ids: Vec<Uuid>,
    },
    /// The client expected another total.
    PriceChanged {
        /// The total of now, in minor units.
        total: i64,
    },
    /// The total is above [`crate::MAX_AMOUNT`].
    TotalTooLarge,
}

/// Ends a reservation; the items are available again. The undo of [`ReserveStock`].
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct ReleaseStock {
    /// The order whose reservation ends.
    pub order_id: Uuid,
}

impl Refusal for StockRefusal {}

impl Command for ReserveStock {
    const TYPE: &'static str = "cmd.stock.reserve_stock.v1";
    const PARTICIPANT: &'static str = "stock";
    type Done = StockReserved;
    type Refusal = StockRefusal;
}

impl Command for ReleaseStock {
    const TYPE: &'static str = "cmd.stock.release_stock.v1";
    const PARTICIPANT: &'static str = "stock";
    type Done = ();
    type Refusal = Never;
}
