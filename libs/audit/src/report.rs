//! What an audit found.

use std::collections::BTreeSet;

use sea_orm::prelude::ChronoDateTimeUtc;
use serde::Serialize;
use utoipa::ToSchema;
use uuid::Uuid;

use crate::EXAMPLES_MAX;
use crate::finding::Finding;
use crate::quiet::Judged;

/// How many orders are named; beyond it the findings' counts tell how many there are.
const ORDERS_MAX: usize = 10_000;

/// What an audit found. Clean, without findings: everything adds up.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, ToSchema)]
#[schema(as = MoneyAudit)]
pub struct Report {
    /// What does not hold; one a rule.
    pub findings: Vec<Finding>,
    /// The orders that the services disagree on, up to 10,000.
    pub orders: BTreeSet<Uuid>,
    /// Orders that nobody placed and that have a reservation and nothing else: operators reserve by hand. No
    /// finding in a system at work.
    pub reserved_by_hand: BTreeSet<Uuid>,
    /// What an operator did that the books may differ by: no finding.
    pub accepted: Vec<Accepted>,
    /// Orders that were compared.
    pub orders_judged: u64,
    /// Orders that do not agree yet, because something happens to them: not judged.
    pub orders_moving: u64,
    /// Sums over all, for people and for comparisons.
    pub sums: Sums,
    /// Messages that were put aside; whether that is a mistake depends on what was sent.
    pub dead_letters: i64,
    /// Events in an outbox that are not in the stream yet.
    pub unpublished_events: i64,
}

/// A difference that somebody answers for.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, ToSchema)]
pub struct Accepted {
    /// The order.
    pub order_id: Uuid,
    /// What was done, as `skip` or `abandon`.
    pub action: String,
    /// The step that was skipped.
    pub step: Option<String>,
    /// By whom.
    pub actor: String,
    /// Why.
    pub reason: String,
    /// When.
    #[schema(value_type = String, format = DateTime)]
    pub at: ChronoDateTimeUtc,
    /// The rules that do not hold for it, which may be none.
    #[schema(value_type = Vec<String>)]
    pub rules: Vec<&'static str>,
}

/// Sums; money in minor units.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, ToSchema)]
pub struct Sums {
    /// Orders that were confirmed.
    pub orders_confirmed: i64,
    /// Orders that were rejected.
    pub orders_rejected: i64,
    /// Orders that were cancelled.
    pub orders_cancelled: i64,
    /// Those of them that had been confirmed.
    pub orders_cancelled_confirmed: i64,
    /// What the confirmed orders cost, without those that were cancelled later.
    pub confirmed_total: i64,
    /// Deposits.
    pub deposited: i64,
    /// Withdrawals.
    pub withdrawn: i64,
    /// What was taken for orders that had held it.
    pub captured: i64,
    /// What of it, and of what was taken without a hold, was given back.
    pub refunded: i64,
    /// What was taken without a hold.
    pub paid: i64,
    /// What of it was for orders that were placed here.
    pub paid_for_orders: i64,
    /// The balances of all users.
    pub balances: i64,
    /// What of them is held.
    pub held: i64,
    /// Pieces that can be ordered.
    pub available: i64,
    /// Pieces that are promised to orders.
    pub reserved: i64,
    /// Pieces that confirmed orders took off the shelf.
    pub sold: i64,
    /// Letters about orders.
    pub letters: i64,
}

impl Report {
    /// Whether everything adds up.
    #[must_use]
    pub fn is_clean(&self) -> bool {
        self.findings.is_empty()
    }

    /// A rule is broken here, and altogether so often.
    pub(crate) fn broken(&mut self, rule: &'static str, count: u64, example: String) {
        match self.findings.iter_mut().find(|finding| finding.rule == rule) {
            Some(finding) => {
                finding.count = finding.count.max(count);
                if finding.examples.len() < EXAMPLES_MAX {
                    finding.examples.push(example);
                }
            }
            None => self.findings.push(Finding { rule, count, examples: vec![example] }),
        }
    }

    /// A rule is broken once more.
    pub(crate) fn broken_once_more(&mut self, rule: &'static str, example: String) {
        let before =
            self.findings.iter().find(|finding| finding.rule == rule).map_or(0, |finding| finding.count);
        self.broken(rule, before + 1, example);
    }

    /// The services disagree on this order.
    pub(crate) fn disagreed(&mut self, order_id: Uuid, rules: &[&'static str]) {
        for rule in rules {
            self.broken_once_more(rule, format!("order {order_id}"));
        }
        if self.orders.len() < ORDERS_MAX {
            self.orders.insert(order_id);
        }
    }

    /// Stock was reserved for it by hand.
    pub(crate) fn by_hand(&mut self, order_id: Uuid) {
        if self.reserved_by_hand.len() < ORDERS_MAX {
            self.reserved_by_hand.insert(order_id);
        }
    }

    /// What must be true of the sums. Those over several services are equal only while nothing moves.
    pub(crate) fn check_sums(&mut self, judged: Judged) {
        let sums = self.sums;
        let expected = sums.deposited - sums.withdrawn - sums.captured - sums.paid + sums.refunded;
        if sums.balances != expected {
            let said = format!("balances are {}, deposits less everything else {expected}", sums.balances);
            self.broken("no money comes from nowhere or goes there", 1, said);
        }
        if judged != Judged::All {
            return;
        }
        if sums.captured + sums.paid_for_orders - sums.refunded != sums.confirmed_total {
            let Sums { captured, paid_for_orders: paid, refunded, confirmed_total, .. } = sums;
            let said =
                format!("captured {captured}, paid {paid}, refunded {refunded}, confirmed {confirmed_total}");
            self.broken("what was taken for orders and not refunded is what confirmed orders cost", 1, said);
        }
        if sums.held != 0 {
            self.broken("nothing is held when every order has ended", 1, format!("held {}", sums.held));
        }
        let outcomes = sums.orders_confirmed
            + sums.orders_rejected
            + sums.orders_cancelled
            + sums.orders_cancelled_confirmed;
        if sums.letters != outcomes {
            let said = format!("{} letters, {outcomes} outcomes", sums.letters);
            self.broken("there is one letter per outcome", 1, said);
        }
    }
}
