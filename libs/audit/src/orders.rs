//! Every order with its traces in all services, a page after the other.
//!
//! A page is a range of order ids and read by that range everywhere, so that what somebody has for an
//! order that does not exist is seen too.

use std::collections::{HashMap, HashSet};

use sea_orm::Value;
use uuid::Uuid;

use crate::order::{Booking, Delivery, Hold, Letter, Order, Traces};
use crate::quiet::Judged;
use crate::report::{Accepted, Report};
use crate::{AuditError, Books, Expected};

/// Orders of one page; bounds the memory.
const PAGE: usize = 50_000;

/// Those that leave traces of an order.
pub(crate) struct Databases<'a> {
    pub(crate) orchestrator: &'a Books,
    pub(crate) billing: &'a Books,
    pub(crate) stock: &'a Books,
    pub(crate) delivery: &'a Books,
    pub(crate) notification: &'a Books,
}

/// Order ids above the first, up to the second.
#[derive(Clone, Copy)]
struct Range(Uuid, Uuid);

impl Range {
    fn values(self) -> Vec<Value> {
        vec![self.0.into(), self.1.into()]
    }

    fn contains(self, order_id: Uuid) -> bool {
        self.0 < order_id && order_id <= self.1
    }
}

type Page = HashMap<Uuid, Traces>;

pub(crate) async fn check(
    databases: &Databases<'_>,
    expected: &Expected,
    judged: Judged,
    report: &mut Report,
) -> Result<(), AuditError> {
    let mut after = Uuid::nil();
    loop {
        let range = Range(after, databases.end_of_page(after).await?);
        let mut page = Page::new();
        databases.orders(range, &mut page).await?;
        databases.money(range, &mut page).await?;
        databases.goods(range, &mut page).await?;
        databases.rounds(range, &mut page).await?;
        databases.letters(range, &mut page).await?;
        databases.accepted(range, &mut page).await?;
        for (order_id, told) in expected.orders.iter().filter(|(order_id, _)| range.contains(**order_id)) {
            page.entry(*order_id).or_default().told = Some(*told);
        }
        // After everything was read: what moved while it was read is seen, too.
        let ids = page
            .iter()
            .filter(|(_, traces)| !traces.broken_rules().is_empty())
            .map(|(order_id, _)| *order_id);
        let moving = judged.moving(databases.orchestrator, ids.collect()).await?;
        judge(page, &moving, judged, report);
        if range.1 == Uuid::max() {
            return Ok(());
        }
        after = range.1;
    }
}

fn judge(page: Page, moving: &HashSet<Uuid>, judged: Judged, report: &mut Report) {
    for (order_id, traces) in page {
        if moving.contains(&order_id) {
            report.orders_moving += 1;
        } else if judged != Judged::All && traces.may_be_by_hand() {
            report.by_hand(order_id);
        } else {
            judge_one(order_id, &traces, report);
        }
        let about_outcomes = traces.letters.iter().filter(|letter| letter.is_of_outcome()).count();
        report.sums.letters += i64::try_from(about_outcomes).unwrap_or(i64::MAX);
        let Some(order) = &traces.order else { continue };
        report.sums.paid_for_orders += traces.payments.iter().sum::<i64>();
        match order.status.as_str() {
            "rejected" => report.sums.orders_rejected += 1,
            "cancelled" => {
                report.sums.orders_cancelled += 1;
                report.sums.orders_cancelled_confirmed += i64::from(traces.was_confirmed());
            }
            "pending" => {}
            _ => {
                report.sums.orders_confirmed += 1;
                report.sums.confirmed_total += order.total.unwrap_or_default();
            }
        }
    }
}

fn judge_one(order_id: Uuid, traces: &Traces, report: &mut Report) {
    report.orders_judged += 1;
    let rules = traces.broken_rules();
    if !traces.accepted.is_empty() {
        let accepted = traces.accepted.iter().cloned();
        report.accepted.extend(accepted.map(|accepted| Accepted { rules: rules.clone(), ..accepted }));
    } else if !rules.is_empty() {
        report.disagreed(order_id, &rules);
    }
}

