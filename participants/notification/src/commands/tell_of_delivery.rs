//! `delivery.order_sent` and `delivery.order_received`: the user is told where the order is, once each.

use contracts::Timestamp;
use contracts::delivery::{OrderReceived, OrderSent};
use contracts::notification::OrderLetter;
use uuid::Uuid;

use super::notify;
use crate::decider::Set;
use crate::letter::{LetterRequest, Occasion, OrderOutcome};

/// The letter that follows from the event.
pub(crate) fn sent(event: &OrderSent) -> LetterRequest {
    letter(event.order_id, event.user_id, OrderOutcome::Sent)
}

/// The letter that follows from the event.
pub(crate) fn received(event: &OrderReceived) -> LetterRequest {
    letter(event.order_id, event.user_id, OrderOutcome::Received)
}

/// Its id follows from the order and the kind: the event again is the same letter.
fn letter(order_id: Uuid, user_id: Uuid, outcome: OrderOutcome) -> LetterRequest {
    let occasion = Occasion::Order(outcome, OrderLetter { order_id, total: None, reason: None });
    let letter_id = Uuid::new_v5(&order_id, occasion.kind().as_str().as_bytes());
    LetterRequest { letter_id, user_id, occasion }
}

pub(crate) fn decide(set: &mut Set, request: &LetterRequest, currency: &str, now: Timestamp) {
    // Nobody awaits the answer; another user's order under this id is logged there.
    let _ = notify::decide(set, request, currency, now);
}

#[cfg(test)]
mod tests {
    use messaging::rows::Rows;

    use super::*;
    use crate::contact::{Contact, Language};

    const USER: Uuid = Uuid::from_u128(5);
    const ORDER: Uuid = Uuid::from_u128(7);

    fn at(seconds: i64) -> Timestamp {
        Timestamp::from_timestamp(seconds, 0).unwrap()
    }

    fn is_sent(user_id: Uuid) -> LetterRequest {
        sent(&OrderSent { order_id: ORDER, user_id })
    }

    fn is_received() -> LetterRequest {
        received(&OrderReceived { order_id: ORDER, user_id: USER })
    }

    fn known(locale: Language) -> Set {
        let contact = Contact { locale, ..Contact::unheard(USER, at(0)) };
        Set { contacts: Rows::of([contact]), ..Set::default() }
    }

    #[test]
    fn each_way_point_has_a_letter_of_its_own_in_the_users_language() {
        let mut set = known(Language::En);
        decide(&mut set, &is_sent(USER), "RUB", at(1));
        decide(&mut set, &is_received(), "RUB", at(2));
        let letter = set.letters.get(Uuid::new_v5(&ORDER, b"order_sent")).unwrap();
        assert_eq!((letter.kind.as_str(), &*letter.subject), ("order_sent", "Your order is on its way"));
        assert_eq!((letter.order_id, letter.user_id), (Some(ORDER), USER));
        let letter = set.letters.get(Uuid::new_v5(&ORDER, b"order_received")).unwrap();
        assert_eq!(
            (letter.kind.as_str(), &*letter.subject),
            ("order_received", "Your order has been delivered")
        );
    }

    #[test]
    fn a_user_not_heard_of_gets_the_letter_too() {
        let mut set = Set::default();
        decide(&mut set, &is_sent(USER), "RUB", at(1));
        let subjects: Vec<&str> = set.letters.iter().map(|letter| &*letter.subject).collect();
        assert_eq!(subjects, ["Ваш заказ в пути"]);
    }

    #[test]
    fn a_repeated_event_writes_nothing_also_after_the_language_changed() {
        let mut set = Set::default();
        decide(&mut set, &is_sent(USER), "RUB", at(1));
        set.contacts.insert(Contact { locale: Language::En, ..Contact::unheard(USER, at(2)) });
        decide(&mut set, &is_sent(USER), "RUB", at(3));
        let letters: Vec<_> = set.letters.iter().map(|l| (l.created_at, &*l.subject)).collect();
        assert_eq!(letters, [(at(1), "Ваш заказ в пути")]);
    }

    #[test]
    fn the_same_order_with_another_user_changes_nothing() {
        let mut set = known(Language::En);
        decide(&mut set, &is_sent(USER), "RUB", at(1));
        decide(&mut set, &is_sent(Uuid::from_u128(6)), "RUB", at(2));
        let users: Vec<Uuid> = set.letters.iter().map(|letter| letter.user_id).collect();
        assert_eq!(users, [USER]);
    }
}
