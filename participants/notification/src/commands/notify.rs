//! `notify`: writes a letter, once. Never refused: nothing that is known of the user is needed.

use contracts::notification::{LetterKind, Notify, OrderLetter};
use contracts::{Reply, Timestamp};
use messaging::DecodeError;
use serde::de::Error as _;

use crate::decider::Set;
use crate::letter::{LetterRequest, Occasion, OrderOutcome};

/// What is asked for, if the payload has what its kind needs.
pub(crate) fn request(command: Notify) -> Result<LetterRequest, DecodeError> {
    let Notify { letter_id, user_id, kind, data } = command;
    let outcome = match kind {
        LetterKind::OrderConfirmed => OrderOutcome::Confirmed,
        LetterKind::OrderRejected => OrderOutcome::Rejected,
        LetterKind::OrderCancelled => OrderOutcome::Cancelled,
        LetterKind::OrderSent => OrderOutcome::Sent,
        LetterKind::OrderReceived => OrderOutcome::Received,
        LetterKind::Welcome => {
            return Err(serde_json::Error::custom("a welcome follows from the registration").into());
        }
    };
    let letter: OrderLetter = serde_json::from_str(data.get())?;
    Ok(LetterRequest { letter_id, user_id, occasion: Occasion::Order(outcome, letter) })
}

pub(crate) fn decide(
    set: &mut Set,
    request: &LetterRequest,
    currency: &str,
    now: Timestamp,
) -> Reply<Notify> {
    if let Some(letter) = set.letters.get(request.letter_id) {
        if letter.request_hash == request.hash() {
            return Reply::Done(());
        }
        tracing::error!(letter_id = %request.letter_id, "another letter was asked for under this id before");
        return Reply::Fault("another letter was asked for under this id before".to_owned());
    }
    let letter = request.write(set.contacts.get(request.user_id), currency, now);
    set.letters.insert(letter);
    Reply::Done(())
}

#[cfg(test)]
mod tests {
    use messaging::rows::Rows;
    use uuid::Uuid;

    use super::*;
    use crate::contact::{Contact, Language};

    const USER: Uuid = Uuid::from_u128(5);

    fn command(kind: LetterKind, data: &str) -> Notify {
        let data = serde_json::value::RawValue::from_string(data.to_owned()).unwrap();
        Notify { letter_id: Uuid::from_u128(1), user_id: USER, kind, data }
    }

    fn joy(total: i64) -> LetterRequest {
        let data = format!(r#"{{"order_id":"{}","total":{total}}}"#, Uuid::from_u128(2));
        request(command(LetterKind::OrderConfirmed, &data)).unwrap()
    }

    fn at(seconds: i64) -> Timestamp {
        Timestamp::from_timestamp(seconds, 0).unwrap()
    }

    #[test]
    fn a_letter_is_written_in_the_users_language() {
        let contact = Contact { locale: Language::En, ..Contact::unheard(USER, at(0)) };
        let mut set = Set { contacts: Rows::of([contact]), ..Set::default() };
        assert!(matches!(decide(&mut set, &joy(500), "RUB", at(1)), Reply::Done(())));
        let letter = set.letters.get(Uuid::from_u128(1)).unwrap();
        assert_eq!(letter.subject, "Your order is confirmed");
        assert_eq!((letter.kind.as_str(), letter.order_id), ("order_confirmed", Some(Uuid::from_u128(2))));
        assert_eq!((letter.channel.as_str(), letter.status.as_str()), ("email", "stored"));
    }

    #[test]
    fn a_user_not_heard_of_gets_the_letter_too() {
        let mut set = Set::default();
        assert!(matches!(decide(&mut set, &joy(500), "RUB", at(1)), Reply::Done(())));
        assert_eq!(set.letters.get(Uuid::from_u128(1)).unwrap().subject, "Ваш заказ подтверждён");
    }

    #[test]
    fn a_repeat_writes_nothing() {
        let mut set = Set::default();
        decide(&mut set, &joy(500), "RUB", at(1));
        let contact = Contact { locale: Language::En, ..Contact::unheard(USER, at(2)) };
        set.contacts.insert(contact);
        assert!(matches!(decide(&mut set, &joy(500), "RUB", at(3)), Reply::Done(())));
        let letters: Vec<_> =
            set.letters.iter().map(|letter| (letter.created_at, &*letter.subject)).collect();
        assert_eq!(letters, [(at(1), "Ваш заказ подтверждён")]);
    }

    #[test]
    fn another_letter_under_the_same_id_is_a_fault() {
        let mut set = Set::default();
        decide(&mut set, &joy(500), "RUB", at(1));
        assert!(matches!(decide(&mut set, &joy(501), "RUB", at(2)), Reply::Fault(_)));
        assert!(set.letters.get(Uuid::from_u128(1)).unwrap().body.contains("5,00"));
    }

    #[test]
    fn a_payload_written_differently_is_the_same_letter() {
        let spaced = format!(r#"{{ "reason": null, "total": 500, "order_id": "{}" }}"#, Uuid::from_u128(2));
        let spaced = request(command(LetterKind::OrderConfirmed, &spaced)).unwrap();
        assert_eq!(spaced.hash(), joy(500).hash());
    }

    #[test]
    fn a_payload_without_what_its_kind_needs_is_no_request() {
        assert!(request(command(LetterKind::OrderRejected, "{}")).is_err());
        assert!(request(command(LetterKind::Welcome, "{}")).is_err());
    }
}
