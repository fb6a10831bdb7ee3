//! A city for tests: so many couriers in every hour, one order of one user.

use contracts::Timestamp;
use contracts::delivery::{ReserveCourier, ScheduleDelivery};
use contracts::user::{Locale, ProfileChanged};
use uuid::Uuid;

use crate::decider::Set;
use crate::slot::Hour;

pub(super) const ORDER: Uuid = Uuid::from_u128(1);
pub(super) const ANN: Uuid = Uuid::from_u128(1001);
pub(super) const BOB: Uuid = Uuid::from_u128(1002);

pub(super) fn city(couriers: u32) -> Set {
    Set { couriers, ..Set::default() }
}

pub(super) fn order(number: u128) -> Uuid {
    Uuid::from_u128(number)
}

/// The hour of a day long ago that begins then.
pub(super) fn hour(of_day: i64) -> Hour {
    Hour::beginning(Timestamp::from_timestamp(of_day * 3_600, 0).unwrap()).unwrap()
}

/// The couriers that are booked in an hour.
pub(super) fn busy(set: &Set, of_day: i64) -> Vec<u32> {
    let slot = set.slots.get(hour(of_day).slot_id());
    slot.map(|slot| slot.busy.0.iter().copied().collect()).unwrap_or_default()
}

pub(super) fn reserve(order_id: Uuid, of_day: i64) -> ReserveCourier {
    ReserveCourier { order_id, slot: hour(of_day).begins_at() }
}

/// Of [`ORDER`], for [`ANN`], at 10, to where the profile says.
pub(super) fn schedule() -> ScheduleDelivery {
    ScheduleDelivery { order_id: ORDER, user_id: ANN, address: None, slot: Some(hour(10).begins_at()) }
}

pub(super) fn lives_at(user_id: Uuid, address: Option<&str>) -> ProfileChanged {
    ProfileChanged { user_id, locale: Locale::En, address: address.map(str::to_owned) }
}

/// Type and payload of what was told since the last look.
pub(super) fn told(set: &mut Set) -> Vec<(&'static str, String)> {
    let events = std::mem::take(&mut set.events).into_iter();
    events.map(|event| (event.event_type, event.data.get().to_owned())).collect()
}

pub(super) fn now() -> Timestamp {
    Timestamp::default()
}

pub(super) fn later() -> Timestamp {
    Timestamp::from_timestamp(5_000, 0).unwrap()
}
