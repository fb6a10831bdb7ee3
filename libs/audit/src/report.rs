//! What an audit found.

use crate::EXAMPLES_MAX;
use crate::finding::Finding;

/// What an audit found. Clean: everything adds up.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Report {
    /// What does not hold; one a rule.
    pub findings: Vec<Finding>,
    /// Sums over all, for people and for comparisons.
    pub sums: Sums,
    /// Messages that were put aside; whether that is a mistake depends on what was sent.
    pub dead_letters: i64,
    /// Events in an outbox that are not in the stream yet.
    pub unpublished_events: i64,
}

/// Sums; money in minor units.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
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
    /// What of it was given back.
    pub refunded: i64,
    /// What was taken without a hold.
    pub paid: i64,
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

    /// What must be true of the sums.
    pub(crate) fn check_sums(&mut self) {
        let sums = self.sums;
        let expected = sums.deposited - sums.withdrawn - sums.captured - sums.paid + sums.refunded;
        if sums.balances != expected {
            let said = format!("balances are {}, deposits less everything else {expected}", sums.balances);
            self.broken("no money comes from nowhere or goes there", 1, said);
        }
        if sums.captured - sums.refunded != sums.confirmed_total {
            let Sums { captured, refunded, confirmed_total, .. } = sums;
            let said = format!("captured {captured}, refunded {refunded}, confirmed {confirmed_total}");
            self.broken("what was captured and not refunded is what confirmed orders cost", 1, said);
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
