//! `user.user_registered`: the user becomes known, and is welcomed, once.

use contracts::Timestamp;
use contracts::user::UserRegistered;
use uuid::Uuid;

use super::notify;
use crate::contact::Contact;
use crate::decider::Set;
use crate::letter::{LetterRequest, Occasion};

/// The id of a user's welcome: the event again is the same letter.
pub(crate) fn letter_id(user_id: Uuid) -> Uuid {
    Uuid::new_v5(&user_id, b"welcome")
}

pub(crate) fn decide(set: &mut Set, event: &UserRegistered, at: Timestamp, currency: &str, now: Timestamp) {
    let user_id = event.user_id;
    if set.contacts.get(user_id).is_none() {
        set.contacts.insert(Contact::unheard(user_id, at));
    }
    if set.contacts.get(user_id).is_some_and(|contact| contact.email.is_none())
        && let Some(contact) = set.contacts.get_mut(user_id)
    {
        contact.registered(event, at);
    }
    let request = LetterRequest { letter_id: letter_id(user_id), user_id, occasion: Occasion::Welcome };
    // Nobody awaits the answer, and the same user's welcome is never another letter.
    let _ = notify::decide(set, &request, currency, now);
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::contact::Language;

    const USER: Uuid = Uuid::from_u128(5);

    fn registered() -> UserRegistered {
        UserRegistered {
            user_id: USER,
            email: "ann@example.com".into(),
            name: Some("Ann".into()),
            locale: contracts::user::Locale::En,
        }
    }

    fn at(seconds: i64) -> Timestamp {
        Timestamp::from_timestamp(seconds, 0).unwrap()
    }

    #[test]
    fn a_new_user_becomes_known_and_is_welcomed() {
        let mut set = Set::default();
        decide(&mut set, &registered(), at(1), "RUB", at(2));
        let contact = set.contacts.get(USER).unwrap();
        assert_eq!((contact.email.as_deref(), contact.locale), (Some("ann@example.com"), Language::En));
        let letter = set.letters.get(letter_id(USER)).unwrap();
        assert_eq!((letter.kind.as_str(), letter.order_id), ("welcome", None));
        assert!(letter.body.starts_with("Hello, Ann!"));
    }

    #[test]
    fn the_event_again_is_the_same_letter() {
        let mut set = Set::default();
        decide(&mut set, &registered(), at(1), "RUB", at(2));
        decide(&mut set, &registered(), at(1), "RUB", at(9));
        let letters: Vec<Timestamp> = set.letters.iter().map(|letter| letter.created_at).collect();
        assert_eq!(letters, [at(2)]);
    }
}
