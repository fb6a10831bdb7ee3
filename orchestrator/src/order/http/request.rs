//! What a client may order.

use std::collections::HashSet;

use chrono::{DateTime, TimeDelta, Timelike, Utc};
use contracts::Amount;
use contracts::stock::Item;
use serde::Deserialize;
use service::http::{FieldErrors, Validate};
use utoipa::ToSchema;
use uuid::Uuid;

use super::super::Delivery;
use crate::manager::now;

const ITEMS_MAX: usize = 100;
const QUANTITY_MAX: i64 = 1_000_000_000;
const COMMENT_CHARACTERS_MAX: usize = 500;
const ADDRESS_CHARACTERS_MAX: usize = 500;
/// Couriers are reserved at most so far ahead.
const SLOT_AHEAD_MAX: TimeDelta = TimeDelta::days(30);

/// Items, or a price, or both: then the price is the total that is expected.
#[derive(Debug, Clone, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub(super) struct NewOrder {
    /// 1 to 100, no position twice.
    #[serde(default)]
    #[schema(min_items = 1, max_items = 100)]
    items: Option<Vec<NewItem>>,
    /// Minor units.
    #[serde(default)]
    #[schema(minimum = 1, maximum = 1_000_000_000_000_i64)]
    price: Option<i64>,
    /// How the items are to come; only with items.
    #[serde(default)]
    delivery: Option<NewDelivery>,
    /// Own words.
    #[serde(default)]
    #[schema(
        max_length = 500,
        pattern = "^[^\\u0000-\\u0008\\u000b\\u000c\\u000e-\\u001f\\u007f-\\u009f]*$"
    )]
    pub(super) comment: Option<String>,
}

/// Where to and when.
#[derive(Debug, Clone, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub(super) struct NewDelivery {
    /// Where to; without it, where your profile says.
    #[serde(default)]
    #[schema(
        min_length = 1,
        max_length = 500,
        pattern = "^[^\\u0000-\\u0008\\u000b\\u000c\\u000e-\\u001f\\u007f-\\u009f]*$"
    )]
    address: Option<String>,
    /// The hour at whose begin a courier is to come: a full hour, UTC, at most 30 days ahead.
    #[serde(default)]
    slot: Option<DateTime<Utc>>,
}

/// How many of what.
#[derive(Debug, Clone, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub(super) struct NewItem {
    /// The position.
    position_id: Uuid,
    /// How many.
    #[schema(minimum = 1, maximum = 1_000_000_000)]
    quantity: i64,
}

impl Validate for NewOrder {
    fn validate(&self, errors: &mut FieldErrors) {
        errors.check(self.items.is_some() || self.price.is_some(), "items", "items or a price are needed");
        if let Some(items) = &self.items {
            validate_items(items, errors);
        }
        if let Some(price) = self.price
            && let Err(error) = Amount::new(price)
        {
            errors.add("price", error.to_string());
        }
        if let Some(delivery) = &self.delivery {
            errors.check(self.items.is_some(), "delivery", "only items are delivered");
            delivery.validate(now(), errors);
        }
        if let Some(comment) = &self.comment {
            errors.text("comment", comment, 0..=COMMENT_CHARACTERS_MAX);
        }
    }
}

impl NewDelivery {
    fn validate(&self, now: DateTime<Utc>, errors: &mut FieldErrors) {
        if let Some(address) = &self.address {
            errors.text("delivery.address", address, 1..=ADDRESS_CHARACTERS_MAX);
            errors.check(!address.trim().is_empty(), "delivery.address", "must say something");
        }
        if let Some(slot) = self.slot {
            let is_full_hour = (slot.minute(), slot.second(), slot.nanosecond()) == (0, 0, 0);
            errors.check(is_full_hour, "delivery.slot", "must be a full hour");
            let is_ahead = now < slot && slot <= now + SLOT_AHEAD_MAX;
            errors.check(is_ahead, "delivery.slot", "must lie ahead, at most 30 days");
        }
    }
}

fn validate_items(items: &[NewItem], errors: &mut FieldErrors) {
    errors.check((1..=ITEMS_MAX).contains(&items.len()), "items", "must be 1 to 100");
    let mut seen = HashSet::new();
    for (index, item) in items.iter().enumerate().take(ITEMS_MAX) {
        let quantity = (1..=QUANTITY_MAX).contains(&item.quantity);
        errors.check(quantity, format!("items[{index}].quantity"), "must be 1 to 1000000000");
        let first = seen.insert(item.position_id);
        errors.check(first, format!("items[{index}].position_id"), "this position is listed twice");
    }
}

