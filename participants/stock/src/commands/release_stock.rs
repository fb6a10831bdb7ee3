//! `release_stock`: what an order reserved is available again, also where it was sold meanwhile (a
//! confirmed order is cancelled). Never refused.
//!
//! Without anything to undo it leaves a tombstone, so that the reservation that arrives after its undo
//! is refused.

use contracts::stock::ReleaseStock;
use contracts::{Reply, Timestamp};

use super::move_all;
use crate::decider::{Keys, Set};
use crate::position::Position;
use crate::reservation::{Reservation, State};

pub(crate) fn touches(command: &ReleaseStock, keys: &mut Keys) {
    keys.orders.insert(command.order_id);
}

pub(crate) fn decide(set: &mut Set, command: &ReleaseStock, _: Timestamp) -> Reply<ReleaseStock> {
    let order_id = command.order_id;
    let Some(reservation) = set.reservations.get(order_id) else {
        set.reservations.insert(Reservation::tombstone(order_id));
        return Reply::Done(());
    };
    let (reserved, is_back, otherwise) = match reservation.state.0.clone() {
        State::Reserved(reserved) => {
            let is_back = move_all(&mut set.positions, &reserved.lines, Position::releasing);
            (reserved, is_back, "less is reserved than the order's reservation says")
        }
        State::Sold(sold) => {
            let is_back = move_all(&mut set.positions, &sold.lines, Position::taking_back);
            (sold, is_back, "what was sold does not fit on the shelf any more")
        }
        State::Released(_) | State::Refused(_) | State::Cancelled => return Reply::Done(()),
    };
    if !is_back {
        tracing::error!(%order_id, otherwise);
        return Reply::Fault(otherwise.to_owned());
    }
    if let Some(reservation) = set.reservations.get_mut(order_id) {
        reservation.state.0 = State::Released(reserved);
    }
    Reply::Done(())
}

#[cfg(test)]
mod tests {
    use contracts::stock::ReserveStock;

    use super::*;
    use crate::commands::sample::{COFFEE, ORDER, TEA, confirmed, counts, item, now, shelf};
    use crate::commands::{reserve_stock, sell};
    use crate::position::MAX_ON_HAND;

    const RELEASE: ReleaseStock = ReleaseStock { order_id: ORDER };

    fn reserve() -> ReserveStock {
        let items = vec![item(TEA, 3), item(COFFEE, 1)];
        ReserveStock { order_id: ORDER, items, expected_total: None }
    }

    #[test]
    fn everything_is_available_again_once() {
        let mut set = shelf();
        reserve_stock::decide(&mut set, &reserve(), now());
        for _ in 0..2 {
            assert_eq!(decide(&mut set, &RELEASE, now()), Reply::Done(()));
            assert_eq!((counts(&set, TEA), counts(&set, COFFEE)), ((10, 0), (4, 0)));
        }
    }

    #[test]
    fn what_was_sold_is_available_again_once() {
        let mut set = shelf();
        reserve_stock::decide(&mut set, &reserve(), now());
        sell::decide(&mut set, &confirmed());
        for _ in 0..2 {
            assert_eq!(decide(&mut set, &RELEASE, now()), Reply::Done(()));
            assert_eq!((counts(&set, TEA), counts(&set, COFFEE)), ((10, 0), (4, 0)));
        }
        assert_eq!(reserve_stock::decide(&mut set, &reserve(), now()), Reply::Cancelled);
    }

    #[test]
    fn what_was_sold_and_does_not_fit_on_the_shelf_is_a_fault_and_stays_sold() {
        let mut set = shelf();
        reserve_stock::decide(&mut set, &reserve(), now());
        sell::decide(&mut set, &confirmed());
        set.positions.get_mut(COFFEE).unwrap().available = MAX_ON_HAND;
        assert!(matches!(decide(&mut set, &RELEASE, now()), Reply::Fault(_)));
        assert_eq!(counts(&set, TEA), (7, 0), "all lines are put back or none");
        assert!(matches!(set.reservations.get(ORDER).unwrap().state.0, State::Sold(_)));
    }

    #[test]
    fn a_reservation_repeated_after_its_release_is_refused_and_reserves_nothing() {
        let mut set = shelf();
        reserve_stock::decide(&mut set, &reserve(), now());
        decide(&mut set, &RELEASE, now());
        assert_eq!(reserve_stock::decide(&mut set, &reserve(), now()), Reply::Cancelled);
        assert_eq!(counts(&set, TEA), (10, 0));
    }

    #[test]
    fn a_reservation_that_comes_after_its_undo_is_refused_for_ever() {
        let mut set = shelf();
        assert_eq!(decide(&mut set, &RELEASE, now()), Reply::Done(()));
        for _ in 0..2 {
            assert_eq!(reserve_stock::decide(&mut set, &reserve(), now()), Reply::Cancelled);
            assert_eq!(decide(&mut set, &RELEASE, now()), Reply::Done(()));
        }
        assert_eq!(counts(&set, TEA), (10, 0));
    }

    #[test]
    fn a_refusal_stays_one_after_its_undo() {
        let mut set = shelf();
        let command = ReserveStock { items: vec![item(TEA, 11)], ..reserve() };
        let refusal = reserve_stock::decide(&mut set, &command, now());
        assert_eq!(decide(&mut set, &RELEASE, now()), Reply::Done(()));
        assert_eq!(reserve_stock::decide(&mut set, &command, now()), refusal);
    }

    #[test]
    fn a_reservation_of_more_than_is_reserved_is_a_fault_and_stays() {
        let mut set = shelf();
        reserve_stock::decide(&mut set, &reserve(), now());
        set.positions.get_mut(COFFEE).unwrap().reserved = 0;
        assert!(matches!(decide(&mut set, &RELEASE, now()), Reply::Fault(_)));
        assert_eq!(counts(&set, TEA), (7, 3), "all lines are put back or none");
        assert!(matches!(set.reservations.get(ORDER).unwrap().state.0, State::Reserved(_)));
    }
}
