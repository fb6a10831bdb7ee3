//! A delivery: where an order is on its way to its user. One row an order, also where the order was
//! cancelled before it was ever scheduled.

use contracts::Timestamp;
use messaging::rows::sqlx;
use messaging::{record, record_as, word_column};
use uuid::Uuid;

use crate::slot::Hour;

/// What is done for an order.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Delivery {
    /// The order; at most one delivery each.
    pub order_id: Uuid,
    /// Where it is in its life.
    pub state: State,
    /// When it came there.
    pub updated_at: Timestamp,
}

/// Where a delivery is in its life: forward only, and it ends in `Received`, `Cancelled` or
/// `NeverScheduled`.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum State {
    /// It waits for a courier.
    Scheduled(Parcel),
    /// It is with its courier.
    Sent(Parcel),
    /// It is with its user.
    Received(Parcel),
    /// It was scheduled, and nobody waits for it any more.
    Cancelled(Parcel),
    /// The cancellation came first: it will never be scheduled.
    NeverScheduled,
}

/// What is delivered, as it was asked for.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Parcel {
    /// To whom.
    pub user_id: Uuid,
    /// Where to.
    pub destination: Destination,
    /// In which hour, if a courier is reserved.
    pub slot: Option<Hour>,
}

/// Where a parcel goes. A repeat of the order's request is told from another one by it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Destination {
    /// As the order says.
    Given(String),
    /// As the user's profile said when it was scheduled, if it said anything.
    OfProfile(Option<String>),
}

impl Destination {
    /// The postal address, if there is one.
    #[must_use]
    pub fn address(&self) -> Option<&str> {
        match self {
            Self::Given(address) => Some(address),
            Self::OfProfile(address) => address.as_deref(),
        }
    }

    /// The address that came with the order.
    #[must_use]
    pub fn given(&self) -> Option<&str> {
        match self {
            Self::Given(address) => Some(address),
            Self::OfProfile(_) => None,
        }
    }
}

impl Delivery {
    /// The tombstone of a cancellation that came first.
    #[must_use]
    pub const fn tombstone(order_id: Uuid, at: Timestamp) -> Self {
        Self { order_id, state: State::NeverScheduled, updated_at: at }
    }

    /// The delivery's own id: it follows from the order's. How never changes: replies that were given would.
    #[must_use]
    pub fn delivery_id(&self) -> Uuid {
        Uuid::new_v5(&self.order_id, b"delivery")
    }

    /// What is delivered; `None` where nothing was ever scheduled.
    #[must_use]
    pub const fn parcel(&self) -> Option<&Parcel> {
        match &self.state {
            State::Scheduled(parcel)
            | State::Sent(parcel)
            | State::Received(parcel)
            | State::Cancelled(parcel) => Some(parcel),
            State::NeverScheduled => None,
        }
    }

    /// The name of its state in the API.
    #[must_use]
    pub const fn status(&self) -> &'static str {
        self.word().as_str()
    }

    const fn word(&self) -> Word {
        match self.state {
            State::Scheduled(_) => Word::Scheduled,
            State::Sent(_) => Word::Sent,
            State::Received(_) => Word::Received,
            State::Cancelled(_) => Word::Cancelled,
            State::NeverScheduled => Word::NeverScheduled,
        }
    }
}

#[derive(Debug, Clone, Copy)]
enum Word {
    Scheduled,
    Sent,
    Received,
    Cancelled,
    NeverScheduled,
}

word_column!(Word {
    Scheduled => "scheduled",
    Sent => "sent",
    Received => "received",
    Cancelled => "cancelled",
    NeverScheduled => "never_scheduled",
});

record! {
    struct DeliveryRow in "deliveries" {
        order_id: Uuid,
        fixed {
            user_id: Option<Uuid>,
            address: Option<String>,
            address_given: bool,
            slot: Option<Timestamp>,
        }
        changing {
            status: Word,
            updated_at: Timestamp,
        }
    }
}

impl From<&Delivery> for DeliveryRow {
    fn from(delivery: &Delivery) -> Self {
        let parcel = delivery.parcel();
        let destination = parcel.map(|parcel| &parcel.destination);
        Self {
            order_id: delivery.order_id,
            user_id: parcel.map(|parcel| parcel.user_id),
            address: destination.and_then(Destination::address).map(str::to_owned),
            address_given: destination.is_some_and(|destination| destination.given().is_some()),
            slot: parcel.and_then(|parcel| parcel.slot).map(Hour::begins_at),
            status: delivery.word(),
            updated_at: delivery.updated_at,
        }
    }
}

impl TryFrom<DeliveryRow> for Delivery {
    type Error = sqlx::Error;

    fn try_from(row: DeliveryRow) -> Result<Self, sqlx::Error> {
        let DeliveryRow { order_id, user_id, address, address_given, slot, status, updated_at } = row;
        let broken =
            || sqlx::Error::Decode(format!("the delivery of order {order_id} contradicts itself").into());
        let parcel = || {
            let destination = match (address, address_given) {
                (Some(address), true) => Destination::Given(address),
                (address, false) => Destination::OfProfile(address),
                (None, true) => return Err(broken()),
            };
            let slot = slot.map(|at| Hour::beginning(at).ok_or_else(broken)).transpose()?;
            Ok(Parcel { user_id: user_id.ok_or_else(broken)?, destination, slot })
        };
        let state = match status {
            Word::Scheduled => State::Scheduled(parcel()?),
            Word::Sent => State::Sent(parcel()?),
            Word::Received => State::Received(parcel()?),
            Word::Cancelled => State::Cancelled(parcel()?),
            Word::NeverScheduled => State::NeverScheduled,
        };
        Ok(Self { order_id, state, updated_at })
    }
}

record_as!(Delivery { order_id } as DeliveryRow);

#[cfg(test)]
mod tests {
    use super::*;

    const ORDER: Uuid = Uuid::from_u128(2);

    fn parcel(destination: Destination, slot: Option<Hour>) -> Parcel {
        Parcel { user_id: Uuid::from_u128(3), destination, slot }
    }

    #[test]
    fn every_state_survives_its_row() {
        let hour = Hour::beginning(Timestamp::default());
        let given = parcel(Destination::Given("Omsk".into()), hour);
        let states = [
            State::Scheduled(given.clone()),
            State::Scheduled(parcel(Destination::OfProfile(Some("Omsk".into())), None)),
            State::Scheduled(parcel(Destination::OfProfile(None), hour)),
            State::Sent(given.clone()),
            State::Received(given.clone()),
            State::Cancelled(given),
            State::NeverScheduled,
        ];
        for state in states {
            let delivery = Delivery { order_id: ORDER, state, updated_at: Timestamp::default() };
            assert_eq!(Delivery::try_from(DeliveryRow::from(&delivery)).unwrap(), delivery);
        }
    }

    #[test]
    fn a_row_that_contradicts_itself_is_not_believed() {
        let tombstone = Delivery::tombstone(ORDER, Timestamp::default());
        let row = DeliveryRow { status: Word::Sent, ..DeliveryRow::from(&tombstone) };
        assert!(Delivery::try_from(row).is_err());
    }

    #[test]
    fn the_delivery_of_an_order_has_the_same_id_for_ever() {
        let delivery = Delivery::tombstone(ORDER, Timestamp::default());
        assert_eq!(delivery.delivery_id().to_string(), "ab0fc62e-7a3e-57cb-b9a3-e23e34ef736a");
    }
}
