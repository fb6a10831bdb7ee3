//! `user.profile_changed`: the language and address of letters from now on.

use contracts::Timestamp;
use contracts::user::ProfileChanged;

use crate::contact::Contact;
use crate::decider::Set;

pub(crate) fn decide(set: &mut Set, event: &ProfileChanged, at: Timestamp) {
    let known = set.contacts.get(event.user_id);
    if known.is_some_and(|contact| contact.profile_at > at) {
        return;
    }
    if known.is_none() {
        set.contacts.insert(Contact::unheard(event.user_id, at));
    }
    if let Some(contact) = set.contacts.get_mut(event.user_id) {
        contact.changed(event, at);
    }
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeSet;

    use contracts::user::{Locale, UserRegistered};
    use messaging::Decider;
    use proptest::prelude::*;
    use uuid::Uuid;

    use super::*;
    use crate::decider::{Input, Notification};

    const USER: Uuid = Uuid::from_u128(5);

    fn at(seconds: i64) -> Timestamp {
        Timestamp::from_timestamp(seconds, 0).unwrap()
    }

    /// A registration at 10 and changes at 20, 30, ...
    fn story(changes: &[(bool, Option<String>)]) -> Vec<Input> {
        let registered = UserRegistered {
            user_id: USER,
            email: "ann@example.com".into(),
            name: Some("Ann".into()),
            locale: Locale::En,
        };
        let mut story = vec![Input::Registered(registered, at(10))];
        story.extend((2..).zip(changes).map(|(index, (english, address))| {
            let locale = if *english { Locale::En } else { Locale::Ru };
            let event = ProfileChanged { user_id: USER, locale, address: address.clone() };
            Input::ProfileChanged(event, at(index * 10))
        }));
        story
    }

    fn told(inputs: &[Input]) -> Set {
        let mut set = Set::default();
        let rules = Notification { currency: "RUB".into() };
        for input in inputs {
            rules.decide(&mut set, input, at(1000));
        }
        set
    }

    #[test]
    fn an_older_event_changes_nothing() {
        let story = story(&[(false, Some("Moscow".into())), (true, None)]);
        let set = told(&[story[0].clone(), story[2].clone(), story[1].clone()]);
        let contact = set.contacts.get(USER).unwrap();
        assert_eq!((contact.locale.as_str(), contact.address.as_deref()), ("en", None));
    }

    #[test]
    fn a_change_heard_before_the_registration_is_kept() {
        let story = story(&[(false, Some("Moscow".into()))]);
        let set = told(&[story[1].clone(), story[0].clone()]);
        let contact = set.contacts.get(USER).unwrap();
        assert_eq!((contact.locale.as_str(), contact.address.as_deref()), ("ru", Some("Moscow")));
        assert_eq!(contact.email.as_deref(), Some("ann@example.com"));
    }

    proptest! {
        #[test]
        fn the_order_and_number_of_deliveries_do_not_matter(
            changes in prop::collection::vec((any::<bool>(), prop::option::of("[a-z]{1,3}")), 0..5),
            deliveries in prop::collection::vec(any::<prop::sample::Index>(), 0..30),
        ) {
            let story = story(&changes);
            let mut delivered: Vec<Input> = deliveries.iter().map(|index| index.get(&story).clone()).collect();
            // Everything arrives at last, whatever was repeated before.
            delivered.extend(story.iter().rev().cloned());
            let (expected, set) = (told(&story), told(&delivered));
            prop_assert_eq!(set.contacts.get(USER), expected.contacts.get(USER));
            let letters: BTreeSet<Uuid> = set.letters.iter().map(|letter| letter.letter_id).collect();
            prop_assert_eq!(letters.len(), 1);
        }
    }
}
