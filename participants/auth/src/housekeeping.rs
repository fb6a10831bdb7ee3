//! Now and then: what is over leaves the tables, a batch at a time, so that no lock lasts.

use std::time::Duration;

use chrono::Utc;
use contracts::Timestamp;
use messaging::{Runtime, heard};
use sea_orm::{ConnectionTrait, DatabaseConnection, DbErr};
use tokio::time::MissedTickBehavior;

use crate::sql::statement;
use crate::throttle::WINDOW;

const EVERY: Duration = Duration::from_secs(60);
/// Rows of one statement.
const BATCH_ROWS: u64 = 1_000;

/// Keeps house until the process stops.
pub(crate) fn start(db: DatabaseConnection, runtime: &Runtime) {
    let shutdown = runtime.shutdown.clone();
    runtime.tasks.spawn(async move {
        let mut ticks = tokio::time::interval(EVERY);
        ticks.set_missed_tick_behavior(MissedTickBehavior::Delay);
        let forever = async {
            loop {
                ticks.tick().await;
                if let Err(error) = round(&db, Utc::now()).await {
                    tracing::warn!(%error, "what is over was not removed; trying again");
                }
            }
        };
        shutdown.run_until_cancelled(forever).await;
    });
}

async fn round(db: &DatabaseConnection, now: Timestamp) -> Result<(), DbErr> {
    for (table, key, end, before) in [
        ("sessions", "session_id", "expires_at", now),
        ("revocations", "about", "until", now),
        ("login_failures", "(address, account)", "last_failed_at", now - WINDOW),
    ] {
        let columns = key.trim_matches(['(', ')']);
        let sql = format!(
            "DELETE FROM {table} WHERE {key} IN (SELECT {columns} FROM {table} WHERE {end} < $1 \
             ORDER BY {end} LIMIT {BATCH_ROWS} FOR UPDATE SKIP LOCKED)"
        );
        let removal = statement(&sql, [before.into()]);
        while heard(db.execute_raw(removal.clone())).await?.rows_affected() == BATCH_ROWS {}
    }
    Ok(())
}
