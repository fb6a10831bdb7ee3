//! What the system did: rows, statements, commits and log of PostgreSQL, messages and batches by the system's own
//! metrics. Taken before and after a run, while all is quiet; the difference is what its sagas cost.

use std::collections::BTreeMap;

use anyhow::{Context, bail};
use chrono::{DateTime, Utc};
use sea_orm::{
    ConnectOptions, ConnectionTrait, Database, DatabaseBackend, DatabaseConnection, DbErr, QueryResult,
    Statement,
};
use serde::Serialize;

use super::metrics::Metrics;
use super::percentiles::Percentiles;
use super::system::System;
use crate::services::Service;

const TABLES: &str =
    "SELECT relname::text, n_tup_ins, n_tup_upd, n_tup_hot_upd, n_tup_del FROM pg_stat_user_tables";
const COMMITS: &str = "SELECT xact_commit FROM pg_stat_database WHERE datname = current_database()";
const LOG_BYTES: &str = "SELECT pg_wal_lsn_diff(pg_current_wal_lsn(), '0/0')::bigint";
const OPEN: &str = "SELECT count(*) FROM sagas WHERE finished_at IS NULL";
/// Since when PostgreSQL counts: after a crash, or when told to, it begins anew.
const COUNTED_SINCE: &str = "SELECT concat_ws(', ', b.stats_reset, d.stats_reset) \
    FROM pg_stat_bgwriter AS b, pg_stat_database AS d WHERE d.datname = current_database()";
/// How many, and in how many milliseconds from their beginning half, 95, 99 % and all of them.
const FINISHED: &str = "SELECT finished, ms[1], ms[2], ms[3], ms[4] FROM (SELECT count(*) AS finished, \
    percentile_disc(ARRAY[0.5, 0.95, 0.99, 1]) WITHIN GROUP \
    (ORDER BY (extract(epoch FROM finished_at - created_at) * 1000)::float8) AS ms \
    FROM sagas WHERE finished_at >= $1 AND finished_at < $2) AS ended";
/// By database, without those that only begin and end transactions.
const STATEMENTS: &str = "SELECT datname::text, sum(calls)::bigint FROM pg_stat_statements \
    JOIN pg_database ON pg_database.oid = dbid \
    WHERE query !~* '^(begin|start transaction|commit|rollback)' GROUP BY datname";

/// Connections to the databases that are known.
pub(super) struct Observer {
    databases: Vec<(Service, DatabaseConnection)>,
    /// Where PostgreSQL's statements are counted, if they are.
    statements: Option<DatabaseConnection>,
}

/// Sagas that ended in some time.
#[derive(Debug, Clone, Copy, Default)]
pub(super) struct Finished {
    pub(super) count: f64,
    /// From their beginning to their end.
    pub(super) after_ms: Percentiles,
}

/// Rows written to a table.
#[derive(Debug, Clone, Copy, Default, PartialEq, Serialize)]
pub(super) struct Rows {
    pub(super) inserted: f64,
    pub(super) updated: f64,
    /// Of the updates: those that touched no index.
    pub(super) updated_hot: f64,
    pub(super) deleted: f64,
}

/// What a service's loop did.
#[derive(Debug, Clone, Copy, Default)]
pub(super) struct Batches {
    pub(super) count: f64,
    pub(super) inputs: f64,
    /// From begin to commit.
    pub(super) seconds: f64,
}

/// Counters, as they are or as they have grown.
#[derive(Debug, Clone, Default)]
pub(super) struct Work {
    /// By `service.table`.
    pub(super) rows: BTreeMap<String, Rows>,
    /// By service.
    pub(super) commits: BTreeMap<String, f64>,
    /// By service: since when its rows and commits are counted.
    counted_since: BTreeMap<String, String>,
    /// By database, where they are counted.
    pub(super) statements: BTreeMap<String, f64>,
    /// Of the whole server's write-ahead log.
    pub(super) log_bytes: f64,
    /// That PostgreSQL and NATS keep, by program.
    pub(super) stored_bytes: BTreeMap<&'static str, f64>,
    /// Sagas that ended.
    pub(super) sagas: f64,
    pub(super) messages: f64,
    pub(super) items: f64,
    pub(super) asked_again: f64,
    pub(super) dead_letters: f64,
    pub(super) batch_failures: f64,
    /// By service.
    pub(super) batches: BTreeMap<String, Batches>,
}

