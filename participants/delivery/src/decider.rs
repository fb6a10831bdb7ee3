//! Delivery's rules as the loop wants them: which rows the inputs need, and who decides which input.

use std::collections::BTreeSet;

use contracts::user::ProfileChanged;
use contracts::{Event, EventData, Timestamp};
use messaging::rows::memory::Tables;
use messaging::rows::{Changes, Hold, Rows, Transaction};
use messaging::{Answer as Given, BatchError, Decided, Decider, DecodeError, Item};
use uuid::Uuid;

use crate::booking::Booking;
use crate::commands::mark_received::MarkReceived;
use crate::commands::{
    cancel_delivery, learn_address, mark_received, mark_sent, release_courier, reserve_courier,
    schedule_delivery,
};
use crate::delivery::Delivery;
use crate::recipient::Recipient;
use crate::slot::{Hour, Slot};

messaging::commands! {
    /// What delivery is asked for over the wire.
    pub enum Command(Set, Keys) {
        ReserveCourier(contracts::delivery::ReserveCourier) => reserve_courier,
        ReleaseCourier(contracts::delivery::ReleaseCourier) => release_courier,
        ScheduleDelivery(contracts::delivery::ScheduleDelivery) => schedule_delivery,
        CancelDelivery(contracts::delivery::CancelDelivery) => cancel_delivery,
    }
}

/// A command, an event with the time at which it happened, or what an HTTP handler asks for.
#[derive(Debug, Clone)]
pub enum Input {
    /// Over the wire.
    Command(Command),
    /// A user has another address.
    ProfileChanged(ProfileChanged, Timestamp),
    /// A courier took the order along.
    MarkSent(Uuid),
    /// The order arrived.
    MarkReceived(MarkReceived),
}

/// Why a delivery does not move on as an HTTP handler asked.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum MoveRefusal {
    /// There is none, or it is another user's.
    Unknown,
    /// From this state it does not get there.
    WrongState(&'static str),
}

/// The rows of a batch.
#[derive(Debug, Default)]
pub struct Set {
    /// Locked: the parents of bookings.
    pub slots: Rows<Slot>,
    /// Change only while their slots are locked.
    pub bookings: Rows<Booking>,
    /// Locked.
    pub deliveries: Rows<Delivery>,
    /// Locked where an event may change them.
    pub recipients: Rows<Recipient>,
    /// How many couriers there are in every hour.
    pub couriers: u32,
    /// What the input that is being decided tells anybody.
    pub events: Vec<EventData>,
}

/// The keys of the rows of a batch.
#[derive(Debug, Default)]
pub struct Keys {
    /// Slots that inputs name.
    pub slots: BTreeSet<Uuid>,
    /// Orders whose bookings are read; their slots are locked too.
    pub bookings: BTreeSet<Uuid>,
    /// Orders whose deliveries may change.
    pub deliveries: BTreeSet<Uuid>,
    /// Users whose addresses are needed.
    pub recipients: BTreeSet<Uuid>,
    /// Whether any of these addresses may change.
    pub recipients_change: bool,
}

/// The rules.
#[derive(Debug, Clone, Copy)]
pub struct Deliveries {
    /// How many couriers there are in every hour.
    pub couriers: u32,
}

impl Input {
    fn touches(&self, keys: &mut Keys) {
        match self {
            Self::Command(command) => command.touches(keys),
            Self::ProfileChanged(event, _) => learn_address::touches(event, keys),
            Self::MarkSent(order_id) => drop(keys.deliveries.insert(*order_id)),
            Self::MarkReceived(request) => drop(keys.deliveries.insert(request.order_id)),
        }
    }
}

impl Decider for Deliveries {
    const SERVICE: &'static str = crate::SERVICE;
    type Input = Input;
    type Answer = Result<Delivery, MoveRefusal>;
    type Set = Set;

    fn decode(&self, item: &Item<'_>) -> Result<Input, DecodeError> {
        if item.item_type == ProfileChanged::TYPE {
            return Ok(Input::ProfileChanged(serde_json::from_str(item.data.get())?, item.written_at()?));
        }
        Command::decode(item).map(Input::Command)
    }

    /// No courier sets out within milliseconds.
    fn can_wait(&self, input: &Input) -> bool {
        matches!(input, Input::Command(Command::ScheduleDelivery(_)))
    }

