//! What the system did: rows, commits and log of PostgreSQL, messages and batches by the system's own
//! metrics. Taken before and after a run, while all is quiet; the difference is what its sagas cost.

use std::collections::BTreeMap;

use anyhow::Context;
use sea_orm::{
    ConnectOptions, ConnectionTrait, Database, DatabaseBackend, DatabaseConnection, QueryResult, Statement,
};
use serde::Serialize;

use super::metrics::Metrics;
use super::system::System;
use crate::services::Service;

const TABLES: &str =
    "SELECT relname::text, n_tup_ins, n_tup_upd, n_tup_hot_upd, n_tup_del FROM pg_stat_user_tables";
const COMMITS: &str = "SELECT xact_commit FROM pg_stat_database WHERE datname = current_database()";
const LOG_BYTES: &str = "SELECT pg_wal_lsn_diff(pg_current_wal_lsn(), '0/0')::bigint";
const OPEN: &str = "SELECT count(*) FROM sagas WHERE finished_at IS NULL";
const FINISHED: &str = "SELECT count(*) FROM sagas WHERE finished_at >= $1 AND finished_at < $2";

/// Connections to the databases that are known.
pub(super) struct Observer<'a> {
    system: &'a System,
    databases: Vec<(Service, DatabaseConnection)>,
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
    /// Of the whole server's write-ahead log.
    pub(super) log_bytes: f64,
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

impl<'a> Observer<'a> {
    pub(super) async fn connect(system: &'a System) -> anyhow::Result<Self> {
        let mut databases = Vec::new();
        for service in Service::ALL {
            let Some(url) = system.database_url(service) else { continue };
            let mut options = ConnectOptions::new(url);
            options.max_connections(1).sqlx_logging(false);
            let connected = Database::connect(options).await;
            databases
                .push((service, connected.with_context(|| format!("the database of {}", service.name()))?));
        }
        Ok(Self { system, databases })
    }

    fn orchestrator(&self) -> Option<&DatabaseConnection> {
        self.databases.iter().find(|(service, _)| *service == Service::Orchestrator).map(|(_, db)| db)
    }

    /// Whether any database is known.
    pub(super) fn sees_databases(&self) -> bool {
        !self.databases.is_empty()
    }

    /// The system's metrics of now.
    pub(super) async fn metrics(&self) -> anyhow::Result<Metrics> {
        Metrics::scrape(&self.system.client, self.system.internal_url()).await
    }

    /// Sagas that have not ended.
    pub(super) async fn open_sagas(&self) -> anyhow::Result<i64> {
        match self.orchestrator() {
            Some(db) => Ok(number(db, Statement::from_string(DatabaseBackend::Postgres, OPEN)).await?),
            None => Ok(self.metrics().await?.sum(orchestrator::metric_names::SAGAS_OPEN) as i64),
        }
    }

    /// Sagas that ended in this time; `None` without the orchestrator's database.
    pub(super) async fn finished_between(
        &self,
        from: chrono::DateTime<chrono::Utc>,
        to: chrono::DateTime<chrono::Utc>,
    ) -> anyhow::Result<Option<f64>> {
        let Some(db) = self.orchestrator() else { return Ok(None) };
        let values = [from.into(), to.into()];
        let statement = Statement::from_sql_and_values(DatabaseBackend::Postgres, FINISHED, values);
        Ok(Some(number(db, statement).await? as f64))
    }

    /// Everything that is counted, as of now.
    pub(super) async fn look(&self) -> anyhow::Result<Work> {
        let mut work = Work::of(&self.metrics().await?);
        for (service, db) in &self.databases {
            for row in db.query_all_raw(Statement::from_string(DatabaseBackend::Postgres, TABLES)).await? {
                let table: String = row.try_get_by_index(0)?;
                let rows = Rows {
                    inserted: count(&row, 1)?,
                    updated: count(&row, 2)?,
                    updated_hot: count(&row, 3)?,
                    deleted: count(&row, 4)?,
                };
                work.rows.insert(format!("{}.{table}", service.name()), rows);
            }
            let commits = number(db, Statement::from_string(DatabaseBackend::Postgres, COMMITS)).await?;
            work.commits.insert(service.name().to_owned(), commits as f64);
            work.log_bytes =
                number(db, Statement::from_string(DatabaseBackend::Postgres, LOG_BYTES)).await? as f64;
        }
        Ok(work)
    }
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
    pub(super) fn since(&self, before: &Self) -> Self {
        let less = |key: &str, now: &f64, before: &BTreeMap<String, f64>| {
            now - before.get(key).copied().unwrap_or(0.0)
        };
        let rows = self.rows.iter().map(|(table, now)| {
            let before = before.rows.get(table).copied().unwrap_or_default();
            (table.clone(), now.less(before))
        });
        let commits = self.commits.iter().map(|(name, now)| (name.clone(), less(name, now, &before.commits)));
        let batches = self.batches.iter().map(|(name, now)| {
            let before = before.batches.get(name).copied().unwrap_or_default();
            let batches = Batches {
                count: now.count - before.count,
                inputs: now.inputs - before.inputs,
                seconds: now.seconds - before.seconds,
            };
            (name.clone(), batches)
        });
        Self {
            rows: rows.filter(|(_, rows)| *rows != Rows::default()).collect(),
            commits: commits.collect(),
            log_bytes: self.log_bytes - before.log_bytes,
            sagas: self.sagas - before.sagas,
            messages: self.messages - before.messages,
            items: self.items - before.items,
            asked_again: self.asked_again - before.asked_again,
            dead_letters: self.dead_letters - before.dead_letters,
            batch_failures: self.batch_failures - before.batch_failures,
            batches: batches.filter(|(_, batches)| batches.count > 0.0).collect(),
        }
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
