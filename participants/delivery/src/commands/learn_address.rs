//! `user.profile_changed`: where orders without an address of their own go from now on.

use contracts::Timestamp;
use contracts::user::ProfileChanged;

use crate::decider::{Keys, Set};
use crate::recipient::Recipient;

pub(crate) fn touches(event: &ProfileChanged, keys: &mut Keys) {
    keys.recipients.insert(event.user_id);
    keys.recipients_change = true;
}

/// Learns of a change, which happened at `at`, unless a younger event was heard.
pub(crate) fn decide(set: &mut Set, event: &ProfileChanged, at: Timestamp) {
    let heard = Recipient { user_id: event.user_id, address: event.address.clone(), changed_at: at };
    match set.recipients.get(event.user_id) {
        None => set.recipients.insert(heard),
        Some(known) if known.changed_at > at => {}
        Some(_) => {
            if let Some(known) = set.recipients.get_mut(event.user_id) {
                *known = heard;
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;
    use crate::commands::sample::{ANN, city, lives_at};

    fn at(seconds: i64) -> Timestamp {
        Timestamp::from_timestamp(seconds, 0).unwrap()
    }

    fn told<'a>(story: impl IntoIterator<Item = &'a (ProfileChanged, Timestamp)>) -> Set {
        let mut set = city(1);
        for (event, at) in story {
            decide(&mut set, event, *at);
        }
        set
    }

    #[test]
    fn the_youngest_event_stands_also_when_it_takes_the_address_away() {
        let moved = (lives_at(ANN, Some("Omsk")), at(20));
        let left = (lives_at(ANN, None), at(30));
        for story in [[&moved, &left], [&left, &moved]] {
            let set = told(story);
            assert_eq!(set.recipients.get(ANN).unwrap().address, None);
        }
    }

    proptest! {
        #[test]
        fn the_order_and_number_of_deliveries_do_not_matter(
            addresses in prop::collection::vec(prop::option::of("[a-z]{1,3}"), 1..6),
            deliveries in prop::collection::vec(any::<prop::sample::Index>(), 0..30),
        ) {
            let story: Vec<_> =
                (1..).zip(&addresses).map(|(when, home)| (lives_at(ANN, home.as_deref()), at(when))).collect();
            // Everything arrives at last, whatever was repeated before.
            let delivered = deliveries.iter().map(|index| index.get(&story)).chain(story.iter().rev());
            let (expected, set) = (told(&story), told(delivered));
            prop_assert_eq!(set.recipients.get(ANN), expected.recipients.get(ANN));
        }
    }
}