    async fn load(&self, tx: &mut Transaction, inputs: &[&Input]) -> Result<Set, BatchError> {
        let mut keys = Keys::default();
        inputs.iter().for_each(|input| input.touches(&mut keys));
        let recipients_hold = if keys.recipients_change { Hold::Locked } else { Hold::Unlocked };
        let orders = Vec::from_iter(keys.bookings);
        let slots = lock_slots(tx, &Vec::from_iter(keys.slots), &orders).await?;
        let bookings = Rows::load(tx, &orders, Hold::Unlocked).await?;
        all_locked(tx, &unlocked(&slots, &bookings)).await?;
        Ok(Set {
            slots,
            bookings,
            deliveries: Rows::load(tx, &Vec::from_iter(keys.deliveries), Hold::Locked).await?,
            recipients: Rows::load(tx, &Vec::from_iter(keys.recipients), recipients_hold).await?,
            couriers: self.couriers,
            events: Vec::new(),
        })
    }

    fn decide(&self, set: &mut Set, input: &Input, now: Timestamp) -> Decided<Self::Answer> {
        let answer = match input {
            Input::Command(command) => Given::Reply(command.decide(set, now)),
            Input::MarkSent(order_id) => Given::Caller(mark_sent::decide(set, *order_id, now)),
            Input::MarkReceived(request) => Given::Caller(mark_received::decide(set, request, now)),
            Input::ProfileChanged(event, at) => {
                learn_address::decide(set, event, *at);
                Given::Nobody
            }
        };
        Decided { answer, commands: Vec::new(), events: std::mem::take(&mut set.events) }
    }

    fn save(&self, set: &Set, changes: &mut Changes) {
        changes.save(&set.slots);
        changes.save(&set.bookings);
        changes.save(&set.deliveries);
        changes.save(&set.recipients);
    }
}

/// Those that are named, and those of the bookings of `orders`, in the order of their keys.
async fn lock_slots(tx: &mut Transaction, named: &[Uuid], orders: &[Uuid]) -> Result<Rows<Slot>, BatchError> {
    let booked = "SELECT slot_id FROM bookings WHERE order_id = ANY($2) AND slot_id IS NOT NULL";
    let hour = |tables: &Tables, order_id| {
        let booking: Option<&Booking> = tables.get(order_id);
        booking.and_then(|booking| booking.state.hour()).map(Hour::slot_id).into_iter().collect()
    };
    Ok(Rows::lock_with_parents_of(tx, named, booked, orders, hour).await?)
}

/// A booking that somebody committed after the slots were locked may be in another one: once more. One whose
/// slot has left (see `retention`) is over.
async fn all_locked(tx: &mut Transaction, unlocked: &[Uuid]) -> Result<(), BatchError> {
    if unlocked.is_empty() {
        return Ok(());
    }
    let there: Rows<Slot> = Rows::load(tx, unlocked, Hold::Unlocked).await?;
    match there.iter().count() {
        0 => Ok(()),
        unlocked => Err(BatchError::Conflict(format!("slots: {unlocked} more are to be locked"))),
    }
}

/// The slots of these bookings that are not among the locked ones.
fn unlocked(slots: &Rows<Slot>, bookings: &Rows<Booking>) -> Vec<Uuid> {
    let held = bookings.iter().filter_map(Booking::held).map(|place| place.hour.slot_id());
    held.filter(|slot_id| slots.get(*slot_id).is_none()).collect()
}

impl Set {
    /// The lowest courier that is free in this hour.
    pub(crate) fn free_courier(&self, hour: Hour) -> Option<u32> {
        match self.slots.get(hour.slot_id()) {
            Some(slot) => slot.free_courier(self.couriers),
            None => Slot::empty(hour).free_courier(self.couriers),
        }
    }

    /// The hour to change: its row is made if it is not there.
    pub(crate) fn slot(&mut self, hour: Hour) -> Option<&mut Slot> {
        if self.slots.get(hour.slot_id()).is_none() {
            self.slots.insert(Slot::empty(hour));
        }
        self.slots.get_mut(hour.slot_id())
    }

    /// Tells anybody who listens.
    pub(crate) fn tell(&mut self, event: impl Event) {
        self.events.push(event.into());
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::booking::{BookingState, Place};

    #[test]
    fn only_the_slots_of_couriers_that_are_booked_need_their_lock() {
        let hour = Hour::beginning(Timestamp::default()).unwrap();
        let booking = |state| Rows::of([Booking { order_id: Uuid::from_u128(1), state }]);
        let booked = booking(BookingState::Booked(Place { hour, courier: 1 }));
        assert_eq!(unlocked(&Rows::default(), &booked), vec![hour.slot_id()]);
        assert!(unlocked(&Rows::of([Slot::empty(hour)]), &booked).is_empty());
        for over in [BookingState::Refused(hour), BookingState::Cancelled] {
            assert!(unlocked(&Rows::default(), &booking(over)).is_empty(), "nothing of it changes any more");
        }
    }
}
