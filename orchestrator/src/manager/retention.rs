//! Finished sagas leave after a time, with their histories; orders stay, and so do participants' rows, which
//! answer whatever comes late. A few sagas at a time: no long locks, and nobody waits for them.

use std::time::Duration;

use chrono::{TimeDelta, Utc};
use contracts::Timestamp;
use messaging::outbox::first_id_at;
use messaging::{Runtime, heard};
use metrics::counter;
use sea_orm::{ConnectionTrait, DatabaseBackend, DatabaseConnection, DbErr, Statement, Value};
use tokio::time::MissedTickBehavior;

use crate::metric_names;

const LOOK_EVERY: Duration = Duration::from_secs(60);
/// Sagas in one transaction.
const SAGAS_MAX: u64 = 500;
/// Between two transactions, so that a backlog of years leaves the database to others.
const PAUSE: Duration = Duration::from_millis(100);

/// Starts removing sagas that finished longer ago than `kept`.
pub(crate) fn start(kept: TimeDelta, db: DatabaseConnection, runtime: &Runtime) {
    let shutdown = runtime.shutdown.clone();
    runtime.tasks.spawn(async move {
        let mut ticks = tokio::time::interval(LOOK_EVERY);
        ticks.set_missed_tick_behavior(MissedTickBehavior::Delay);
        let forever = async {
            loop {
                ticks.tick().await;
                if let Err(error) = remove(&db, Utc::now() - kept).await {
                    tracing::warn!(%error, "old sagas were not removed; trying again");
                }
            }
        };
        shutdown.run_until_cancelled(forever).await;
    });
}

/// Removes what finished before `cut`.
async fn remove(db: &DatabaseConnection, cut: Timestamp) -> Result<(), DbErr> {
    while heard(remove_some(db, cut)).await? >= SAGAS_MAX {
        tokio::time::sleep(PAUSE).await;
    }
    Ok(())
}

/// Removes some. An id tells when its saga's key began, so none is looked at that is younger.
async fn remove_some(db: &DatabaseConnection, cut: Timestamp) -> Result<u64, DbErr> {
    let sql = format!(
        "WITH old AS (SELECT saga_id FROM sagas WHERE saga_id < $1 AND finished_at < $2 \
         ORDER BY saga_id LIMIT {SAGAS_MAX} FOR UPDATE SKIP LOCKED), \
         told AS (DELETE FROM saga_history USING old WHERE saga_history.saga_id = old.saga_id) \
         DELETE FROM sagas USING old WHERE sagas.saga_id = old.saga_id"
    );
    let values: [Value; 2] = [first_id_at(cut).into(), cut.into()];
    let statement = Statement::from_sql_and_values(DatabaseBackend::Postgres, sql, values);
    let removed = db.execute_raw(statement).await?.rows_affected();
    counter!(metric_names::SAGAS_REMOVED).increment(removed);
    Ok(removed)
}

#[cfg(test)]
mod tests {
    use migrations::MigratorTrait;
    use sea_orm::Database;
    use uuid::Uuid;

    use super::*;
    use crate::order::cancellation::Cancellation;

    /// The saga, or the cancellation, of an order that was placed so many days ago, with a line of history.
    async fn saga(db: &DatabaseConnection, name: &str, placed: i64, finished: Option<i64>) {
        let days_ago = |days: i64| Utc::now() - TimeDelta::days(days);
        let mut key = Uuid::now_v7().into_bytes();
        key[..6].copy_from_slice(&first_id_at(days_ago(placed)).as_bytes()[..6]);
        let key = Uuid::from_bytes(key);
        let saga_id = if name.starts_with("cancelled") { Cancellation::id_for(key) } else { key };
        let finished_at = finished.map(days_ago);
        let wake_at = finished_at.is_none().then(|| days_ago(placed));
        let sql = "WITH s AS (INSERT INTO sagas (saga_id, workflow, version, key, state, data, status, \
                   waits_for, created_at, wake_at, finished_at) \
                   VALUES ($1, $2, 1, $3, '', '', '', '', now(), $4, $5)) \
                   INSERT INTO saga_history (saga_id, seq, at, inputs) VALUES ($1, 1, now(), '')";
        let values: [Value; 5] =
            [saga_id.into(), name.into(), key.into(), wake_at.into(), finished_at.into()];
        db.execute_raw(Statement::from_sql_and_values(DatabaseBackend::Postgres, sql, values)).await.unwrap();
    }

    async fn left(db: &DatabaseConnection) -> Vec<String> {
        let sql = "SELECT workflow FROM sagas JOIN saga_history USING (saga_id) ORDER BY workflow";
        let rows = db.query_all_raw(Statement::from_string(DatabaseBackend::Postgres, sql)).await.unwrap();
        rows.iter().map(|row| row.try_get_by_index(0).unwrap()).collect()
    }

    #[tokio::test]
    async fn what_finished_long_ago_leaves_with_its_history_and_nothing_else() {
        let db = Database::connect(testkit::database("orchestrator").await).await.unwrap();
        migrations::orchestrator::Migrator::up(&db, None).await.unwrap();
        for count in 0..=SAGAS_MAX {
            saga(&db, &format!("old {count}"), 40, Some(39)).await;
        }
        saga(&db, "cancelled long ago", 40, Some(39)).await;
        saga(&db, "cancelled lately", 40, Some(1)).await;
        saga(&db, "finished lately", 40, Some(1)).await;
        saga(&db, "open", 40, None).await;
        saga(&db, "young", 2, Some(1)).await;
        remove(&db, Utc::now() - TimeDelta::days(30)).await.unwrap();
        let expected = ["cancelled lately", "finished lately", "open", "young"];
        assert_eq!(left(&db).await, expected);
        let orphans = "SELECT count(*) FROM saga_history h WHERE NOT EXISTS \
                       (SELECT FROM sagas s WHERE s.saga_id = h.saga_id)";
        let row = db.query_one_raw(Statement::from_string(DatabaseBackend::Postgres, orphans)).await.unwrap();
        assert_eq!(row.unwrap().try_get_by_index::<i64>(0).unwrap(), 0);
    }
}
