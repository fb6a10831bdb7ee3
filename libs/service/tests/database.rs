//! A service's database session, on real Postgres.

use std::time::Duration;

use sea_orm::{ConnectionTrait, DatabaseBackend, DatabaseConnection, DbErr, Statement, TransactionTrait};
use service::http::Problem;
use service::{StartError, database};
use tokio_util::sync::CancellationToken;

async fn connect(max_connections: u32) -> DatabaseConnection {
    let url = testkit::database("house").await;
    database::connect(&url.into(), "stock", max_connections, &CancellationToken::new()).await.unwrap()
}

async fn show(database: &DatabaseConnection, setting: &str) -> String {
    let statement = Statement::from_string(DatabaseBackend::Postgres, format!("SHOW {setting}"));
    database.query_one_raw(statement).await.unwrap().unwrap().try_get_by_index(0).unwrap()
}

#[tokio::test]
async fn every_session_bounds_how_long_it_holds_rows() {
    let database = connect(2).await;
    for (setting, value) in [
        ("idle_in_transaction_session_timeout", "2s"),
        ("lock_timeout", "1s"),
        ("statement_timeout", "5s"),
        ("plan_cache_mode", "force_generic_plan"),
        ("jit", "off"),
        ("TimeZone", "UTC"),
        ("tcp_keepalives_idle", "10"),
        ("application_name", "rondo-stock"),
    ] {
        assert_eq!(show(&database, setting).await, value, "{setting}");
    }
}

#[tokio::test]
async fn a_row_that_somebody_holds_is_503_after_the_lock_timeout() {
    let database = connect(2).await;
    database
        .execute_unprepared("CREATE TABLE t (id int PRIMARY KEY); INSERT INTO t VALUES (1)")
        .await
        .unwrap();
    let holder = database.begin().await.unwrap();
    holder.execute_unprepared("UPDATE t SET id = 1").await.unwrap();
    let refused: DbErr = database.execute_unprepared("UPDATE t SET id = 1").await.unwrap_err();
    assert_eq!(Problem::from(refused).code(), "database_unavailable");
}

#[tokio::test]
async fn a_statement_that_is_wrong_is_500() {
    let database = connect(1).await;
    let refused = database.execute_unprepared("SELECT * FROM nowhere").await.unwrap_err();
    assert_eq!(Problem::from(refused).status(), 500);
}

#[tokio::test]
async fn a_database_that_is_away_is_waited_for_until_shutdown() {
    let shutdown = CancellationToken::new();
    let url = format!("postgres://nobody@127.0.0.1:{}/nowhere", testkit::free_port());
    let mut connecting = tokio::spawn({
        let shutdown = shutdown.clone();
        async move { database::connect(&url.into(), "stock", 1, &shutdown).await }
    });
    let waited = tokio::time::timeout(Duration::from_millis(500), &mut connecting).await;
    assert!(waited.is_err(), "it gave up");
    shutdown.cancel();
    let ended = tokio::time::timeout(Duration::from_secs(5), connecting).await.expect("it waits for ever");
    assert!(matches!(ended.unwrap(), Err(StartError::ShutDown)));
}

#[tokio::test]
async fn an_address_without_meaning_is_told_at_once() {
    let refused = database::connect(&"mysql://x".into(), "stock", 1, &CancellationToken::new()).await;
    assert!(matches!(refused, Err(StartError::DatabaseAddress("stock"))));
}
