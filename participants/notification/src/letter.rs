//! A letter: what was asked for, and what was written.

use contracts::Timestamp;
use contracts::notification::{LetterKind, OrderLetter};
use messaging::record;
use uuid::Uuid;

use crate::contact::Contact;
use crate::text;

/// How a letter would leave.
const CHANNEL: &str = "email";
/// What became of it: letters are kept, not sent.
const STATUS: &str = "stored";

record! {
    /// A row of `letters`; never changed.
    pub struct Letter in "letters" {
        /// The same id is the same letter.
        letter_id: Uuid,
        fixed {
            /// In the order of time: what lists are sorted by.
            notification_id: Uuid,
            /// To whom.
            user_id: Uuid,
            /// See [`LetterKind`].
            kind: String,
            /// Its subject line.
            subject: String,
            /// Its text.
            body: String,
            /// The order it is about.
            order_id: Option<Uuid>,
            /// How it would leave: `email`.
            channel: String,
            /// What became of it: `stored`.
            status: String,
            /// Of the request, see [`LetterRequest::hash`].
            request_hash: Uuid,
            /// When it was written.
            created_at: Timestamp,
        }
    }
}

/// What a letter is about.
#[derive(Debug, Clone, PartialEq)]
pub enum Occasion {
    /// A new user.
    Welcome,
    /// What became of an order.
    Order(OrderOutcome, OrderLetter),
}

/// What became of an order.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum OrderOutcome {
    /// The letter of joy.
    Confirmed,
    /// The letter of sorrow.
    Rejected,
    /// As its user wished.
    Cancelled,
    /// It is with its courier.
    Sent,
    /// It is with its user.
    Received,
}

impl Occasion {
    /// The name in the API.
    pub const fn kind(&self) -> LetterKind {
        match self {
            Self::Welcome => LetterKind::Welcome,
            Self::Order(OrderOutcome::Confirmed, _) => LetterKind::OrderConfirmed,
            Self::Order(OrderOutcome::Rejected, _) => LetterKind::OrderRejected,
            Self::Order(OrderOutcome::Cancelled, _) => LetterKind::OrderCancelled,
            Self::Order(OrderOutcome::Sent, _) => LetterKind::OrderSent,
            Self::Order(OrderOutcome::Received, _) => LetterKind::OrderReceived,
        }
    }

    /// Its place in the life of an order: letters of one batch, and so of one time, are listed in this order.
    const fn place(&self) -> u8 {
        match self {
            Self::Welcome => 0,
            Self::Order(OrderOutcome::Confirmed | OrderOutcome::Rejected, _) => 1,
            Self::Order(OrderOutcome::Sent, _) => 2,
            Self::Order(OrderOutcome::Received, _) => 3,
            Self::Order(OrderOutcome::Cancelled, _) => 4,
        }
    }

    const fn order_id(&self) -> Option<Uuid> {
        match self {
            Self::Welcome => None,
            Self::Order(_, letter) => Some(letter.order_id),
        }
    }
}

/// A letter that is to be written, whoever asks for it.
#[derive(Debug, Clone, PartialEq)]
pub struct LetterRequest {
    /// The same id is the same letter.
    pub letter_id: Uuid,
    /// To whom.
    pub user_id: Uuid,
    /// About what.
    pub occasion: Occasion,
}

impl LetterRequest {
    /// Differs when anything that is asked for differs. It is stored: how it is made never changes.
    pub fn hash(&self) -> Uuid {
        let data = match &self.occasion {
            Occasion::Welcome => String::new(),
            // Two ids, a number and a word always have a JSON form.
            Occasion::Order(_, letter) => serde_json::to_string(letter).unwrap_or_default(),
        };
        let said = format!("{}\n{}\n{data}", self.user_id, self.occasion.kind().as_str());
        Uuid::new_v5(&self.letter_id, said.as_bytes())
    }

    /// The letter in the user's language; in the default one where nothing is known of the user yet.
    pub fn write(&self, contact: Option<&Contact>, currency: &str, now: Timestamp) -> Letter {
        let text = text::write(&self.occasion, contact, currency);
        Letter {
            letter_id: self.letter_id,
            notification_id: id_at(now, self.occasion.place(), self.letter_id),
            user_id: self.user_id,
            kind: self.occasion.kind().as_str().to_owned(),
            subject: text.subject,
            body: text.body,
            order_id: self.occasion.order_id(),
            channel: CHANNEL.to_owned(),
            status: STATUS.to_owned(),
            request_hash: self.hash(),
            created_at: now,
        }
    }
}

/// A UUIDv7 of that time, then of that place (below 16), whose other bits follow from the letter's id: deciding
/// is not random.
fn id_at(now: Timestamp, place: u8, letter_id: Uuid) -> Uuid {
    let mut rest = [0; 10];
    rest.copy_from_slice(&Uuid::new_v5(&letter_id, b"notification").into_bytes()[..10]);
    rest[0] = place;
    let milliseconds = u64::try_from(now.timestamp_millis()).unwrap_or_default();
    uuid::Builder::from_unix_timestamp_millis(milliseconds, &rest).into_uuid()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn request() -> LetterRequest {
        let letter = OrderLetter { order_id: Uuid::from_u128(3), total: Some(5), reason: None };
        LetterRequest {
            letter_id: Uuid::from_u128(1),
            user_id: Uuid::from_u128(2),
            occasion: Occasion::Order(OrderOutcome::Confirmed, letter),
        }
    }

    fn about(outcome: OrderOutcome, total: Option<i64>, reason: Option<&str>) -> LetterRequest {
        let letter = OrderLetter { order_id: Uuid::from_u128(3), total, reason: reason.map(Into::into) };
        LetterRequest { occasion: Occasion::Order(outcome, letter), ..request() }
    }

    #[test]
    fn another_request_has_another_hash() {
        let others = [
            LetterRequest { user_id: Uuid::from_u128(9), ..request() },
            LetterRequest { occasion: Occasion::Welcome, ..request() },
            about(OrderOutcome::Cancelled, Some(5), None),
            about(OrderOutcome::Confirmed, Some(6), None),
            about(OrderOutcome::Confirmed, None, None),
            about(OrderOutcome::Confirmed, Some(5), Some("timed_out")),
        ];
        for other in others {
            assert_ne!(other.hash(), request().hash(), "{other:?}");
        }
    }

    #[test]
    fn the_hash_stays_the_same_over_releases() {
        assert_eq!(request().hash().to_string(), "f6cf7e80-b84c-507c-bccd-0fe6562c895f");
    }

    #[test]
    fn later_letters_have_higher_ids() {
        let at = |seconds| Timestamp::from_timestamp(seconds, 0).unwrap();
        let id = |seconds, letter| id_at(at(seconds), 1, Uuid::from_u128(letter));
        assert!(id(1, 900) < id(2, 1));
        let life = [OrderOutcome::Confirmed, OrderOutcome::Sent, OrderOutcome::Received];
        let of_one_batch =
            life.map(|outcome| about(outcome, None, None).write(None, "RUB", at(1)).notification_id);
        assert!(of_one_batch.is_sorted_by(|earlier, later| earlier < later), "{of_one_batch:?}");
        assert_eq!(id(1, 900), id(1, 900));
        assert_ne!(id(1, 900), id(1, 901), "two letters of one batch are told apart");
    }
}
