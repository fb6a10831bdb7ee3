//! The independent check that money, stock and deliveries add up, over the services' databases, in plain SQL.
//!
//! It shares no code with the services: what they believe of themselves is not believed here. The
//! databases are read one after the other, so orders are compared that nobody moves meanwhile: all of
//! them in a system that is quiet ([`audit`]), the quiet ones of a system at work ([`audit_quiet`]). What
//! one service says of itself is compared in one statement, and holds at every moment.
//!
//! The server lets the audit's sessions write nothing.

mod books;
mod finding;
mod order;
mod orders;
mod quiet;
mod report;
mod rounds;
mod shelves;
mod workflow;

use std::collections::{BTreeMap, HashMap};

use sea_orm::{ConnectOptions, ConnectionTrait, Database, DatabaseBackend, DatabaseConnection, Statement};
use uuid::Uuid;

pub use finding::Finding;
use quiet::Judged;
pub use report::{Accepted, Report, Sums};

/// Where the databases are: `postgres://` addresses of roles that may read.
#[derive(Debug, Clone)]
pub struct DatabaseUrls {
    /// The ledger.
    pub billing: String,
    /// Positions and reservations.
    pub stock: String,
    /// Deliveries, and couriers' hours.
    pub delivery: String,
    /// Orders and sagas.
    pub orchestrator: String,
    /// Letters.
    pub notification: String,
}

/// What somebody outside knows of the system, to be found again in it.
#[derive(Debug, Clone, Default)]
pub struct Expected {
    /// The orders that clients know of, and what they were told last.
    pub orders: HashMap<Uuid, Told>,
    /// What was put in stock of these positions, and never changed by an operator afterwards.
    pub put_in_stock: BTreeMap<Uuid, i64>,
    /// What these users have put on their accounts altogether, in minor units.
    pub deposited: BTreeMap<Uuid, i64>,
}

/// What a client was told of its order.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Told {
    /// It was accepted; its fate is not known to the client.
    Accepted,
    /// 201.
    Confirmed,
    /// A refusal.
    Rejected,
}

/// A database cannot be read.
#[derive(Debug, thiserror::Error)]
#[error("the database of {service} cannot be audited: {source}")]
pub struct AuditError {
    /// Whose.
    pub service: &'static str,
    /// Why.
    pub source: sea_orm::DbErr,
}

/// Checks what must be true of every quiet system.
///
/// # Errors
/// A database cannot be read. What does not add up is no error but a finding.
pub async fn audit(urls: &DatabaseUrls) -> Result<Report, AuditError> {
    audit_against(urls, &Expected::default()).await
}

/// As [`audit`], and that everything expected is there.
///
/// # Errors
/// A database cannot be read.
pub async fn audit_against(urls: &DatabaseUrls, expected: &Expected) -> Result<Report, AuditError> {
    audit_these(urls, expected, Judged::All).await
}

/// Checks a system at work: only orders whose sagas have all ended, and that nobody has touched, for so
/// many seconds.
///
/// # Errors
/// A database cannot be read.
pub async fn audit_quiet(urls: &DatabaseUrls, quiet_seconds: u32) -> Result<Report, AuditError> {
    audit_these(urls, &Expected::default(), Judged::QuietFor(quiet_seconds)).await
}

async fn audit_these(urls: &DatabaseUrls, expected: &Expected, judged: Judged) -> Result<Report, AuditError> {
    let billing = Books::open("billing", &urls.billing).await?;
    let stock = Books::open("stock", &urls.stock).await?;
    let delivery = Books::open("delivery", &urls.delivery).await?;
    let orchestrator = Books::open("orchestrator", &urls.orchestrator).await?;
    let notification = Books::open("notification", &urls.notification).await?;
    let mut report = Report::default();
    books::check(&billing, expected, &mut report).await?;
    shelves::check(&stock, expected, &mut report).await?;
    rounds::check(&delivery, &mut report).await?;
    workflow::check(&orchestrator, judged, &mut report).await?;
    let all = orders::Databases {
        orchestrator: &orchestrator,
        billing: &billing,
        stock: &stock,
        delivery: &delivery,
        notification: &notification,
    };
    orders::check(&all, expected, judged, &mut report).await?;
    report.check_sums(judged);
    for database in [billing, stock, delivery, orchestrator, notification] {
        report.dead_letters += database.number("SELECT count(*) FROM dead_letters").await?;
        database.close().await?;
    }
    Ok(report)
}

/// A service's database, read only.
struct Books {
    service: &'static str,
    db: DatabaseConnection,
}

/// How many rows are named of those that break a rule; all are counted.
const EXAMPLES_MAX: usize = 1_000;

/// What every session sets: nothing is written, nothing runs for ever, and no query takes more than one core from those
/// who are at work.
const SESSION_SETTINGS: [(&str, &str); 4] = [
    ("default_transaction_read_only", "on"),
    ("statement_timeout", "10min"),
    ("max_parallel_workers_per_gather", "0"),
    ("application_name", "rondo-audit"),
];

impl Books {
    async fn open(service: &'static str, url: &str) -> Result<Self, AuditError> {
        let mut options = ConnectOptions::new(url);
        options
            .max_connections(1)
            .sqlx_logging(false)
            .map_sqlx_postgres_opts(|session| session.options(SESSION_SETTINGS));
        let connected = Database::connect(options).await;
        connected.map(|db| Self { service, db }).map_err(|source| AuditError { service, source })
    }

    async fn close(self) -> Result<(), AuditError> {
        self.db.close().await.map_err(|source| AuditError { service: self.service, source })
    }

    async fn rows(
        &self,
        sql: &str,
        values: Vec<sea_orm::Value>,
    ) -> Result<Vec<sea_orm::QueryResult>, AuditError> {
        let statement = Statement::from_sql_and_values(DatabaseBackend::Postgres, sql, values);
        let rows = self.db.query_all_raw(statement).await;
        rows.map_err(|source| AuditError { service: self.service, source })
    }

    /// The single number that a query gives.
    async fn number(&self, sql: &str) -> Result<i64, AuditError> {
        let rows = self.rows(sql, Vec::new()).await?;
        rows.first().map_or(Ok(0), |row| self.column(row, 0))
    }

    fn column<T: sea_orm::TryGetable>(
        &self,
        row: &sea_orm::QueryResult,
        index: usize,
    ) -> Result<T, AuditError> {
        row.try_get_by_index(index).map_err(|source| AuditError { service: self.service, source })
    }

    fn json<T: serde::de::DeserializeOwned>(&self, text: &str) -> Result<T, AuditError> {
        let read = serde_json::from_str(text);
        read.map_err(|error| AuditError {
            service: self.service,
            source: sea_orm::DbErr::Json(error.to_string()),
        })
    }

    /// Each rule is a query for what breaks it: one text a row.
    async fn rules(&self, rules: &[(&'static str, &str)], report: &mut Report) -> Result<(), AuditError> {
        for (rule, breaking) in rules {
            let sql = format!(
                "SELECT said, count(*) OVER () FROM ({breaking}) AS breaking (said) LIMIT {EXAMPLES_MAX}"
            );
            for row in self.rows(&sql, Vec::new()).await? {
                let said: String = self.column(&row, 0)?;
                let count: i64 = self.column(&row, 1)?;
                report.broken(rule, u64::try_from(count).unwrap_or(u64::MAX), said);
            }
        }
        Ok(())
    }
}
