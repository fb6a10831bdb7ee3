//! What is looked at of a service's database now and then: its pools' connections, and what PostgreSQL itself counts.

use std::time::Duration;

use messaging::{Runtime, heard, watch};
use metrics::{counter, gauge};
use sea_orm::{ConnectionTrait, DatabaseBackend, DatabaseConnection, DbErr, QueryResult, Statement};

use super::Pool;
use crate::metric_names as names;

/// Two numbers in memory: often enough to see a pool that is used up.
const POOL_EVERY: Duration = Duration::from_secs(1);
/// PostgreSQL is asked, and walks through its files.
const DATABASE_EVERY: Duration = Duration::from_secs(15);

/// What PostgreSQL counts of the database that is connected to. When others' transactions began is hidden from who is
/// not to see what they do; how old their snapshots are is not.
const FIGURES: &str = "SELECT pg_database_size(datname)::float8, numbackends::float8, \
    (SELECT coalesce(max(greatest(age(backend_xmin), age(backend_xid))), 0)::float8 FROM pg_stat_activity \
     WHERE datname = current_database() AND pid <> pg_backend_pid() \
     AND pid NOT IN (SELECT pid FROM pg_stat_progress_vacuum)), \
    xact_commit::float8, xact_rollback::float8, deadlocks::float8, blks_hit::float8, blks_read::float8, \
    hot::float8, (updated - hot)::float8, dead::float8 \
    FROM pg_stat_database, (SELECT coalesce(sum(n_tup_upd), 0) AS updated, \
    coalesce(sum(n_tup_hot_upd), 0) AS hot, coalesce(sum(n_dead_tup), 0) AS dead FROM pg_stat_user_tables) AS t \
    WHERE datname = current_database()";

/// Looks at a pool until it is closed or the process stops; through the readers at the database, too.
pub(super) fn start(service: &'static str, pool: Pool, max: u32, db: &DatabaseConnection, runtime: &Runtime) {
    let name = pool.name();
    gauge!(names::POOL_CONNECTIONS_MAX, "service" => service, "pool" => name).set(max);
    let state =
        |state| gauge!(names::POOL_CONNECTIONS, "service" => service, "pool" => name, "state" => state);
    let (idle, used) = (state("idle"), state("used"));
    let connections = db.get_postgres_connection_pool().clone();
    watch::every(POOL_EVERY, runtime, move || {
        let free = u32::try_from(connections.num_idle()).unwrap_or(u32::MAX);
        idle.set(free);
        used.set(connections.size().saturating_sub(free));
        std::future::ready(())
    });
    if pool == Pool::Reader {
        let db = db.clone();
        watch::every(DATABASE_EVERY, runtime, move || {
            let db = db.clone();
            async move {
                let looked = heard(look(service, &db)).await;
                gauge!(names::DATABASE_UP, "service" => service).set(f64::from(u8::from(looked.is_ok())));
            }
        });
    }
}

async fn look(service: &'static str, db: &DatabaseConnection) -> Result<(), DbErr> {
    figures(db).await?.map_or(Ok(()), |row| show(service, &row))
}

async fn figures(db: &DatabaseConnection) -> Result<Option<QueryResult>, DbErr> {
    db.query_one_raw(Statement::from_string(DatabaseBackend::Postgres, FIGURES)).await
}

fn show(service: &'static str, row: &QueryResult) -> Result<(), DbErr> {
    let number = |index: usize| row.try_get_by_index::<f64>(index);
    let gauges = [names::DATABASE_BYTES, names::DATABASE_SESSIONS, names::DATABASE_OLDEST_TRANSACTION];
    for (index, name) in gauges.into_iter().enumerate() {
        gauge!(name, "service" => service).set(number(index)?);
    }
    let counted =
        |name, label: &'static str, value: &'static str| counter!(name, "service" => service, label => value);
    counted(names::DATABASE_TRANSACTIONS, "ended", "commit").absolute(whole(number(3)?));
    counted(names::DATABASE_TRANSACTIONS, "ended", "rollback").absolute(whole(number(4)?));
    counter!(names::DATABASE_DEADLOCKS, "service" => service).absolute(whole(number(5)?));
    counted(names::DATABASE_PAGES, "found", "cache").absolute(whole(number(6)?));
    counted(names::DATABASE_PAGES, "found", "disk").absolute(whole(number(7)?));
    counted(names::DATABASE_UPDATES, "how", "hot").absolute(whole(number(8)?));
    counted(names::DATABASE_UPDATES, "how", "cold").absolute(whole(number(9)?));
    gauge!(names::DATABASE_DEAD_ROWS, "service" => service).set(number(10)?);
    Ok(())
}

#[expect(clippy::cast_possible_truncation, clippy::cast_sign_loss, reason = "PostgreSQL counts from zero")]
fn whole(count: f64) -> u64 {
    count.max(0.0) as u64
}

#[cfg(test)]
mod tests {
    use sea_orm::{Database, IsolationLevel, TransactionTrait};

    use super::*;

    async fn oldest_transaction(db: &DatabaseConnection) -> f64 {
        figures(db).await.unwrap().unwrap().try_get_by_index(2).unwrap()
    }

    #[tokio::test]
    async fn a_snapshot_that_another_role_holds_shows_and_grows() {
        let urls = testkit::guarded_database::<migrations::notification::Migrator>("snapshots").await;
        let owner = Database::connect(urls.owner).await.unwrap();
        let service = Database::connect(urls.service).await.unwrap();
        let dump = owner.begin_with_config(Some(IsolationLevel::RepeatableRead), None).await.unwrap();
        dump.execute_unprepared("SELECT count(*) FROM letters").await.unwrap();
        for _ in 0..5 {
            owner.execute_unprepared("SELECT pg_current_xact_id()").await.unwrap();
        }
        assert!(oldest_transaction(&service).await >= 5.0);
        dump.rollback().await.unwrap();
        assert!(oldest_transaction(&service).await < 5.0);
    }
}
