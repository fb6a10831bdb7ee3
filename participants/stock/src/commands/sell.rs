//! `order.order_confirmed`: what the order reserved is sold; it leaves the shelf.
//!
//! The event may come at any time after the reservation, more than once, also after the release of a
//! cancelled order: the release wins. It is a fact that somebody else decided, so that what does not fit
//! changes nothing and is counted.

use contracts::order::OrderConfirmed;
use metrics::counter;

use super::move_all;
use crate::decider::{Keys, Set};
use crate::metric_names;
use crate::position::Position;
use crate::reservation::State;

pub(crate) fn touches(event: &OrderConfirmed, keys: &mut Keys) {
    if !event.lines.is_empty() {
        keys.orders.insert(event.order_id);
    }
}

pub(crate) fn decide(set: &mut Set, event: &OrderConfirmed) {
    // An order that is a price alone has no lines.
    if event.lines.is_empty() {
        return nothing_sold("no_items");
    }
    let order_id = event.order_id;
    let Some(reservation) = set.reservations.get(order_id) else {
        tracing::error!(%order_id, "an order was confirmed that reserved nothing");
        return nothing_sold("unknown");
    };
    match reservation.state.0.clone() {
        State::Reserved(reserved) => {
            if !move_all(&mut set.positions, &reserved.lines, Position::selling) {
                tracing::error!(%order_id, "less is reserved than the order's reservation says");
                return nothing_sold("contradiction");
            }
            if let Some(reservation) = set.reservations.get_mut(order_id) {
                reservation.state.0 = State::Sold(reserved);
            }
        }
        State::Sold(_) => {}
        State::Released(_) | State::Cancelled => nothing_sold("released"),
        State::Refused(_) => {
            tracing::error!(%order_id, "an order was confirmed whose reservation was refused");
            nothing_sold("refused");
        }
    }
}

/// From the beginning, so that their first increase is seen as one.
pub(crate) fn count_from_now() {
    for reason in ["no_items", "released", "unknown", "refused", "contradiction"] {
        counter!(metric_names::NOTHING_SOLD, "reason" => reason).increment(0);
    }
}

fn nothing_sold(reason: &'static str) {
    counter!(metric_names::NOTHING_SOLD, "reason" => reason).increment(1);
}

#[cfg(test)]
mod tests {
    use contracts::Reply;
    use contracts::stock::{Item, ReleaseStock, ReserveStock};

    use super::*;
    use crate::commands::sample::{COFFEE, ORDER, TEA, confirmed, counts, item, now, shelf};
    use crate::commands::{release_stock, reserve_stock};

    fn reserve(items: &[Item]) -> ReserveStock {
        ReserveStock { order_id: ORDER, items: items.to_vec(), expected_total: None }
    }

    fn release(set: &mut Set) {
        release_stock::decide(set, &ReleaseStock { order_id: ORDER }, now());
    }

    #[test]
    fn what_was_reserved_leaves_the_shelf_once() {
        let mut set = shelf();
        reserve_stock::decide(&mut set, &reserve(&[item(TEA, 3), item(COFFEE, 1)]), now());
        for _ in 0..2 {
            decide(&mut set, &confirmed());
            assert_eq!((counts(&set, TEA), counts(&set, COFFEE)), ((7, 0), (3, 0)));
        }
    }

    #[test]
    fn a_reservation_repeated_after_its_sale_gets_the_same_reply() {
        let mut set = shelf();
        let command = reserve(&[item(TEA, 3)]);
        let first = reserve_stock::decide(&mut set, &command, now());
        decide(&mut set, &confirmed());
        assert_eq!(reserve_stock::decide(&mut set, &command, now()), first);
        let other = reserve_stock::decide(&mut set, &reserve(&[item(TEA, 4)]), now());
        assert!(matches!(other, Reply::Fault(_)), "{other:?}");
        assert_eq!(counts(&set, TEA), (7, 0));
    }

    #[test]
    fn a_release_that_came_first_wins() {
        let mut set = shelf();
        reserve_stock::decide(&mut set, &reserve(&[item(TEA, 3)]), now());
        release(&mut set);
        decide(&mut set, &confirmed());
        assert_eq!(counts(&set, TEA), (10, 0));
        assert!(matches!(set.reservations.get(ORDER).unwrap().state.0, State::Released(_)));
    }

    #[test]
    fn an_order_that_reserved_nothing_changes_nothing() {
        let mut refused = shelf();
        reserve_stock::decide(&mut refused, &reserve(&[item(TEA, 11)]), now());
        let mut cancelled = shelf();
        release(&mut cancelled);
        for mut set in [shelf(), refused, cancelled] {
            let before = set.reservations.get(ORDER).cloned();
            decide(&mut set, &confirmed());
            assert_eq!(counts(&set, TEA), (10, 0));
            let state = |row: Option<&crate::reservation::Reservation>| row.map(|row| row.state.0.clone());
            assert_eq!(state(set.reservations.get(ORDER)), state(before.as_ref()));
        }
    }

    #[test]
    fn an_order_that_is_a_price_alone_needs_no_rows() {
        let event = OrderConfirmed { lines: Vec::new(), ..confirmed() };
        let mut keys = Keys::default();
        touches(&event, &mut keys);
        assert!(keys.orders.is_empty() && keys.positions.is_empty());
        let mut set = shelf();
        decide(&mut set, &event);
        assert_eq!(counts(&set, TEA), (10, 0));
    }

    #[test]
    fn more_than_is_reserved_is_never_sold() {
        let mut set = shelf();
        reserve_stock::decide(&mut set, &reserve(&[item(TEA, 3), item(COFFEE, 1)]), now());
        set.positions.get_mut(COFFEE).unwrap().reserved = 0;
        decide(&mut set, &confirmed());
        assert_eq!(counts(&set, TEA), (7, 3), "all lines are sold or none");
        assert!(matches!(set.reservations.get(ORDER).unwrap().state.0, State::Reserved(_)));
    }
}
