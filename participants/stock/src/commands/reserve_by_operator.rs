//! Reserving one position for an order by hand. The same row as `reserve_stock` writes: an order has at
//! most one reservation, and `release_stock` ends either.
//!
//! Unlike a command's, a refusal changes nothing and is not remembered: the operator may try again when
//! there is stock.

use contracts::Reply;
use contracts::stock::{Item, Line, ReserveStock, StockRefusal, StockReserved};
use uuid::Uuid;

use crate::commands::reserve_stock::reserve;
use crate::decider::{Keys, Set};
use crate::reservation::Reservation;

/// What an operator asks for.
#[derive(Debug, Clone)]
pub struct ReserveByOperator {
    /// For this order.
    pub order_id: Uuid,
    /// Of this position.
    pub position_id: Uuid,
    /// So many: 1 to 10^9.
    pub quantity: i64,
}

/// Why nothing is reserved.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum OperatorRefusal {
    /// There is no such position.
    UnknownPosition,
    /// There is less than was asked for.
    OutOfStock,
    /// The total is above [`contracts::MAX_AMOUNT`].
    TotalTooLarge,
    /// The order has asked for something else before, or was refused or cancelled.
    OrderDecided,
}

pub(crate) fn touches(request: &ReserveByOperator, keys: &mut Keys) {
    keys.orders.insert(request.order_id);
    keys.positions.insert(request.position_id);
}

pub(crate) fn decide(set: &mut Set, request: &ReserveByOperator) -> Result<Line, OperatorRefusal> {
    let item = Item { position_id: request.position_id, quantity: request.quantity };
    let command = ReserveStock { order_id: request.order_id, items: vec![item], expected_total: None };
    if let Some(earlier) = set.reservations.get(request.order_id) {
        return match earlier.repeated(&command) {
            Reply::Done(reserved) => only_line(reserved),
            _ => Err(OperatorRefusal::OrderDecided),
        };
    }
    let reserved = reserve(&mut set.positions, &command.items, None)?;
    set.reservations.insert(Reservation::decided(&command, &Ok(reserved.clone())));
    only_line(reserved)
}

/// A request of one item has a reservation of one line.
fn only_line(mut reserved: StockReserved) -> Result<Line, OperatorRefusal> {
    reserved.lines.pop().ok_or(OperatorRefusal::OrderDecided)
}

impl From<StockRefusal> for OperatorRefusal {
    fn from(refusal: StockRefusal) -> Self {
        match refusal {
            StockRefusal::UnknownPosition { .. } => Self::UnknownPosition,
            StockRefusal::OutOfStock { .. } => Self::OutOfStock,
            StockRefusal::TotalTooLarge => Self::TotalTooLarge,
            // Nobody expected a total.
            StockRefusal::PriceChanged { .. } => Self::OrderDecided,
        }
    }
}

#[cfg(test)]
mod tests {
    use contracts::stock::ReleaseStock;

    use super::*;
    use crate::commands::sample::{ORDER, TEA, UNKNOWN, counts, now, shelf};
    use crate::commands::{release_stock, reserve_stock};

    fn request(position_id: Uuid, quantity: i64) -> ReserveByOperator {
        ReserveByOperator { order_id: ORDER, position_id, quantity }
    }

    #[test]
    fn the_same_order_asked_again_gets_the_same() {
        let mut set = shelf();
        let first = decide(&mut set, &request(TEA, 4)).unwrap();
        assert_eq!((first.quantity, first.price), (4, 50));
        assert_eq!(decide(&mut set, &request(TEA, 4)), Ok(first));
        assert_eq!(counts(&set, TEA), (6, 4));
    }

    #[test]
    fn a_refusal_is_not_remembered() {
        let mut set = shelf();
        assert_eq!(decide(&mut set, &request(TEA, 11)), Err(OperatorRefusal::OutOfStock));
        assert_eq!(decide(&mut set, &request(UNKNOWN, 1)), Err(OperatorRefusal::UnknownPosition));
        set.positions.get_mut(TEA).unwrap().available = 11;
        assert!(decide(&mut set, &request(TEA, 11)).is_ok());
    }

    #[test]
    fn an_order_has_one_reservation() {
        let mut set = shelf();
        decide(&mut set, &request(TEA, 4)).unwrap();
        assert_eq!(decide(&mut set, &request(TEA, 5)), Err(OperatorRefusal::OrderDecided));
        assert_eq!(counts(&set, TEA), (6, 4));
    }

    #[test]
    fn a_saga_finds_it_and_may_undo_it() {
        let mut set = shelf();
        decide(&mut set, &request(TEA, 4)).unwrap();
        let items = vec![Item { position_id: TEA, quantity: 4 }];
        let command = ReserveStock { order_id: ORDER, items, expected_total: None };
        assert!(matches!(reserve_stock::decide(&mut set, &command, now()), Reply::Done(_)));
        release_stock::decide(&mut set, &ReleaseStock { order_id: ORDER }, now());
        assert_eq!(counts(&set, TEA), (10, 0));
    }

    #[test]
    fn a_cancelled_order_gets_nothing() {
        let mut set = shelf();
        release_stock::decide(&mut set, &ReleaseStock { order_id: ORDER }, now());
        assert_eq!(decide(&mut set, &request(TEA, 1)), Err(OperatorRefusal::OrderDecided));
    }
}