impl NewOrder {
    pub(super) fn items(&self) -> Vec<Item> {
        let items = self.items.iter().flatten();
        items.map(|item| Item { position_id: item.position_id, quantity: item.quantity }).collect()
    }

    pub(super) fn delivery(&self) -> Option<Delivery> {
        let NewDelivery { address, slot } = self.delivery.clone()?;
        Some(Delivery { address, slot, courier: None })
    }

    /// Valid after [`Validate::validate`].
    pub(super) fn price(&self) -> Option<Amount> {
        self.price.and_then(|price| Amount::new(price).ok())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn errors(body: &str) -> usize {
        let mut errors = FieldErrors::default();
        serde_json::from_str::<NewOrder>(body).unwrap().validate(&mut errors);
        errors.len()
    }

    #[test]
    fn items_or_a_price_or_both() {
        let item = format!(r#"{{"position_id":"{}","quantity":1}}"#, Uuid::nil());
        assert_eq!(errors(r#"{"price":1}"#), 0);
        assert_eq!(errors(&format!(r#"{{"items":[{item}]}}"#)), 0);
        assert_eq!(errors(&format!(r#"{{"items":[{item}],"price":5}}"#)), 0);
        assert_eq!(errors("{}"), 1);
    }

    #[test]
    fn every_limit_is_checked() {
        let item = |quantity: i64| format!(r#"{{"position_id":"{}","quantity":{quantity}}}"#, Uuid::now_v7());
        assert_eq!(errors(r#"{"items":[]}"#), 1);
        assert_eq!(errors(&format!(r#"{{"items":[{}]}}"#, item(0))), 1);
        assert_eq!(errors(&format!(r#"{{"items":[{}]}}"#, item(1_000_000_001))), 1);
        let many: Vec<String> = (0..101).map(|_| item(1)).collect();
        assert_eq!(errors(&format!(r#"{{"items":[{}]}}"#, many.join(","))), 1);
        let same = item(1);
        assert_eq!(errors(&format!(r#"{{"items":[{same},{same}]}}"#)), 1);
        assert_eq!(errors(r#"{"price":0}"#), 1);
        assert_eq!(errors(r#"{"price":1000000000001}"#), 1);
        assert_eq!(errors(&format!(r#"{{"price":1,"comment":"{}"}}"#, "a".repeat(501))), 1);
    }

    #[test]
    fn a_slot_is_a_full_hour_ahead() {
        let hour = now() + TimeDelta::hours(2);
        let hour = hour.with_minute(0).unwrap().with_second(0).unwrap().with_nanosecond(0).unwrap();
        let errors_of = |slot: DateTime<Utc>| {
            let item = format!(r#"{{"position_id":"{}","quantity":1}}"#, Uuid::nil());
            errors(&format!(r#"{{"items":[{item}],"delivery":{{"slot":"{}"}}}}"#, slot.to_rfc3339()))
        };
        assert_eq!(errors_of(hour), 0);
        assert_eq!(errors_of(hour + TimeDelta::minutes(30)), 1);
        assert_eq!(errors_of(hour - TimeDelta::hours(3)), 1);
        assert_eq!(errors_of(hour + TimeDelta::days(31)), 1);
    }

    #[test]
    fn only_items_are_delivered() {
        assert_eq!(errors(r#"{"price":1,"delivery":{}}"#), 1);
        let item = format!(r#"{{"position_id":"{}","quantity":1}}"#, Uuid::nil());
        assert_eq!(errors(&format!(r#"{{"items":[{item}],"delivery":{{}}}}"#)), 0);
        let to =
            |address: &str| errors(&format!(r#"{{"items":[{item}],"delivery":{{"address":"{address}"}}}}"#));
        assert_eq!(to("1 Main Street"), 0);
        for blank in ["", " ", r" \n\t ", "\u{2003}\u{a0}"] {
            assert!(to(blank) > 0, "{blank:?}");
        }
    }

    #[test]
    fn unknown_fields_are_refused() {
        assert!(serde_json::from_str::<NewOrder>(r#"{"price":1,"discount":1}"#).is_err());
    }
}
