//! Hours that are long over leave, for nobody books them any more; bookings and deliveries stay, and answer
//! whatever comes late. A few at a time: no long locks, and nobody waits for them.

use std::time::Duration;

use messaging::{Runtime, heard};
use sea_orm::{ConnectionTrait, DatabaseBackend, DatabaseConnection, DbErr, Statement};
use tokio::time::MissedTickBehavior;

const LOOK_EVERY: Duration = Duration::from_secs(3_600);
/// How long an hour stays after its end.
const KEPT_DAYS: u32 = 30;
/// Hours in one transaction.
const HOURS_MAX: u64 = 500;
/// Between two transactions, so that a backlog of years leaves the database to others.
const PAUSE: Duration = Duration::from_millis(100);

/// Starts removing hours that ended long ago.
pub(crate) fn start(db: DatabaseConnection, runtime: &Runtime) {
    let shutdown = runtime.shutdown.clone();
    runtime.tasks.spawn(async move {
        let mut ticks = tokio::time::interval(LOOK_EVERY);
        ticks.set_missed_tick_behavior(MissedTickBehavior::Delay);
        let forever = async {
            loop {
                ticks.tick().await;
                if let Err(error) = remove(&db).await {
                    tracing::warn!(%error, "old hours were not removed; trying again");
                }
            }
        };
        shutdown.run_until_cancelled(forever).await;
    });
}

async fn remove(db: &DatabaseConnection) -> Result<(), DbErr> {
    while heard(remove_some(db)).await? >= HOURS_MAX {
        tokio::time::sleep(PAUSE).await;
    }
    Ok(())
}

/// Removes some. An hour stays as long as somebody is booked in it whose order has not arrived: its courier
/// may still be freed.
async fn remove_some(db: &DatabaseConnection) -> Result<u64, DbErr> {
    let sql = format!(
        "WITH over AS (SELECT slot_id FROM slots \
         WHERE begins_at + interval '1 hour' < now() - interval '{KEPT_DAYS} days' \
         AND NOT EXISTS (SELECT FROM bookings LEFT JOIN deliveries USING (order_id) \
                         WHERE bookings.slot_id = slots.slot_id AND bookings.state = 'booked' \
                         AND deliveries.status IS DISTINCT FROM 'received') \
         ORDER BY slot_id LIMIT {HOURS_MAX} FOR UPDATE SKIP LOCKED) \
         DELETE FROM slots USING over WHERE slots.slot_id = over.slot_id"
    );
    let statement = Statement::from_string(DatabaseBackend::Postgres, sql);
    Ok(db.execute_raw(statement).await?.rows_affected())
}

#[cfg(test)]
mod tests {
    use migrations::MigratorTrait;
    use sea_orm::Database;

    use super::*;

    /// So many hours that began so many days ago, each with a booking in this state and a delivery in this one.
    async fn hours(
        db: &DatabaseConnection,
        count: u64,
        days_ago: i64,
        booking: &str,
        delivery: Option<&str>,
    ) {
        let delivery = delivery.map_or("NULL".to_owned(), |status| format!("'{status}'"));
        let sql = format!(
            "WITH hour AS (SELECT gen_random_uuid() AS slot_id, gen_random_uuid() AS order_id, \
                 date_trunc('hour', now()) - interval '{days_ago} days' AS begins_at FROM generate_series(1, {count})), \
             s AS (INSERT INTO slots SELECT slot_id, begins_at, '[1]' FROM hour), \
             b AS (INSERT INTO bookings SELECT order_id, '{booking}', slot_id, begins_at, 1 FROM hour) \
             INSERT INTO deliveries (order_id, status, user_id, address_given, slot, updated_at) \
                 SELECT order_id, {delivery}, order_id, false, begins_at, now() FROM hour WHERE {delivery} IS NOT NULL"
        );
        db.execute_unprepared(&sql).await.unwrap();
    }

    async fn number(db: &DatabaseConnection, sql: &str) -> i64 {
        let row = db.query_one_raw(Statement::from_string(DatabaseBackend::Postgres, sql)).await.unwrap();
        row.unwrap().try_get_by_index(0).unwrap()
    }

    #[tokio::test]
    async fn an_hour_that_is_long_over_leaves_unless_a_delivery_of_it_is_not_there_yet() {
        let db = Database::connect(testkit::database("delivery").await).await.unwrap();
        migrations::delivery::Migrator::up(&db, None).await.unwrap();
        hours(&db, HOURS_MAX + 1, 40, "booked", Some("received")).await;
        hours(&db, 1, 40, "released", Some("cancelled")).await;
        hours(&db, 1, 29, "booked", Some("received")).await;
        for unfinished in [Some("scheduled"), Some("sent"), None] {
            hours(&db, 1, 40, "booked", unfinished).await;
        }
        let bookings = number(&db, "SELECT count(*) FROM bookings").await;
        remove(&db).await.unwrap();
        let left = "SELECT count(*) FROM slots JOIN bookings USING (slot_id) LEFT JOIN deliveries USING (order_id) \
                    WHERE slots.begins_at > now() - interval '30 days' OR status IS DISTINCT FROM 'received'";
        assert_eq!((number(&db, "SELECT count(*) FROM slots").await, number(&db, left).await), (4, 4));
        assert_eq!(
            number(&db, "SELECT count(*) FROM bookings").await,
            bookings,
            "they answer what comes late"
        );
    }
}
