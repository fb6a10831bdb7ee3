//! Compares what is there with what clients were told. It shares no code with the services: plain SQL of its own, the
//! independent audit, and the records of the clients.

use std::collections::{BTreeMap, HashMap};
use std::time::{Duration, Instant};

use anyhow::Context;
use audit::{DatabaseUrls, Expected, Told};
use sea_orm::{
    ConnectOptions, ConnectionTrait, Database, DatabaseBackend, DatabaseConnection, QueryResult, Statement,
};
use serde::Serialize;
use uuid::Uuid;

use super::poison::MARK;
use super::records::{Book, Outcome, Placed, Status};
use super::refusals::Slots;
use super::system::System;
use super::{layout, refusals};

const LOOK_EVERY: Duration = Duration::from_millis(250);

/// Connections past all proxies.
pub(super) struct Auditor {
    databases: BTreeMap<&'static str, DatabaseConnection>,
    urls: DatabaseUrls,
}

/// What was found of deposits, withdrawals and orders whose answer was lost.
#[derive(Debug, Default, Clone, Copy, Serialize)]
pub(super) struct Unknown {
    pub(super) found_done_once: u64,
    pub(super) found_not_done: u64,
}

/// What was found.
#[derive(Debug, Default)]
pub(super) struct Findings {
    pub(super) violations: Vec<String>,
    pub(super) unknown: Unknown,
    /// Of poison; all others are violations.
    pub(super) dead_letters: i64,
    pub(super) orders: BTreeMap<String, i64>,
    pub(super) commands_asked_again: i64,
}

/// An order as the database has it.
struct Kept {
    order_id: Uuid,
    user_id: Uuid,
    status: Option<Status>,
    total: Option<i64>,
    reason: Option<String>,
}

impl Auditor {
    pub(super) async fn connect(system: &System) -> anyhow::Result<Self> {
        let mut databases = BTreeMap::new();
        for service in layout::LOOPED.into_iter().chain(["user"]) {
            let mut options = ConnectOptions::new(system.database_url(service));
            options.max_connections(1).sqlx_logging(false);
            databases.insert(service, Database::connect(options).await.context(service)?);
        }
        let url = |service| system.database_url(service);
        let urls = DatabaseUrls {
            billing: url("billing"),
            stock: url("stock"),
            delivery: url("delivery"),
            orchestrator: url("orchestrator"),
            notification: url("notification"),
        };
        Ok(Self { databases, urls })
    }

    async fn rows(&self, service: &str, sql: &str) -> anyhow::Result<Vec<QueryResult>> {
        let db = self.databases.get(service).context("no such database")?;
        Ok(db.query_all_raw(Statement::from_string(DatabaseBackend::Postgres, sql)).await?)
    }

    async fn number(&self, service: &str, sql: &str) -> anyhow::Result<i64> {
        let rows = self.rows(service, sql).await?;
        Ok(rows.first().map_or(Ok(0), |row| row.try_get_by_index(0))?)
    }

    /// Waits until nothing moves any more, and says how long that took; or what still does.
    pub(super) async fn quiet(&self, within: Duration) -> Result<Duration, String> {
        let began = Instant::now();
        loop {
            let moving = match self.moving().await {
                Ok(moving) if moving.is_empty() => return Ok(began.elapsed()),
                Ok(moving) => moving.join(", "),
                Err(error) => format!("{error:#}"),
            };
            if began.elapsed() > within {
                return Err(format!("not quiet within {} s: {moving}", within.as_secs()));
            }
            tokio::time::sleep(LOOK_EVERY).await;
        }
    }

    /// What has not come to its end.
    async fn moving(&self) -> anyhow::Result<Vec<String>> {
        let mut moving = Vec::new();
        let open = "SELECT format('saga %s of %s is %s and waits for %s%s', saga_id, key, status, waits_for, \
                    CASE WHEN paused_by IS NULL THEN '' ELSE ', paused by ' || paused_by END) \
                    FROM sagas WHERE finished_at IS NULL LIMIT 5";
        for row in self.rows("orchestrator", open).await? {
            moving.push(row.try_get_by_index::<String>(0)?);
        }
        for service in layout::WITH_OUTBOX {
            let unsent = self.number(service, "SELECT count(*) FROM outbox WHERE sequence IS NULL").await?;
            if unsent > 0 {
                moving.push(format!("{unsent} rows in the outbox of {service}"));
            }
        }
        let reserved =
            self.number("stock", "SELECT coalesce(sum(reserved), 0)::bigint FROM positions").await?;
        if reserved > 0 {
            moving.push(format!("{reserved} pieces reserved, and not sold"));
        }
        for status in ["sent", "received"] {
            let of_status = |table: &str| format!("SELECT count(*) FROM {table} WHERE status = '{status}'");
            let ordered = self.number("orchestrator", &of_status("orders")).await?;
            let delivered = self.number("delivery", &of_status("deliveries")).await?;
            if ordered != delivered {
                moving.push(format!("{delivered} deliveries are {status}, and {ordered} orders"));
            }
        }
        let told = "SELECT count(*) FROM letters WHERE kind IN ('order_sent', 'order_received')";
        let told = self.number("notification", told).await?;
        let gone = "SELECT count(*) FILTER (WHERE status IN ('sent', 'received')) \
                    + count(*) FILTER (WHERE status = 'received') FROM deliveries";
        let gone = self.number("delivery", gone).await?;
        if told != gone {
            moving.push(format!("{told} letters about deliveries, {gone} expected"));
        }
        Ok(moving)
    }

