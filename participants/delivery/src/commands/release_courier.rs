//! `release_courier`: the courier of an order is free again. Never refused.
//!
//! Without anything to undo it leaves a tombstone, so that the reservation that arrives after its undo
//! is refused.

use contracts::delivery::ReleaseCourier;
use contracts::{Reply, Timestamp};
use uuid::Uuid;

use crate::booking::{Booking, BookingState};
use crate::decider::{Keys, Set};

pub(crate) fn touches(command: &ReleaseCourier, keys: &mut Keys) {
    keys.bookings.insert(command.order_id);
}

pub(crate) fn decide(set: &mut Set, command: &ReleaseCourier, _: Timestamp) -> Reply<ReleaseCourier> {
    match release(set, command.order_id) {
        Ok(()) => Reply::Done(()),
        Err(NotBusy) => Reply::Fault(NotBusy::TEXT.to_owned()),
    }
}

/// The slot and the booking have parted; nothing was changed.
pub(crate) struct NotBusy;

impl NotBusy {
    pub(crate) const TEXT: &str = "the courier of the order's booking is not busy in its slot";
}

/// Frees the order's courier, if it has one; from then on it gets none.
pub(crate) fn release(set: &mut Set, order_id: Uuid) -> Result<(), NotBusy> {
    let Some(booking) = set.bookings.get(order_id) else {
        set.bookings.insert(Booking::tombstone(order_id));
        return Ok(());
    };
    let Some(place) = booking.held() else { return Ok(()) };
    let slot = set.slots.get_mut(place.hour.slot_id());
    if !slot.is_some_and(|slot| slot.busy.0.remove(&place.courier)) {
        tracing::error!(%order_id, "{}", NotBusy::TEXT);
        return Err(NotBusy);
    }
    if let Some(booking) = set.bookings.get_mut(order_id) {
        booking.state = BookingState::Released(place);
    }
    Ok(())
}

#[cfg(test)]
pub(super) fn of(order_id: Uuid) -> ReleaseCourier {
    ReleaseCourier { order_id }
}

#[cfg(test)]
mod tests {
    use contracts::delivery::CourierRefusal;

    use super::*;
    use crate::commands::reserve_courier;
    use crate::commands::sample::{ORDER, busy, city, hour, now, order, reserve};

    #[test]
    fn the_courier_is_free_again_once() {
        let mut set = city(2);
        reserve_courier::decide(&mut set, &reserve(order(1), 10), now());
        reserve_courier::decide(&mut set, &reserve(order(2), 10), now());
        assert_eq!(decide(&mut set, &of(order(1)), now()), Reply::Done(()));
        assert_eq!(busy(&set, 10), [2]);
        reserve_courier::decide(&mut set, &reserve(order(3), 10), now());
        assert_eq!(decide(&mut set, &of(order(1)), now()), Reply::Done(()), "again");
        assert_eq!(busy(&set, 10), [1, 2], "somebody else's by now");
    }

    #[test]
    fn a_reservation_repeated_after_its_release_is_refused_and_books_nobody() {
        let mut set = city(1);
        reserve_courier::decide(&mut set, &reserve(ORDER, 10), now());
        decide(&mut set, &of(ORDER), now());
        assert_eq!(reserve_courier::decide(&mut set, &reserve(ORDER, 10), now()), Reply::Cancelled);
        assert_eq!(busy(&set, 10), [0_u32; 0]);
    }

    #[test]
    fn a_reservation_that_comes_after_its_undo_is_refused_for_ever() {
        let mut set = city(1);
        assert_eq!(decide(&mut set, &of(ORDER), now()), Reply::Done(()));
        for _ in 0..2 {
            assert_eq!(reserve_courier::decide(&mut set, &reserve(ORDER, 10), now()), Reply::Cancelled);
            assert_eq!(decide(&mut set, &of(ORDER), now()), Reply::Done(()));
        }
        assert!(set.slots.get(hour(10).slot_id()).is_none());
    }

    #[test]
    fn a_refusal_stays_one_after_its_undo() {
        let mut set = city(0);
        let refusal = reserve_courier::decide(&mut set, &reserve(ORDER, 10), now());
        assert_eq!(refusal, Reply::Refused(CourierRefusal::SlotTaken));
        assert_eq!(decide(&mut set, &of(ORDER), now()), Reply::Done(()));
        assert_eq!(reserve_courier::decide(&mut set, &reserve(ORDER, 10), now()), refusal);
    }

    #[test]
    fn a_booking_whose_courier_is_not_busy_is_a_fault_and_stays() {
        let mut set = city(1);
        reserve_courier::decide(&mut set, &reserve(ORDER, 10), now());
        set.slots.get_mut(hour(10).slot_id()).unwrap().busy.0.clear();
        assert!(matches!(decide(&mut set, &of(ORDER), now()), Reply::Fault(_)));
        assert!(set.bookings.get(ORDER).unwrap().held().is_some());
    }
}
