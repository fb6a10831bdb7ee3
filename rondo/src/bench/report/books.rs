//! The audit's outcome.

use serde::Serialize;

/// Whether money, stock and letters add up.
#[derive(Debug, Serialize)]
pub(in crate::bench) struct Books {
    pub(super) clean: bool,
    pub(super) findings: Vec<String>,
    pub(super) orders_confirmed: i64,
    pub(super) orders_rejected: i64,
    pub(super) letters: i64,
    pub(super) captured: i64,
    confirmed_total: i64,
    pub(super) deposited: i64,
    pub(super) balances: i64,
    pub(super) held: i64,
    unpublished_events: i64,
}

impl Books {
    pub(in crate::bench) fn of(report: &audit::Report) -> Self {
        let sums = report.sums;
        Self {
            clean: report.is_clean(),
            findings: report.findings.iter().map(ToString::to_string).collect(),
            orders_confirmed: sums.orders_confirmed,
            orders_rejected: sums.orders_rejected,
            letters: sums.letters,
            captured: sums.captured,
            confirmed_total: sums.confirmed_total,
            deposited: sums.deposited,
            balances: sums.balances,
            held: sums.held,
            unpublished_events: report.unpublished_events,
        }
    }
}
