//! How much of a table PostgreSQL reads for its statistics, holding a snapshot all the while.

use migrations::MigratorTrait;
use sea_orm::{ConnectionTrait, Database, DatabaseBackend, DatabaseConnection, Statement};

/// Columns by which `ANALYZE` would read more rows than 3,000; of an index those that are expressions.
const DEMANDING: &str = "SELECT attrelid::regclass || '.' || attname FROM pg_attribute \
    JOIN pg_class ON pg_class.oid = attrelid \
    LEFT JOIN pg_index ON indexrelid = attrelid \
    WHERE relnamespace = 'public'::regnamespace AND attnum > 0 AND NOT attisdropped \
    AND (relkind = 'r' OR indkey[attnum - 1] = 0) AND attstattarget IS DISTINCT FROM 10";

async fn demanding<M: MigratorTrait>(service: &str) -> Vec<String> {
    let db: DatabaseConnection = Database::connect(testkit::database(service).await).await.unwrap();
    M::up(&db, None).await.unwrap();
    let rows = db.query_all_raw(Statement::from_string(DatabaseBackend::Postgres, DEMANDING)).await.unwrap();
    rows.iter().map(|row| row.try_get_by_index(0).unwrap()).collect()
}

#[tokio::test]
async fn tables_that_grow_with_orders_give_small_samples() {
    let none: [&str; 0] = [];
    assert_eq!(demanding::<migrations::orchestrator::Migrator>("orchestrator").await, none);
    assert_eq!(demanding::<migrations::billing::Migrator>("billing").await, none);
    assert_eq!(demanding::<migrations::stock::Migrator>("stock").await, none);
    assert_eq!(demanding::<migrations::delivery::Migrator>("delivery").await, none);
    assert_eq!(demanding::<migrations::notification::Migrator>("notification").await, none);
}