impl Observer {
    pub(super) async fn connect(system: &System) -> anyhow::Result<Self> {
        let mut databases = Vec::new();
        for service in Service::ALL {
            let Some(url) = system.database_url(service) else { continue };
            let connected = connect(url).await;
            databases
                .push((service, connected.with_context(|| format!("the database of {}", service.name()))?));
        }
        let statements = match system.statements_url() {
            Some(url) => Some(connect(&url).await.context("the server's own database")?),
            None => None,
        };
        Ok(Self { databases, statements })
    }

    fn orchestrator(&self) -> Option<&DatabaseConnection> {
        self.databases.iter().find(|(service, _)| *service == Service::Orchestrator).map(|(_, db)| db)
    }

    /// Whether any database is known.
    pub(super) fn sees_databases(&self) -> bool {
        !self.databases.is_empty()
    }

    /// Sagas that have not ended.
    pub(super) async fn open_sagas(&self, system: &System) -> anyhow::Result<i64> {
        match self.orchestrator() {
            Some(db) => Ok(number(db, plain(OPEN)).await?),
            None => Ok(system.metrics().await?.sum(orchestrator::metric_names::SAGAS_OPEN) as i64),
        }
    }

    /// Sagas that ended in this time; `None` without the orchestrator's database.
    pub(super) async fn finished_between(
        &self,
        from: DateTime<Utc>,
        to: DateTime<Utc>,
    ) -> anyhow::Result<Option<Finished>> {
        let Some(db) = self.orchestrator() else { return Ok(None) };
        let values = [from.into(), to.into()];
        let statement = Statement::from_sql_and_values(DatabaseBackend::Postgres, FINISHED, values);
        let row = db.query_one_raw(statement).await?.context("an aggregate has a row")?;
        let ms = |index| anyhow::Ok(row.try_get_by_index::<Option<f64>>(index)?.unwrap_or_default());
        let after_ms = Percentiles { p50: ms(1)?, p95: ms(2)?, p99: ms(3)?, max: ms(4)? };
        Ok(Some(Finished { count: count(&row, 0)?, after_ms }))
    }

    /// Everything that is counted, as of now.
    pub(super) async fn look(&self, system: &System) -> anyhow::Result<Work> {
        let mut work = Work::of(&system.metrics().await?);
        work.stored_bytes = system.stored_bytes();
        for (service, db) in &self.databases {
            for row in db.query_all_raw(plain(TABLES)).await? {
                let table: String = row.try_get_by_index(0)?;
                let rows = Rows {
                    inserted: count(&row, 1)?,
                    updated: count(&row, 2)?,
                    updated_hot: count(&row, 3)?,
                    deleted: count(&row, 4)?,
                };
                work.rows.insert(format!("{}.{table}", service.name()), rows);
            }
            let since = db.query_one_raw(plain(COUNTED_SINCE)).await?.context("a database is there")?;
            work.counted_since.insert(service.name().to_owned(), since.try_get_by_index(0)?);
            let commits = number(db, plain(COMMITS)).await?;
            work.commits.insert(service.name().to_owned(), commits as f64);
            work.log_bytes = number(db, plain(LOG_BYTES)).await? as f64;
        }
        if let Some(db) = &self.statements {
            for row in db.query_all_raw(plain(STATEMENTS)).await? {
                work.statements.insert(row.try_get_by_index(0)?, count(&row, 1)?);
            }
        }
        Ok(work)
    }
}

async fn connect(url: &str) -> Result<DatabaseConnection, DbErr> {
    let mut options = ConnectOptions::new(url);
    options.max_connections(1).sqlx_logging(false);
    Database::connect(options).await
}

fn plain(sql: &str) -> Statement {
    Statement::from_string(DatabaseBackend::Postgres, sql)
}

fn count(row: &QueryResult, index: usize) -> anyhow::Result<f64> {
    Ok(row.try_get_by_index::<i64>(index)? as f64)
}

async fn number(db: &DatabaseConnection, statement: Statement) -> anyhow::Result<i64> {
    let row = db.query_one_raw(statement).await?;
    Ok(row.map_or(Ok(0), |row| row.try_get_by_index(0))?)
}

