//! `cancel_delivery`: an order is not delivered, and its courier is free. Refused once the order is with
//! its courier.
//!
//! Without anything to cancel it leaves tombstones, so that neither a delivery nor a courier that is
//! asked for afterwards is given.

use contracts::delivery::{CancelDelivery, CancelDeliveryRefusal, DeliveryCancelled};
use contracts::{Reply, Timestamp};

use crate::commands::release_courier::{NotBusy, release};
use crate::decider::{Keys, Set};
use crate::delivery::{Delivery, State};

pub(crate) fn touches(command: &CancelDelivery, keys: &mut Keys) {
    keys.bookings.insert(command.order_id);
    keys.deliveries.insert(command.order_id);
}

pub(crate) fn decide(set: &mut Set, command: &CancelDelivery, now: Timestamp) -> Reply<CancelDelivery> {
    let order_id = command.order_id;
    let parcel = match set.deliveries.get(order_id).map(|delivery| &delivery.state) {
        Some(State::Sent(_) | State::Received(_)) => {
            return Reply::Refused(CancelDeliveryRefusal::AlreadySent);
        }
        Some(State::Cancelled(_) | State::NeverScheduled) => return Reply::Done(()),
        Some(State::Scheduled(parcel)) => Some(parcel.clone()),
        None => None,
    };
    if let Err(NotBusy) = release(set, order_id) {
        return Reply::Fault(NotBusy::TEXT.to_owned());
    }
    let Some(parcel) = parcel else {
        set.deliveries.insert(Delivery::tombstone(order_id, now));
        return Reply::Done(());
    };
    set.tell(DeliveryCancelled { order_id, user_id: parcel.user_id });
    if let Some(delivery) = set.deliveries.get_mut(order_id) {
        *delivery = Delivery { order_id, state: State::Cancelled(parcel), updated_at: now };
    }
    Reply::Done(())
}

#[cfg(test)]
mod tests {
    use contracts::Event;

    use super::*;
    use crate::commands::mark_received::{self, By, MarkReceived};
    use crate::commands::sample::{ANN, ORDER, busy, city, hour, later, now, reserve, schedule, told};
    use crate::commands::{mark_sent, release_courier, reserve_courier, schedule_delivery};
    use crate::decider::MoveRefusal;

    const CANCEL: CancelDelivery = CancelDelivery { order_id: ORDER };

    fn scheduled() -> Set {
        let mut set = city(1);
        reserve_courier::decide(&mut set, &reserve(ORDER, 10), now());
        schedule_delivery::decide(&mut set, &schedule(), now());
        set
    }

    #[test]
    fn a_scheduled_delivery_is_cancelled_once_and_its_courier_is_free() {
        let mut set = scheduled();
        assert_eq!(decide(&mut set, &CANCEL, later()), Reply::Done(()));
        let delivery = set.deliveries.get(ORDER).unwrap();
        assert_eq!((delivery.status(), delivery.updated_at), ("cancelled", later()));
        assert_eq!(busy(&set, 10), [0_u32; 0]);
        let event = DeliveryCancelled { order_id: ORDER, user_id: ANN };
        assert_eq!(told(&mut set), [(DeliveryCancelled::TYPE, serde_json::to_string(&event).unwrap())]);

        assert_eq!(decide(&mut set, &CANCEL, later()), Reply::Done(()), "again");
        assert_eq!(told(&mut set), [], "nobody is told twice");
    }

    #[test]
    fn what_is_with_its_courier_or_user_is_not_cancelled() {
        let mut set = scheduled();
        let refused = Reply::Refused(CancelDeliveryRefusal::AlreadySent);
        mark_sent::decide(&mut set, ORDER, now()).unwrap();
        assert_eq!(decide(&mut set, &CANCEL, now()), refused);
        assert_eq!(decide(&mut set, &CANCEL, now()), refused, "again");
        let request = MarkReceived { order_id: ORDER, by: By::Courier };
        mark_received::decide(&mut set, &request, now()).unwrap();
        assert_eq!(decide(&mut set, &CANCEL, now()), refused, "later");
        assert_eq!(set.deliveries.get(ORDER).unwrap().status(), "received");
        assert_eq!(busy(&set, 10), [1]);
    }

    #[test]
    fn what_is_cancelled_first_is_never_scheduled_and_gets_no_courier() {
        let mut set = city(1);
        for _ in 0..2 {
            assert_eq!(decide(&mut set, &CANCEL, now()), Reply::Done(()));
            assert_eq!(schedule_delivery::decide(&mut set, &schedule(), now()), Reply::Cancelled);
            assert_eq!(reserve_courier::decide(&mut set, &reserve(ORDER, 10), now()), Reply::Cancelled);
        }
        assert_eq!(told(&mut set), [], "there never was a delivery");
        assert_eq!(mark_sent::decide(&mut set, ORDER, now()), Err(MoveRefusal::Unknown));
        assert!(set.slots.get(hour(10).slot_id()).is_none());
    }

    #[test]
    fn what_is_scheduled_again_after_its_cancellation_stays_cancelled() {
        let mut set = scheduled();
        decide(&mut set, &CANCEL, now());
        assert_eq!(schedule_delivery::decide(&mut set, &schedule(), now()), Reply::Cancelled);
        assert_eq!(set.deliveries.get(ORDER).unwrap().status(), "cancelled");
    }

    #[test]
    fn a_delivery_without_a_slot_is_cancelled_too() {
        let mut set = city(1);
        schedule_delivery::decide(&mut set, &schedule(), now());
        assert_eq!(decide(&mut set, &CANCEL, now()), Reply::Done(()));
        assert_eq!(set.deliveries.get(ORDER).unwrap().status(), "cancelled");
    }

    #[test]
    fn a_courier_that_was_released_before_is_not_freed_twice() {
        let mut set = scheduled();
        release_courier::decide(&mut set, &release_courier::of(ORDER), now());
        let another = crate::commands::sample::order(9);
        reserve_courier::decide(&mut set, &reserve(another, 10), now());
        assert_eq!(decide(&mut set, &CANCEL, now()), Reply::Done(()));
        assert_eq!(busy(&set, 10), [1], "somebody else's by now");
    }

    #[test]
    fn a_courier_that_cannot_be_freed_is_a_fault_and_nothing_is_cancelled() {
        let mut set = scheduled();
        set.slots.get_mut(hour(10).slot_id()).unwrap().busy.0.clear();
        assert!(matches!(decide(&mut set, &CANCEL, now()), Reply::Fault(_)));
        assert_eq!(set.deliveries.get(ORDER).unwrap().status(), "scheduled");
        assert_eq!(told(&mut set), []);
    }
}