impl Databases<'_> {
    /// The last id of the page; the highest there is for the last page.
    async fn end_of_page(&self, after: Uuid) -> Result<Uuid, AuditError> {
        let sql = format!(
            "SELECT order_id FROM orders WHERE order_id > $1 ORDER BY order_id OFFSET {PAGE} LIMIT 1"
        );
        let rows = self.orchestrator.rows(&sql, vec![after.into()]).await?;
        rows.first().map_or(Ok(Uuid::max()), |row| self.orchestrator.column(row, 0))
    }

    async fn orders(&self, range: Range, page: &mut Page) -> Result<(), AuditError> {
        let sql = "SELECT order_id, user_id, status, total, items::text FROM orders \
                   WHERE order_id > $1 AND order_id <= $2";
        let books = self.orchestrator;
        for row in books.rows(sql, range.values()).await? {
            let items: String = books.column(&row, 4)?;
            let order = Order {
                user_id: books.column(&row, 1)?,
                status: books.column(&row, 2)?,
                total: books.column(&row, 3)?,
                items: books.json(&items)?,
            };
            page.entry(books.column(&row, 0)?).or_default().order = Some(order);
        }
        Ok(())
    }

    async fn money(&self, range: Range, page: &mut Page) -> Result<(), AuditError> {
        let books = self.billing;
        let sql = "SELECT order_id, state, user_id, amount FROM holds WHERE order_id > $1 AND order_id <= $2";
        for row in books.rows(sql, range.values()).await? {
            let hold = Hold {
                state: books.column(&row, 1)?,
                user_id: books.column(&row, 2)?,
                amount: books.column(&row, 3)?,
            };
            page.entry(books.column(&row, 0)?).or_default().hold = Some(hold);
        }
        let sql = "SELECT order_id, amount, kind FROM entries WHERE order_id > $1 AND order_id <= $2";
        for row in books.rows(sql, range.values()).await? {
            let traces = page.entry(books.column(&row, 0)?).or_default();
            let kind: String = books.column(&row, 2)?;
            let entries = match kind.as_str() {
                "capture" => &mut traces.captures,
                "payment" => &mut traces.payments,
                _ => &mut traces.refunds,
            };
            entries.push(books.column(&row, 1)?);
        }
        Ok(())
    }

    async fn goods(&self, range: Range, page: &mut Page) -> Result<(), AuditError> {
        let books = self.stock;
        let sql = "SELECT order_id, state::text FROM reservations WHERE order_id > $1 AND order_id <= $2";
        for row in books.rows(sql, range.values()).await? {
            let state: String = books.column(&row, 1)?;
            page.entry(books.column(&row, 0)?).or_default().reservation = Some(books.json(&state)?);
        }
        Ok(())
    }

    async fn rounds(&self, range: Range, page: &mut Page) -> Result<(), AuditError> {
        let books = self.delivery;
        let sql =
            "SELECT order_id, status, user_id, slot FROM deliveries WHERE order_id > $1 AND order_id <= $2";
        for row in books.rows(sql, range.values()).await? {
            let delivery = Delivery {
                status: books.column(&row, 1)?,
                user_id: books.column(&row, 2)?,
                slot: books.column(&row, 3)?,
            };
            page.entry(books.column(&row, 0)?).or_default().delivery = Some(delivery);
        }
        let sql = "SELECT order_id, state, begins_at FROM bookings WHERE order_id > $1 AND order_id <= $2";
        for row in books.rows(sql, range.values()).await? {
            let booking = Booking { state: books.column(&row, 1)?, begins_at: books.column(&row, 2)? };
            page.entry(books.column(&row, 0)?).or_default().booking = Some(booking);
        }
        Ok(())
    }

    async fn accepted(&self, range: Range, page: &mut Page) -> Result<(), AuditError> {
        let books = self.orchestrator;
        let sql = "SELECT key, action, target, actor, reason, at FROM operator_actions \
                   WHERE accepted_difference AND key > $1 AND key <= $2 ORDER BY action_id";
        for row in books.rows(sql, range.values()).await? {
            let order_id = books.column(&row, 0)?;
            let accepted = Accepted {
                order_id,
                action: books.column(&row, 1)?,
                step: books.column(&row, 2)?,
                actor: books.column(&row, 3)?,
                reason: books.column(&row, 4)?,
                at: books.column(&row, 5)?,
                rules: Vec::new(),
            };
            page.entry(order_id).or_default().accepted.push(accepted);
        }
        Ok(())
    }

    async fn letters(&self, range: Range, page: &mut Page) -> Result<(), AuditError> {
        let books = self.notification;
        let sql = "SELECT order_id, kind, user_id FROM letters WHERE order_id > $1 AND order_id <= $2";
        for row in books.rows(sql, range.values()).await? {
            let letter = Letter { kind: books.column(&row, 1)?, user_id: books.column(&row, 2)? };
            page.entry(books.column(&row, 0)?).or_default().letters.push(letter);
        }
        Ok(())
    }
}
