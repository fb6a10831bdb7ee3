//! What became of an order's request for stock. The row recognises the request when it is repeated, and
//! gives the same reply for ever.

use contracts::stock::{Item, Line, ReserveStock, StockRefusal, StockReserved};
use contracts::{Amount, Reply};
use messaging::record;
use messaging::rows::{Json, Uuids};
use serde::{Deserialize, Serialize};
use uuid::Uuid;

record! {
    /// A row of `reservations`.
    pub struct Reservation in "reservations" {
        /// The order; at most one reservation each.
        order_id: Uuid,
        fixed {
            /// The positions to lock before the state may change; empty where it never changes.
            position_ids: Uuids,
        }
        changing {
            /// What became of it.
            state: Json<State>,
        }
    }
}

/// What became of a request. `Reserved` may become `Sold` or `Released`, `Sold` may become `Released`; the
/// others stay.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(tag = "state", rename_all = "snake_case")]
pub enum State {
    /// The items are reserved.
    Reserved(Reserved),
    /// They were, and have left the shelf: the order is confirmed.
    Sold(Reserved),
    /// They were reserved or sold, and are available again.
    Released(Reserved),
    /// Nothing was reserved.
    Refused(Refused),
    /// The undo came first: nothing will ever be reserved.
    Cancelled,
}

/// A request that was granted: its items are those of the lines.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Reserved {
    /// Of the request.
    pub expected_total: Option<i64>,
    /// The sum of the lines.
    pub total: Amount,
    /// At the prices of then.
    pub lines: Vec<Line>,
}

/// A request that was refused.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Refused {
    /// Of the request.
    pub items: Vec<Item>,
    /// Of the request.
    pub expected_total: Option<i64>,
    /// Why.
    pub refusal: StockRefusal,
}

impl Reserved {
    /// What was answered.
    pub fn reply(&self) -> StockReserved {
        StockReserved { total: self.total, lines: self.lines.clone() }
    }

    fn is_of(&self, items: &[Item], expected_total: Option<i64>) -> bool {
        let same =
            |line: &Line, item: &Item| (line.position_id, line.quantity) == (item.position_id, item.quantity);
        self.expected_total == expected_total
            && self.lines.len() == items.len()
            && self.lines.iter().zip(items).all(|(line, item)| same(line, item))
    }
}

impl Reservation {
    /// The row of a decided request.
    pub fn decided(command: &ReserveStock, decided: &Result<StockReserved, StockRefusal>) -> Self {
        let ReserveStock { order_id, items, expected_total } = command.clone();
        let (position_ids, state) = match decided.clone() {
            Ok(StockReserved { total, lines }) => (
                items.iter().map(|item| item.position_id).collect(),
                State::Reserved(Reserved { expected_total, total, lines }),
            ),
            Err(refusal) => (Vec::new(), State::Refused(Refused { items, expected_total, refusal })),
        };
        Self { order_id, position_ids: Uuids(position_ids), state: Json(state) }
    }

    /// The tombstone of an undo that came first.
    pub fn tombstone(order_id: Uuid) -> Self {
        Self { order_id, position_ids: Uuids::default(), state: Json(State::Cancelled) }
    }

    /// The reply to a command that comes when this row is there.
    pub fn repeated(&self, command: &ReserveStock) -> Reply<ReserveStock> {
        let ReserveStock { order_id, items, expected_total } = command;
        match &self.state.0 {
            State::Cancelled | State::Released(_) => Reply::Cancelled,
            State::Reserved(reserved) | State::Sold(reserved) if reserved.is_of(items, *expected_total) => {
                Reply::Done(reserved.reply())
            }
            State::Refused(refused)
                if refused.items == *items && refused.expected_total == *expected_total =>
            {
                Reply::Refused(refused.refusal.clone())
            }
            State::Reserved(_) | State::Sold(_) | State::Refused(_) => {
                tracing::error!(%order_id, "the order asked for other items before");
                Reply::Fault("the order asked for other items before".to_owned())
            }
        }
    }
}
