//! A booking: what became of an order's request for a courier. The row recognises the request when it is
//! repeated, and gives the same reply for ever.

use contracts::Timestamp;
use messaging::rows::sqlx;
use messaging::{record, record_as, word_column};
use uuid::Uuid;

use crate::slot::Hour;

/// What was done for an order.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Booking {
    /// The order; at most one booking each.
    pub order_id: Uuid,
    /// What became of it.
    pub state: BookingState,
}

/// What became of a request. `Booked` may become `Released`; the others stay.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum BookingState {
    /// The courier will come.
    Booked(Place),
    /// The courier was booked, and is free again.
    Released(Place),
    /// Every courier had an order in this hour.
    Refused(Hour),
    /// The undo came first: no courier will ever be booked.
    Cancelled,
}

/// A courier in an hour.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Place {
    /// When.
    pub hour: Hour,
    /// Who, by number.
    pub courier: u32,
}

impl BookingState {
    /// The hour that was asked for, where that is known.
    pub(crate) const fn hour(&self) -> Option<Hour> {
        match self {
            Self::Booked(place) | Self::Released(place) => Some(place.hour),
            Self::Refused(hour) => Some(*hour),
            Self::Cancelled => None,
        }
    }
}

impl Booking {
    /// The tombstone of an undo that came first.
    #[must_use]
    pub const fn tombstone(order_id: Uuid) -> Self {
        Self { order_id, state: BookingState::Cancelled }
    }

    /// The courier that would be freed by a release; its slot must be locked before.
    #[must_use]
    pub const fn held(&self) -> Option<Place> {
        match self.state {
            BookingState::Booked(place) => Some(place),
            _ => None,
        }
    }
}

#[derive(Debug, Clone, Copy)]
enum Word {
    Booked,
    Released,
    Refused,
    Cancelled,
}

word_column!(Word {
    Booked => "booked",
    Released => "released",
    Refused => "refused",
    Cancelled => "cancelled",
});

record! {
    struct BookingRow in "bookings" {
        order_id: Uuid,
        fixed {
            slot_id: Option<Uuid>,
            begins_at: Option<Timestamp>,
            courier: Option<i32>,
        }
        changing {
            state: Word,
        }
    }
}

impl From<&Booking> for BookingRow {
    fn from(booking: &Booking) -> Self {
        let (state, hour, courier) = match booking.state {
            BookingState::Booked(place) => (Word::Booked, Some(place.hour), Some(place.courier)),
            BookingState::Released(place) => (Word::Released, Some(place.hour), Some(place.courier)),
            BookingState::Refused(hour) => (Word::Refused, Some(hour), None),
            BookingState::Cancelled => (Word::Cancelled, None, None),
        };
        Self {
            order_id: booking.order_id,
            slot_id: hour.map(Hour::slot_id),
            begins_at: hour.map(Hour::begins_at),
            courier: courier.map(u32::cast_signed),
            state,
        }
    }
}

impl TryFrom<BookingRow> for Booking {
    type Error = sqlx::Error;

    fn try_from(row: BookingRow) -> Result<Self, sqlx::Error> {
        let broken = || {
            sqlx::Error::Decode(format!("the booking of order {} contradicts itself", row.order_id).into())
        };
        let hour = || row.begins_at.and_then(Hour::beginning).ok_or_else(broken);
        let place = || {
            let courier = row.courier.and_then(|courier| u32::try_from(courier).ok()).ok_or_else(broken)?;
            Ok::<_, sqlx::Error>(Place { hour: hour()?, courier })
        };
        let state = match row.state {
            Word::Booked => BookingState::Booked(place()?),
            Word::Released => BookingState::Released(place()?),
            Word::Refused => BookingState::Refused(hour()?),
            Word::Cancelled => BookingState::Cancelled,
        };
        Ok(Self { order_id: row.order_id, state })
    }
}

record_as!(Booking { order_id } as BookingRow);

#[cfg(test)]
mod tests {
    use super::*;

    const ORDER: Uuid = Uuid::from_u128(2);

    #[test]
    fn every_state_survives_its_row() {
        let hour = Hour::beginning(Timestamp::default()).unwrap();
        let place = Place { hour, courier: 7 };
        let states = [
            BookingState::Booked(place),
            BookingState::Released(place),
            BookingState::Refused(hour),
            BookingState::Cancelled,
        ];
        for state in states {
            let booking = Booking { order_id: ORDER, state };
            assert_eq!(Booking::try_from(BookingRow::from(&booking)).unwrap(), booking);
        }
    }

    #[test]
    fn a_row_that_contradicts_itself_is_not_believed() {
        let row = BookingRow { state: Word::Booked, ..BookingRow::from(&Booking::tombstone(ORDER)) };
        assert!(Booking::try_from(row).is_err());
    }
}