    /// Everything, while nothing moves. `put_in_stock`: pieces of each position.
    pub(super) async fn audit(
        &self,
        book: &Book,
        balances: &BTreeMap<Uuid, i64>,
        put_in_stock: BTreeMap<Uuid, i64>,
    ) -> anyhow::Result<Findings> {
        let mut findings = Findings { violations: book.violations.clone(), ..Findings::default() };
        let kept = self.kept().await?;
        let mut money: BTreeMap<Uuid, i64> = BTreeMap::new();
        let deposited = self.payments(book, &mut money, &mut findings).await?;
        self.orders(book, &kept, &mut money, &mut findings).await?;
        for (user_id, balance) in balances {
            let expected = money.get(user_id).copied().unwrap_or_default();
            if *balance != expected {
                let words = format!("user {user_id} is told a balance of {balance}, and computes {expected}");
                findings.violations.push(words);
            }
        }
        let expected = Expected { orders: told(book), put_in_stock, deposited };
        let report = audit::audit_against(&self.urls, &expected).await?;
        findings.violations.extend(report.findings.iter().map(ToString::to_string));
        self.letters_of_poison(&mut findings).await?;
        let again = "SELECT count(*) FROM saga_history WHERE inputs LIKE '%[\"wake\",%'";
        findings.commands_asked_again = self.number("orchestrator", again).await?;
        Ok(findings)
    }

    /// Each deposit and withdrawal is in the ledger as often as its client may think. Gives what was deposited.
    async fn payments(
        &self,
        book: &Book,
        money: &mut BTreeMap<Uuid, i64>,
        findings: &mut Findings,
    ) -> anyhow::Result<BTreeMap<Uuid, i64>> {
        let sql = "SELECT user_id, kind, amount, count(*) FROM entries \
                   WHERE kind IN ('deposit', 'withdrawal') GROUP BY user_id, kind, amount";
        let mut entries: HashMap<(Uuid, String, i64), i64> = HashMap::new();
        for row in self.rows("billing", sql).await? {
            let key = (row.try_get_by_index(0)?, row.try_get_by_index(1)?, row.try_get_by_index(2)?);
            entries.insert(key, row.try_get_by_index(3)?);
        }
        let mut deposited = BTreeMap::new();
        for payment in &book.payments {
            let key = (payment.user_id, payment.kind.to_owned(), payment.amount);
            let found = entries.remove(&key).unwrap_or(0);
            let what = || format!("{} of {} by {}", payment.kind, payment.amount, payment.user_id);
            findings.judge(payment.outcome, found, what);
            let is_deposit = payment.kind == "deposit";
            let amount = found * payment.amount;
            *money.entry(payment.user_id).or_default() += if is_deposit { amount } else { -amount };
            if is_deposit {
                *deposited.entry(payment.user_id).or_default() += amount;
            }
        }
        for ((user_id, kind, amount), times) in entries {
            let words = format!("nobody asked for a {kind} of {amount} by {user_id}, {times} times");
            findings.violations.push(words);
        }
        Ok(deposited)
    }

    /// Every order by its comment.
    async fn kept(&self) -> anyhow::Result<HashMap<String, Vec<Kept>>> {
        let sql = "SELECT coalesce(comment, ''), order_id, user_id, status, total, reason FROM orders";
        let mut kept: HashMap<String, Vec<Kept>> = HashMap::new();
        for row in self.rows("orchestrator", sql).await? {
            let order = Kept {
                order_id: row.try_get_by_index(1)?,
                user_id: row.try_get_by_index(2)?,
                status: Status::parse(&row.try_get_by_index::<String>(3)?),
                total: row.try_get_by_index(4)?,
                reason: row.try_get_by_index(5)?,
            };
            kept.entry(row.try_get_by_index(0)?).or_default().push(order);
        }
        Ok(kept)
    }

    async fn orders(
        &self,
        book: &Book,
        kept: &HashMap<String, Vec<Kept>>,
        money: &mut BTreeMap<Uuid, i64>,
        findings: &mut Findings,
    ) -> anyhow::Result<()> {
        let slots = Slots::of(book.orders.iter());
        let placed: HashMap<&str, &Placed> =
            book.orders.iter().map(|order| (order.marker.as_str(), order)).collect();
        for order in &book.orders {
            let found = kept.get(&order.marker).map_or(&[][..], Vec::as_slice);
            // A rejected order is kept, too.
            let outcome = if order.order_id.is_some() { Outcome::Done } else { order.outcome };
            let times = i64::try_from(found.len()).unwrap_or(i64::MAX);
            findings.judge(outcome, times, || format!("order {:?} ({:?})", order.marker, order.order_id));
            for one in found {
                findings.judge_order(order, one, book, &slots);
                if matches!(one.status, Some(Status::Confirmed | Status::Sent | Status::Received)) {
                    *money.entry(order.user_id).or_default() -= order.total;
                }
            }
        }
        for marker in kept.keys().filter(|marker| !placed.contains_key(marker.as_str())) {
            findings.violations.push(format!("nobody placed the order {marker:?}"));
        }
        let counted = "SELECT status, count(*) FROM orders GROUP BY status";
        for row in self.rows("orchestrator", counted).await? {
            findings.orders.insert(row.try_get_by_index(0)?, row.try_get_by_index(1)?);
        }
        Ok(())
    }