impl Work {
    fn of(metrics: &Metrics) -> Self {
        use messaging::metric_names as m;
        use orchestrator::metric_names as o;
        let batches = Service::ALL.into_iter().map(Service::name).map(|service| {
            let of =
                |name: &str, part: &str| metrics.sum_where(&format!("{name}_{part}"), "service", service);
            let batches = Batches {
                count: of(m::BATCH_SIZE, "count"),
                inputs: of(m::BATCH_SIZE, "sum"),
                seconds: of(m::BATCH_SECONDS, "sum"),
            };
            (service.to_owned(), batches)
        });
        Self {
            batches: batches.filter(|(_, batches)| batches.count > 0.0).collect(),
            sagas: metrics.sum(o::SAGAS_FINISHED),
            messages: metrics.sum(m::PUBLISHED_MESSAGES),
            items: metrics.sum(m::PUBLISHED_ITEMS),
            asked_again: metrics.sum(o::COMMANDS_ASKED_AGAIN),
            dead_letters: metrics.sum(m::DEAD_LETTERS),
            batch_failures: metrics.sum(m::BATCH_FAILURES),
            ..Self::default()
        }
    }

    /// By how much everything has grown.
    ///
    /// # Errors
    /// PostgreSQL has begun to count anew in between.
    pub(super) fn since(&self, before: &Self) -> anyhow::Result<Self> {
        if self.counted_since != before.counted_since {
            bail!(
                "PostgreSQL has lost what it counts (it has crashed, or somebody has reset it): rows and commits of this run are not known"
            );
        }
        let less = |key: &str, now: &f64, before: &BTreeMap<String, f64>| {
            now - before.get(key).copied().unwrap_or(0.0)
        };
        let rows = self.rows.iter().map(|(table, now)| {
            let before = before.rows.get(table).copied().unwrap_or_default();
            (table.clone(), now.less(before))
        });
        let commits = self.commits.iter().map(|(name, now)| (name.clone(), less(name, now, &before.commits)));
        let statements = self.statements.iter();
        let statements = statements.map(|(name, now)| (name.clone(), less(name, now, &before.statements)));
        let stored = self.stored_bytes.iter();
        let stored = stored
            .map(|(name, now)| (*name, now - before.stored_bytes.get(name).copied().unwrap_or_default()));
        let batches = self.batches.iter().map(|(name, now)| {
            let before = before.batches.get(name).copied().unwrap_or_default();
            let batches = Batches {
                count: now.count - before.count,
                inputs: now.inputs - before.inputs,
                seconds: now.seconds - before.seconds,
            };
            (name.clone(), batches)
        });
        Ok(Self {
            rows: rows.filter(|(_, rows)| *rows != Rows::default()).collect(),
            counted_since: self.counted_since.clone(),
            commits: commits.collect(),
            statements: statements.collect(),
            log_bytes: self.log_bytes - before.log_bytes,
            stored_bytes: stored.collect(),
            sagas: self.sagas - before.sagas,
            messages: self.messages - before.messages,
            items: self.items - before.items,
            asked_again: self.asked_again - before.asked_again,
            dead_letters: self.dead_letters - before.dead_letters,
            batch_failures: self.batch_failures - before.batch_failures,
            batches: batches.filter(|(_, batches)| batches.count > 0.0).collect(),
        })
    }
}

impl Rows {
    fn less(self, other: Self) -> Self {
        Self {
            inserted: self.inserted - other.inserted,
            updated: self.updated - other.updated,
            updated_hot: self.updated_hot - other.updated_hot,
            deleted: self.deleted - other.deleted,
        }
    }

    /// Rows written.
    pub(super) fn written(self) -> f64 {
        self.inserted + self.updated + self.deleted
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_postgresql_counts_anew_is_no_difference() {
        let work = |since: &str, commits: f64| Work {
            counted_since: BTreeMap::from([("stock".to_owned(), since.to_owned())]),
            commits: BTreeMap::from([("stock".to_owned(), commits)]),
            ..Work::default()
        };
        let grown = work("noon", 5.0).since(&work("noon", 2.0)).unwrap();
        assert_eq!(grown.commits, BTreeMap::from([("stock".to_owned(), 3.0)]));
        let said = work("one", 1.0).since(&work("noon", 2.0)).unwrap_err().to_string();
        assert!(said.contains("lost what it counts"), "{said}");
    }
}
