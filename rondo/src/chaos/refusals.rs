//! Whether a refusal was right. Customers know what they can pay, stock never runs out, and prices stay: so nearly
//! nothing may be refused.

use std::collections::HashMap;

use super::layout;
use super::records::Placed;

/// How many orders wanted each hour of a courier, whatever became of them.
#[derive(Default)]
pub(super) struct Slots<'a>(HashMap<&'a str, usize>);

impl<'a> Slots<'a> {
    pub(super) fn of(orders: impl Iterator<Item = &'a Placed>) -> Self {
        let mut slots = HashMap::new();
        for slot in orders.filter_map(|order| order.slot.as_deref()) {
            *slots.entry(slot).or_default() += 1;
        }
        Self(slots)
    }

    /// Whether others may have had every courier of the order's hour.
    fn may_be_taken_for(&self, order: &Placed) -> bool {
        let wanted = order.slot.as_deref().and_then(|slot| self.0.get(slot)).copied().unwrap_or_default();
        wanted > layout::COURIERS
    }
}

/// Whether an order may have been rejected for this reason. `cancel_asked`: somebody wanted to cancel it.
pub(super) fn is_right(reason: Option<&str>, order: &Placed, slots: &Slots<'_>, cancel_asked: bool) -> bool {
    match reason {
        Some("insufficient_funds" | "total_too_large") => !order.affordable,
        Some("slot_taken") => slots.may_be_taken_for(order),
        Some("cancelled") => cancel_asked,
        // It was open for ten minutes: nobody here knows why.
        Some("timed_out") => true,
        _ => false,
    }
}

#[cfg(test)]
mod tests {
    use uuid::Uuid;

    use super::super::records::Outcome;
    use super::*;

    fn order(affordable: bool, slot: Option<&str>) -> Placed {
        Placed {
            marker: "1".to_owned(),
            user_id: Uuid::nil(),
            total: 1,
            affordable,
            slot: slot.map(str::to_owned),
            outcome: Outcome::Declined,
            order_id: None,
            told: None,
        }
    }

    fn is_right_of(reason: &str, order: &Placed) -> bool {
        is_right(Some(reason), order, &Slots::of([order].into_iter()), false)
    }

    #[test]
    fn only_who_cannot_pay_may_be_told_so() {
        let (rich, poor) = (order(true, None), order(false, None));
        assert!(!is_right_of("insufficient_funds", &rich) && is_right_of("insufficient_funds", &poor));
        for never in ["out_of_stock", "unknown_position", "price_changed", "something new"] {
            assert!(!is_right_of(never, &rich) && !is_right_of(never, &poor), "{never}");
        }
        assert!(!is_right(None, &poor, &Slots::default(), true), "without a reason");
    }

    #[test]
    fn an_hour_is_taken_when_more_orders_wanted_it_than_there_are_couriers() {
        let all: Vec<Placed> = (0..=layout::COURIERS).map(|_| order(true, Some("noon"))).collect();
        let right = |orders: &[Placed], of: &Placed| {
            is_right(Some("slot_taken"), of, &Slots::of(orders.iter()), false)
        };
        assert!(right(&all, &all[0]) && !right(&all[1..], &all[1]));
        assert!(!right(&all, &order(true, None)) && !right(&all, &order(true, Some("midnight"))));
    }

    #[test]
    fn nobody_is_cancelled_unasked() {
        let asked = |asked| is_right(Some("cancelled"), &order(true, None), &Slots::default(), asked);
        assert!(asked(true) && !asked(false));
    }
}
