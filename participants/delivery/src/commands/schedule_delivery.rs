//! `schedule_delivery`: puts an order among those to be delivered. Never refused; after its cancellation
//! it is answered `cancelled`.

use contracts::delivery::{DeliveryScheduled, ScheduleDelivery};
use contracts::{Reply, Timestamp};

use crate::decider::{Keys, Set};
use crate::delivery::{Delivery, Destination, Parcel, State};
use crate::slot::Hour;

pub(crate) fn touches(command: &ScheduleDelivery, keys: &mut Keys) {
    keys.deliveries.insert(command.order_id);
    if command.address.is_none() {
        keys.recipients.insert(command.user_id);
    }
}

pub(crate) fn decide(set: &mut Set, command: &ScheduleDelivery, now: Timestamp) -> Reply<ScheduleDelivery> {
    let order_id = command.order_id;
    if let Some(earlier) = set.deliveries.get(order_id) {
        return repeated(earlier, command);
    }
    let slot = command.slot.map(|at| Hour::beginning(at).ok_or(at)).transpose();
    let Ok(slot) = slot else {
        tracing::error!(%order_id, ?slot, "a slot that begins at no full hour");
        return Reply::Fault("a slot begins at a full hour in UTC".to_owned());
    };
    let parcel = Parcel { user_id: command.user_id, destination: destination(set, command), slot };
    let delivery = Delivery { order_id, state: State::Scheduled(parcel), updated_at: now };
    let reply = done(&delivery);
    set.deliveries.insert(delivery);
    reply
}

/// The order's own address goes before the profile's.
fn destination(set: &Set, command: &ScheduleDelivery) -> Destination {
    match &command.address {
        Some(address) => Destination::Given(address.clone()),
        None => {
            let recipient = set.recipients.get(command.user_id);
            Destination::OfProfile(recipient.and_then(|recipient| recipient.address.clone()))
        }
    }
}

/// The reply to a command that comes when the order's row is there.
fn repeated(earlier: &Delivery, command: &ScheduleDelivery) -> Reply<ScheduleDelivery> {
    match &earlier.state {
        State::Cancelled(_) | State::NeverScheduled => Reply::Cancelled,
        State::Scheduled(parcel) | State::Sent(parcel) | State::Received(parcel)
            if is_same(parcel, command) =>
        {
            done(earlier)
        }
        State::Scheduled(_) | State::Sent(_) | State::Received(_) => {
            tracing::error!(order_id = %command.order_id, "the order asked for another delivery before");
            Reply::Fault("the order asked for another delivery before".to_owned())
        }
    }
}

fn is_same(parcel: &Parcel, command: &ScheduleDelivery) -> bool {
    parcel.user_id == command.user_id
        && parcel.destination.given() == command.address.as_deref()
        && parcel.slot.map(Hour::begins_at) == command.slot
}

fn done(delivery: &Delivery) -> Reply<ScheduleDelivery> {
    Reply::Done(DeliveryScheduled { delivery_id: delivery.delivery_id() })
}

#[cfg(test)]
mod tests {
    use uuid::Uuid;

    use super::*;
    use crate::commands::mark_received::{self, By, MarkReceived};
    use crate::commands::sample::{ANN, BOB, ORDER, city, hour, lives_at, now, schedule};
    use crate::commands::{learn_address, mark_sent};

    fn address(set: &Set) -> Option<&str> {
        set.deliveries.get(ORDER).unwrap().parcel().unwrap().destination.address()
    }

    #[test]
    fn the_address_is_the_orders_else_the_profiles_else_none() {
        let given = ScheduleDelivery { address: Some("Omsk".into()), ..schedule() };
        for (home, command, expected) in [
            (Some("Tver"), &given, Some("Omsk")),
            (Some("Tver"), &schedule(), Some("Tver")),
            (None, &schedule(), None),
        ] {
            let mut set = city(1);
            learn_address::decide(&mut set, &lives_at(ANN, home), now());
            learn_address::decide(&mut set, &lives_at(BOB, Some("elsewhere")), now());
            assert!(matches!(decide(&mut set, command, now()), Reply::Done(_)));
            assert_eq!(address(&set), expected);
        }
        let mut set = city(1);
        decide(&mut set, &schedule(), now());
        assert_eq!(address(&set), None, "a user of whom nothing was heard");
    }

    #[test]
    fn a_repeat_gets_the_same_reply_also_after_later_steps() {
        let mut set = city(1);
        let first = decide(&mut set, &schedule(), now());
        assert!(matches!(first, Reply::Done(_)));
        assert_eq!(decide(&mut set, &schedule(), now()), first, "at once");
        learn_address::decide(&mut set, &lives_at(ANN, Some("Tver")), now());
        assert_eq!(decide(&mut set, &schedule(), now()), first, "after the user moved");
        assert_eq!(address(&set), None, "which changes nothing about what was scheduled");
        mark_sent::decide(&mut set, ORDER, now()).unwrap();
        assert_eq!(decide(&mut set, &schedule(), now()), first, "after it was sent");
        let request = MarkReceived { order_id: ORDER, by: By::Courier };
        mark_received::decide(&mut set, &request, now()).unwrap();
        assert_eq!(decide(&mut set, &schedule(), now()), first, "after it was received");
        assert_eq!(set.deliveries.get(ORDER).unwrap().status(), "received");
    }

    #[test]
    fn another_delivery_of_the_same_order_is_a_fault() {
        let mut set = city(1);
        learn_address::decide(&mut set, &lives_at(ANN, Some("Tver")), now());
        let first = decide(&mut set, &schedule(), now());
        let others = [
            ScheduleDelivery { user_id: BOB, ..schedule() },
            ScheduleDelivery { address: Some("Omsk".into()), ..schedule() },
            ScheduleDelivery { address: Some("Tver".into()), ..schedule() },
            ScheduleDelivery { slot: None, ..schedule() },
            ScheduleDelivery { slot: Some(hour(11).begins_at()), ..schedule() },
        ];
        for other in others {
            let reply = decide(&mut set, &other, now());
            assert!(matches!(reply, Reply::Fault(_)), "{other:?}: {reply:?}");
        }
        assert_eq!(decide(&mut set, &schedule(), now()), first, "the first stands");
    }

    #[test]
    fn a_slot_that_begins_at_no_full_hour_is_a_fault_without_a_row() {
        let mut set = city(1);
        let slot = Some(hour(10).begins_at() + chrono::TimeDelta::seconds(1));
        let reply = decide(&mut set, &ScheduleDelivery { slot, ..schedule() }, now());
        assert!(matches!(reply, Reply::Fault(_)), "{reply:?}");
        assert!(set.deliveries.get(ORDER).is_none());
    }

    #[test]
    fn every_order_has_a_delivery_of_its_own() {
        let mut set = city(1);
        let another = ScheduleDelivery { order_id: Uuid::from_u128(77), ..schedule() };
        assert_ne!(decide(&mut set, &schedule(), now()), decide(&mut set, &another, now()));
    }
}
