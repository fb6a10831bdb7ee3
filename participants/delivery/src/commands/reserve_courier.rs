//! `reserve_courier`: the lowest free courier of the hour, or none. Either leaves a row, which answers
//! every repeat.

use contracts::delivery::{CourierRefusal, CourierReserved, ReserveCourier};
use contracts::{Reply, Timestamp};

use crate::booking::{Booking, BookingState, Place};
use crate::decider::{Keys, Set};
use crate::slot::Hour;

pub(crate) fn touches(command: &ReserveCourier, keys: &mut Keys) {
    keys.bookings.insert(command.order_id);
    keys.slots.extend(Hour::beginning(command.slot).map(Hour::slot_id));
}

pub(crate) fn decide(set: &mut Set, command: &ReserveCourier, _: Timestamp) -> Reply<ReserveCourier> {
    let order_id = command.order_id;
    if let Some(earlier) = set.bookings.get(order_id) {
        return repeated(earlier, command);
    }
    let Some(hour) = Hour::beginning(command.slot) else {
        tracing::error!(%order_id, slot = %command.slot, "a slot that begins at no full hour");
        return Reply::Fault("a slot begins at a full hour in UTC".to_owned());
    };
    let Some(courier) = set.free_courier(hour) else {
        set.bookings.insert(Booking { order_id, state: BookingState::Refused(hour) });
        return Reply::Refused(CourierRefusal::SlotTaken);
    };
    if let Some(slot) = set.slot(hour) {
        slot.busy.0.insert(courier);
    }
    set.bookings.insert(Booking { order_id, state: BookingState::Booked(Place { hour, courier }) });
    Reply::Done(CourierReserved { courier })
}

/// The reply to a command that comes when the order's row is there.
fn repeated(earlier: &Booking, command: &ReserveCourier) -> Reply<ReserveCourier> {
    let is_same = |hour: Hour| hour.begins_at() == command.slot;
    match earlier.state {
        BookingState::Cancelled | BookingState::Released(_) => Reply::Cancelled,
        BookingState::Booked(place) if is_same(place.hour) => {
            Reply::Done(CourierReserved { courier: place.courier })
        }
        BookingState::Refused(hour) if is_same(hour) => Reply::Refused(CourierRefusal::SlotTaken),
        BookingState::Booked(_) | BookingState::Refused(_) => {
            tracing::error!(order_id = %command.order_id, "the order asked for another slot before");
            Reply::Fault("the order asked for another slot before".to_owned())
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::commands::release_courier;
    use crate::commands::sample::{ORDER, busy, city, hour, now, order, reserve};

    #[test]
    fn the_lowest_free_courier_comes() {
        let mut set = city(3);
        for (number, expected) in [(1, 1), (2, 2), (3, 3)] {
            let reply = decide(&mut set, &reserve(order(number), 10), now());
            assert_eq!(reply, Reply::Done(CourierReserved { courier: expected }));
        }
        release_courier::decide(&mut set, &release_courier::of(order(2)), now());
        let reply = decide(&mut set, &reserve(order(4), 10), now());
        assert_eq!(reply, Reply::Done(CourierReserved { courier: 2 }));
        assert_eq!(busy(&set, 10), [1, 2, 3]);
    }

    #[test]
    fn every_hour_has_its_own_couriers() {
        let mut set = city(1);
        for (number, at) in [(1, 10), (2, 11)] {
            let reply = decide(&mut set, &reserve(order(number), at), now());
            assert_eq!(reply, Reply::Done(CourierReserved { courier: 1 }));
        }
        assert_eq!((busy(&set, 10), busy(&set, 11)), (vec![1], vec![1]));
    }

    #[test]
    fn an_hour_in_which_all_are_busy_is_taken() {
        let mut set = city(1);
        decide(&mut set, &reserve(order(1), 10), now());
        let reply = decide(&mut set, &reserve(order(2), 10), now());
        assert_eq!(reply, Reply::Refused(CourierRefusal::SlotTaken));
        assert_eq!(busy(&set, 10), [1]);
    }

    #[test]
    fn without_couriers_every_hour_is_taken() {
        let mut set = city(0);
        let reply = decide(&mut set, &reserve(ORDER, 10), now());
        assert_eq!(reply, Reply::Refused(CourierRefusal::SlotTaken));
        assert!(set.slots.get(hour(10).slot_id()).is_none(), "nobody is booked: no row");
    }

    #[test]
    fn a_repeat_gets_the_same_courier_also_when_a_lower_one_is_free() {
        let mut set = city(3);
        decide(&mut set, &reserve(order(1), 10), now());
        let first = decide(&mut set, &reserve(order(2), 10), now());
        release_courier::decide(&mut set, &release_courier::of(order(1)), now());
        assert_eq!(decide(&mut set, &reserve(order(2), 10), now()), first);
        assert_eq!(busy(&set, 10), [2], "and nobody more is booked");
    }

    #[test]
    fn a_refusal_is_repeated_also_when_a_courier_is_free_again() {
        let mut set = city(1);
        decide(&mut set, &reserve(order(1), 10), now());
        let first = decide(&mut set, &reserve(order(2), 10), now());
        release_courier::decide(&mut set, &release_courier::of(order(1)), now());
        assert_eq!(decide(&mut set, &reserve(order(2), 10), now()), first);
        assert_eq!(busy(&set, 10), [0_u32; 0]);
    }

    #[test]
    fn another_slot_of_the_same_order_is_a_fault() {
        let mut set = city(1);
        decide(&mut set, &reserve(order(1), 10), now());
        decide(&mut set, &reserve(order(2), 10), now());
        for booked_or_refused in [order(1), order(2)] {
            let reply = decide(&mut set, &reserve(booked_or_refused, 11), now());
            assert!(matches!(reply, Reply::Fault(_)), "{reply:?}");
        }
        assert_eq!((busy(&set, 10), busy(&set, 11)), (vec![1], vec![]));
    }

    #[test]
    fn a_slot_that_begins_at_no_full_hour_is_a_fault_without_a_row() {
        let mut set = city(1);
        let slot = hour(10).begins_at() + chrono::TimeDelta::minutes(30);
        let reply = decide(&mut set, &ReserveCourier { order_id: ORDER, slot }, now());
        assert!(matches!(reply, Reply::Fault(_)), "{reply:?}");
        assert!(set.bookings.get(ORDER).is_none(), "a corrected asking is heard");
    }
}
