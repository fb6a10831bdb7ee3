//! A slot: an hour in which couriers deliver, and which of them are booked in it.

use std::collections::BTreeSet;

use contracts::Timestamp;
use messaging::record;
use messaging::rows::Json;
use uuid::Uuid;

const HOUR_SECONDS: i64 = 3_600;

/// An hour, by its beginning: a full hour in UTC.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub struct Hour(Timestamp);

impl Hour {
    /// The hour that begins then; `None` where no hour does.
    #[must_use]
    pub fn beginning(at: Timestamp) -> Option<Self> {
        let is_full = at.timestamp() % HOUR_SECONDS == 0 && at.timestamp_subsec_nanos() == 0;
        is_full.then_some(Self(at))
    }

    /// When it begins.
    #[must_use]
    pub const fn begins_at(self) -> Timestamp {
        self.0
    }

    /// The key of its row. It never changes: rows that are there would not be found.
    #[must_use]
    pub fn slot_id(self) -> Uuid {
        Uuid::new_v5(&Uuid::NAMESPACE_URL, format!("urn:rondo:slot:{}", self.0.timestamp()).as_bytes())
    }
}

record! {
    /// A row of `slots`: the parent of the bookings in its hour.
    pub struct Slot in "slots" {
        /// See [`Hour::slot_id`].
        slot_id: Uuid,
        fixed {
            /// When it begins.
            begins_at: Timestamp,
        }
        changing {
            /// The couriers that are booked, by number, from 1.
            busy: Json<BTreeSet<u32>>,
        }
    }
}

impl Slot {
    /// An hour that nobody is booked in.
    #[must_use]
    pub fn empty(hour: Hour) -> Self {
        Self { slot_id: hour.slot_id(), begins_at: hour.begins_at(), busy: Json(BTreeSet::new()) }
    }

    /// The lowest number of so many couriers that is free.
    #[must_use]
    pub fn free_courier(&self, couriers: u32) -> Option<u32> {
        (1..=couriers).find(|courier| !self.busy.0.contains(courier))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn at(text: &str) -> Timestamp {
        text.parse().unwrap()
    }

    #[test]
    fn only_full_hours_begin_a_slot() {
        assert!(Hour::beginning(at("2026-11-20T14:00:00Z")).is_some());
        assert!(Hour::beginning(at("1969-12-31T23:00:00Z")).is_some(), "also before 1970");
        assert_eq!(
            Hour::beginning(at("2026-11-20T14:00:00+03:00")),
            Hour::beginning(at("2026-11-20T11:00:00Z"))
        );
        for other in ["2026-11-20T14:30:00Z", "2026-11-20T14:00:01Z", "2026-11-20T14:00:00.000000001Z"] {
            assert_eq!(Hour::beginning(at(other)), None, "{other}");
        }
        assert_eq!(Hour::beginning(at("2026-11-20T14:00:00+05:30")), None, "full hours in UTC");
    }

    #[test]
    fn the_key_of_an_hour_stays_the_same_over_releases() {
        let hour = Hour::beginning(at("2026-11-20T14:00:00Z")).unwrap();
        assert_eq!(hour.slot_id().to_string(), "98325f85-29d4-5f77-bfaf-4c0fc29dae74");
    }

    #[test]
    fn the_lowest_free_number_is_taken() {
        let mut slot = Slot::empty(Hour::beginning(Timestamp::default()).unwrap());
        assert_eq!(slot.free_courier(3), Some(1));
        slot.busy.0.extend([1, 3]);
        assert_eq!(slot.free_courier(3), Some(2));
        slot.busy.0.insert(2);
        assert_eq!(slot.free_courier(3), None);
        assert_eq!(slot.free_courier(0), None);
    }
}
