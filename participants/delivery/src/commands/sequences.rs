//! Any sequence of inputs against a model that knows only who was told what: no courier is in two places,
//! no courier is lost, deliveries go forward only, and whoever asks again is told the same.

use std::collections::{BTreeMap, BTreeSet};

use contracts::delivery::{CancelDelivery, ReleaseCourier, ReserveCourier, ScheduleDelivery};
use contracts::{EventData, Timestamp};
use messaging::{Answer as Given, Decider};
use proptest::prelude::*;
use uuid::Uuid;

use super::mark_received::{By, MarkReceived};
use super::sample::{ANN, BOB, hour, lives_at, now};
use crate::booking::Booking;
use crate::decider::{Command, Deliveries, Input, MoveRefusal, Set};
use crate::delivery::Delivery;

const COURIERS: u32 = 3;
const ORDERS: u128 = 8;

fn order() -> impl Strategy<Value = Uuid> {
    (0..ORDERS).prop_map(Uuid::from_u128)
}

fn slot() -> impl Strategy<Value = Timestamp> {
    (10..12_i64).prop_map(|of_day| hour(of_day).begins_at())
}

fn user() -> impl Strategy<Value = Uuid> {
    prop_oneof![9 => Just(ANN), 1 => Just(BOB)]
}

fn address() -> impl Strategy<Value = Option<String>> {
    prop_oneof![9 => Just(None), 1 => Just(Some("Omsk".to_owned()))]
}

fn command() -> impl Strategy<Value = Command> {
    let reserve = (order(), slot())
        .prop_map(|(order_id, slot)| Command::ReserveCourier(ReserveCourier { order_id, slot }));
    let release = order().prop_map(|order_id| Command::ReleaseCourier(ReleaseCourier { order_id }));
    let cancel = order().prop_map(|order_id| Command::CancelDelivery(CancelDelivery { order_id }));
    let schedule = (order(), user(), address(), prop::option::of(slot())).prop_map(
        |(order_id, user_id, address, slot)| {
            Command::ScheduleDelivery(ScheduleDelivery { order_id, user_id, address, slot })
        },
    );
    prop_oneof![5 => reserve, 2 => release, 4 => schedule, 1 => cancel]
}

fn input() -> impl Strategy<Value = Input> {
    let by = prop_oneof![Just(By::Courier), user().prop_map(By::User)];
    let received =
        (order(), by).prop_map(|(order_id, by)| Input::MarkReceived(MarkReceived { order_id, by }));
    let moved = (user(), prop::option::of("[a-z]{1,2}"), 0..9_i64).prop_map(|(user_id, home, at)| {
        let at = Timestamp::from_timestamp(at, 0).unwrap();
        Input::ProfileChanged(lives_at(user_id, home.as_deref()), at)
    });
    prop_oneof![
        12 => command().prop_map(Input::Command),
        2 => order().prop_map(Input::MarkSent),
        2 => received,
        1 => moved,
    ]
}

/// What was told: the first reply to every command, and every event.
#[derive(Default)]
struct Model {
    replies: BTreeMap<String, String>,
    /// Orders that will never get a courier any more.
    released: BTreeSet<Uuid>,
    /// Orders that will never be delivered any more.
    cancelled: BTreeSet<Uuid>,
    events: BTreeSet<(Uuid, &'static str)>,
    states: BTreeMap<Uuid, &'static str>,
}

impl Model {
    fn learn(
        &mut self,
        input: &Input,
        answer: &Given<Result<Delivery, MoveRefusal>>,
        events: &[EventData],
    ) -> Result<(), TestCaseError> {
        for event in events {
            let is_first = self.events.insert((event.about, event.event_type));
            prop_assert!(is_first, "told twice: {:?}", event);
        }
        let (Input::Command(command), Given::Reply(reply)) = (input, answer) else { return Ok(()) };
        let reply = serde_json::to_string(reply).unwrap();
        let (order_id, is_over) = match command {
            Command::ReserveCourier(command) => (command.order_id, self.released.contains(&command.order_id)),
            Command::ScheduleDelivery(command) => {
                (command.order_id, self.cancelled.contains(&command.order_id))
            }
            Command::ReleaseCourier(command) => (command.order_id, false),
            Command::CancelDelivery(command) => (command.order_id, false),
        };
        if is_over {
            let is_refused = !reply.contains("\"done\"");
            prop_assert!(is_refused, "nothing is done after its undo: {:?} {}", command, reply);
            return Ok(());
        }
        match command {
            Command::ReleaseCourier(_) => drop(self.released.insert(order_id)),
            Command::CancelDelivery(_) if reply.contains("done") => {
                self.released.insert(order_id);
                self.cancelled.insert(order_id);
            }
            Command::CancelDelivery(_) => prop_assert!(reply.contains("already_sent"), "{}", reply),
            _ => {}
        }
        let first = self.replies.entry(format!("{command:?}")).or_insert_with(|| reply.clone());
        prop_assert_eq!(&*first, &reply, "the reply to {:?}", command);
        Ok(())
    }

    fn check(&mut self, set: &Set) -> Result<(), TestCaseError> {
        let mut booked: BTreeMap<Uuid, BTreeSet<u32>> = BTreeMap::new();
        for place in set.bookings.iter().filter_map(Booking::held) {
            prop_assert!((1..=COURIERS).contains(&place.courier), "{:?}", place);
            let is_alone = booked.entry(place.hour.slot_id()).or_default().insert(place.courier);
            prop_assert!(is_alone, "a courier in two places: {:?}", place);
        }
        for slot in set.slots.iter() {
            let booked = booked.remove(&slot.slot_id).unwrap_or_default();
            prop_assert_eq!(&slot.busy.0, &booked, "busy are those that are booked");
        }
        prop_assert!(booked.is_empty(), "bookings without a slot: {:?}", booked);
        for delivery in set.deliveries.iter() {
            let (order_id, state) = (delivery.order_id, delivery.status());
            let before = self.states.insert(order_id, state).unwrap_or("");
            let is_forward = before == state
                || matches!(
                    (before, state),
                    ("", "scheduled" | "never_scheduled")
                        | ("scheduled", "sent" | "cancelled")
                        | ("sent", "received")
                );
            prop_assert!(is_forward, "from {} to {}", before, state);
            let has = |event: &'static str| self.events.contains(&(order_id, event));
            prop_assert_eq!(has("delivery.order_sent.v1"), ["sent", "received"].contains(&state));
            prop_assert_eq!(has("delivery.order_received.v1"), state == "received");
            prop_assert_eq!(has("delivery.order_cancelled.v1"), state == "cancelled");
        }
        Ok(())
    }
}

proptest! {
    #[test]
    fn whatever_comes_in_whatever_order_nobody_is_in_two_places(
        inputs in prop::collection::vec(input(), 1..120)
    ) {
        let rules = Deliveries { couriers: COURIERS };
        let (mut set, mut model) = (Set { couriers: COURIERS, ..Set::default() }, Model::default());
        for input in &inputs {
            let decided = rules.decide(&mut set, input, now());
            model.learn(input, &decided.answer, &decided.events)?;
            model.check(&set)?;
        }
    }
}
