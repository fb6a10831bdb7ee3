//! The words of letters, in Russian and English.

mod en;
mod ru;

use crate::contact::{Contact, Language};
use crate::letter::{Occasion, OrderOutcome};
use crate::money;

/// A letter's words.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Text {
    pub(crate) subject: String,
    pub(crate) body: String,
}

/// What each language has to say.
struct Words {
    greeting: fn(name: Option<&str>) -> String,
    welcome: fn() -> Text,
    confirmed: fn(order: &str, total: Option<&str>) -> Text,
    rejected: fn(order: &str, reason: Option<&str>) -> Text,
    cancelled: fn(order: &str) -> Text,
    sent: fn(order: &str) -> Text,
    received: fn(order: &str) -> Text,
}

/// Writes about the occasion to the contact.
pub(crate) fn write(occasion: &Occasion, contact: Option<&Contact>, currency: &str) -> Text {
    let language = contact.map(|contact| contact.locale).unwrap_or_default();
    let words = match language {
        Language::Ru => &ru::WORDS,
        Language::En => &en::WORDS,
    };
    let said = match occasion {
        Occasion::Welcome => (words.welcome)(),
        Occasion::Order(outcome, letter) => {
            let order = letter.order_id.to_string();
            match outcome {
                OrderOutcome::Confirmed => {
                    let total = letter.total.map(|total| money::format(total, currency, language));
                    (words.confirmed)(&order, total.as_deref())
                }
                OrderOutcome::Rejected => (words.rejected)(&order, letter.reason.as_deref()),
                OrderOutcome::Cancelled => (words.cancelled)(&order),
                OrderOutcome::Sent => (words.sent)(&order),
                OrderOutcome::Received => (words.received)(&order),
            }
        }
    };
    let name = contact.and_then(|contact| contact.name.as_deref());
    Text { body: format!("{}\n\n{}", (words.greeting)(name), said.body), ..said }
}

#[cfg(test)]
mod tests {
    use contracts::Timestamp;
    use contracts::notification::OrderLetter;
    use uuid::Uuid;

    use super::*;

    const REASONS: [&str; 9] = [
        "insufficient_funds",
        "out_of_stock",
        "unknown_position",
        "price_changed",
        "total_too_large",
        "slot_taken",
        "timed_out",
        "cancelled",
        "something_new",
    ];

    fn contact(locale: Language, name: Option<&str>) -> Contact {
        let unheard = Contact::unheard(Uuid::nil(), Timestamp::default());
        Contact { locale, name: name.map(Into::into), ..unheard }
    }

    fn order(outcome: OrderOutcome, reason: Option<&str>) -> Occasion {
        let reason = reason.map(Into::into);
        Occasion::Order(outcome, OrderLetter { order_id: Uuid::from_u128(7), total: Some(123_450), reason })
    }

    #[test]
    fn joy_names_order_and_total_in_the_users_language() {
        let joy = order(OrderOutcome::Confirmed, None);
        let text = write(&joy, Some(&contact(Language::En, Some("Ann"))), "RUB");
        assert!(text.body.starts_with("Hello, Ann!\n\n"), "{}", text.body);
        assert!(text.body.contains("1,234.50\u{a0}₽"), "{}", text.body);
        assert!(text.body.contains(&Uuid::from_u128(7).to_string()));
        let text = write(&joy, Some(&contact(Language::Ru, None)), "RUB");
        assert!(text.body.starts_with("Здравствуйте!\n\n"), "{}", text.body);
        assert!(text.body.contains("1\u{a0}234,50\u{a0}₽"), "{}", text.body);
    }

    #[test]
    fn sorrow_says_the_reason_in_words() {
        for language in [Language::Ru, Language::En] {
            let contact = contact(language, None);
            let mut bodies: Vec<String> = Vec::new();
            for reason in REASONS {
                let body = write(&order(OrderOutcome::Rejected, Some(reason)), Some(&contact), "RUB").body;
                assert!(!body.contains('_'), "{body}");
                bodies.push(body);
            }
            bodies.push(write(&order(OrderOutcome::Rejected, None), Some(&contact), "RUB").body);
            let told_apart: std::collections::BTreeSet<&String> = bodies.iter().collect();
            assert_eq!(told_apart.len(), REASONS.len(), "only what is unknown reads like no reason at all");
        }
    }

    #[test]
    fn a_user_not_heard_of_is_written_to_in_the_default_language() {
        let unknown = write(&Occasion::Welcome, None, "RUB");
        assert_eq!(unknown, write(&Occasion::Welcome, Some(&contact(Language::default(), None)), "RUB"));
        assert_ne!(unknown, write(&Occasion::Welcome, Some(&contact(Language::En, None)), "RUB"));
    }

    #[test]
    fn every_occasion_has_words_of_its_own() {
        for language in [Language::Ru, Language::En] {
            let contact = contact(language, None);
            let occasions = [
                Occasion::Welcome,
                order(OrderOutcome::Confirmed, None),
                order(OrderOutcome::Rejected, None),
                order(OrderOutcome::Cancelled, None),
                order(OrderOutcome::Sent, None),
                order(OrderOutcome::Received, None),
            ];
            let subjects: std::collections::BTreeSet<String> =
                occasions.iter().map(|occasion| write(occasion, Some(&contact), "RUB").subject).collect();
            assert_eq!(subjects.len(), occasions.len());
        }
    }
}