    async fn letters_of_poison(&self, findings: &mut Findings) -> anyhow::Result<()> {
        for service in layout::LOOPED {
            let sql = format!(
                "SELECT position('{MARK}'::bytea IN payload) > 0, count(*), \
                 min(left(format('%s: %s', subject, error), 300)) FROM dead_letters GROUP BY 1"
            );
            for row in self.rows(service, &sql).await? {
                let count: i64 = row.try_get_by_index(1)?;
                if row.try_get_by_index(0)? {
                    findings.dead_letters += count;
                } else {
                    let example: String = row.try_get_by_index(2)?;
                    let words = format!("{count} healthy messages are dead letters of {service}: {example}");
                    findings.violations.push(words);
                }
            }
        }
        Ok(())
    }
}

impl Findings {
    /// Whether something is there as often as its client may think.
    fn judge(&mut self, outcome: Outcome, found: i64, what: impl Fn() -> String) {
        match (outcome, found) {
            (Outcome::Done, 1) | (Outcome::Declined | Outcome::NotDone, 0) => {}
            (Outcome::Unknown, 1) => self.unknown.found_done_once += 1,
            (Outcome::Unknown, 0) => self.unknown.found_not_done += 1,
            (outcome, times) => {
                self.violations.push(format!("{}: told {:?}, found {times} times", what(), outcome));
            }
        }
    }

    fn judge_order(&mut self, placed: &Placed, kept: &Kept, book: &Book, slots: &Slots<'_>) {
        let order_id = kept.order_id;
        let mut must = |holds: bool, words: String| {
            if !holds {
                self.violations.push(format!("order {order_id} ({}): {words}", placed.marker));
            }
        };
        let cancel_asked = book.cancel_asked.contains(&order_id);
        must(kept.user_id == placed.user_id, "another user's".to_owned());
        must(placed.order_id.is_none_or(|told| told == order_id), format!("told as {:?}", placed.order_id));
        let Some(status) = kept.status else { return must(false, "of an unknown status".to_owned()) };
        let told = placed.told.unwrap_or(Status::Pending);
        must(told.may_become(status, cancel_asked), format!("told {told:?}, is {status:?}"));
        must(status != Status::Cancelled || cancel_asked, "cancelled by nobody".to_owned());
        let reason = kept.reason.as_deref();
        let is_right = status != Status::Rejected || refusals::is_right(reason, placed, slots, cancel_asked);
        must(is_right, format!("wrongly rejected: {}", reason.unwrap_or("without a reason")));
        for (_, moved) in book.moved.iter().filter(|(of, _)| *of == order_id) {
            let is_there = status == *moved || (*moved == Status::Sent && status == Status::Received);
            must(is_there, format!("its courier was told {moved:?}, it is {status:?}"));
        }
        if matches!(status, Status::Confirmed | Status::Sent | Status::Received) {
            must(kept.total == Some(placed.total), format!("costs {:?}, not {}", kept.total, placed.total));
        }
    }
}

/// What clients were told, in the words of the audit.
fn told(book: &Book) -> HashMap<Uuid, Told> {
    let of = |placed: &Placed| {
        let told = match placed.told {
            Some(Status::Confirmed | Status::Sent | Status::Received) => Told::Confirmed,
            Some(Status::Rejected | Status::Cancelled) if !book.cancel_asked.contains(&placed.order_id?) => {
                Told::Rejected
            }
            _ => Told::Accepted,
        };
        Some((placed.order_id?, told))
    };
    book.orders.iter().filter_map(of).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn judged(outcome: Outcome, found: i64) -> Findings {
        let mut findings = Findings::default();
        findings.judge(outcome, found, String::new);
        findings
    }

    #[test]
    fn what_was_answered_is_there_once_and_what_was_turned_away_is_not() {
        for (outcome, found) in [(Outcome::Done, 1), (Outcome::Declined, 0), (Outcome::NotDone, 0)] {
            assert!(judged(outcome, found).violations.is_empty());
            assert_eq!(judged(outcome, 1 - found).violations.len(), 1, "{outcome:?}");
            assert_eq!(judged(outcome, 2).violations.len(), 1);
        }
    }

    #[test]
    fn what_nobody_knows_is_there_once_or_not_at_all() {
        assert_eq!(judged(Outcome::Unknown, 1).unknown.found_done_once, 1);
        assert_eq!(judged(Outcome::Unknown, 0).unknown.found_not_done, 1);
        assert_eq!(judged(Outcome::Unknown, 2).violations.len(), 1);
    }
}
