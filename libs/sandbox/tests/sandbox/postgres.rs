//! PostgreSQL through its life.

use std::time::Duration;

use sandbox::{Error, Postgres, PostgresOptions};
use sea_orm::{ConnectOptions, ConnectionTrait, Database, DatabaseConnection};
use tokio::time::timeout;

use crate::{assert_gone_within, fresh_dir, throwaway};

async fn connect(url: &str) -> DatabaseConnection {
    let mut options = ConnectOptions::new(url);
    options.max_connections(1).test_before_acquire(false);
    Database::connect(options).await.unwrap()
}

async fn count(connection: &DatabaseConnection) -> i64 {
    let row = connection.query_one_raw(sql("select count(*) from kept")).await.unwrap().unwrap();
    row.try_get_by_index(0).unwrap()
}

fn sql(text: &str) -> sea_orm::Statement {
    sea_orm::Statement::from_string(sea_orm::DbBackend::Postgres, text)
}

#[tokio::test]
async fn a_durable_server_keeps_data_and_password_for_the_next_start() {
    let dir = fresh_dir("postgres_durable");
    let options = PostgresOptions { dir, port: None, durable: true, template: None };

    let mut first = Postgres::start(options.clone()).await.unwrap();
    let url = first.create_database("billing").await.unwrap();
    let connection = connect(&url).await;
    connection.execute_unprepared("create table kept as select 1 as one").await.unwrap();
    connection.close().await.unwrap();
    let pids = first.pids();
    first.stop().await.unwrap();
    assert_gone_within(Duration::from_secs(1), &pids);

    let mut second = Postgres::start(options).await.unwrap();
    let url = second.create_database("billing").await.unwrap();
    assert_eq!(count(&connect(&url).await).await, 1);
    second.stop().await.unwrap();
}

#[tokio::test]
async fn a_durable_server_asks_for_the_password() {
    let dir = fresh_dir("postgres_password");
    let mut server =
        Postgres::start(PostgresOptions { dir, port: None, durable: true, template: None }).await.unwrap();
    let without = format!("postgres://postgres@127.0.0.1:{}/postgres", server.port());
    assert!(Database::connect(without).await.is_err());
    connect(&server.superuser_url("postgres")).await;
    server.stop().await.unwrap();
}

#[tokio::test]
async fn a_role_reaches_its_own_database_only() {
    let server = Postgres::start(throwaway(fresh_dir("postgres_roles"))).await.unwrap();
    server.create_database("billing").await.unwrap();
    server.create_database("stock").await.unwrap();
    let foreign = server.url("stock").replace("stock@", "billing@");
    let error = Database::connect(foreign).await.unwrap_err();
    assert!(error.to_string().contains("permission denied"), "{error}");
    assert!(matches!(server.create_database("no-name").await, Err(Error::BadName(_))));
}

#[tokio::test]
async fn restarts_and_crashes_keep_port_and_data() {
    let mut server = Postgres::start(throwaway(fresh_dir("postgres_restart"))).await.unwrap();
    let url = server.create_database("kept").await.unwrap();
    connect(&url).await.execute_unprepared("create table kept as select 1 as one").await.unwrap();

    server.restart().await.unwrap();
    assert_eq!(count(&connect(&url).await).await, 1);

    // A crash may take what was not synced; what a checkpoint has written stays.
    connect(&server.superuser_url("postgres")).await.execute_unprepared("checkpoint").await.unwrap();
    let pids = server.pids();
    server.kill().await.unwrap();
    // A killed process gives up its folder and memory a moment before the kernel takes it off its list.
    assert_gone_within(Duration::from_secs(1), &pids);
    assert!(server.pids().is_empty());
    server.restart().await.unwrap();
    assert_eq!(count(&connect(&url).await).await, 1);
}

#[tokio::test]
async fn a_frozen_server_answers_when_thawed() {
    let server = Postgres::start(throwaway(fresh_dir("postgres_frozen"))).await.unwrap();
    let url = server.create_database("kept").await.unwrap();
    let connection = connect(&url).await;
    connection.execute_unprepared("create table kept as select 1 as one").await.unwrap();

    server.freeze().await.unwrap();
    let mut answer = Box::pin(count(&connection));
    assert!(timeout(Duration::from_millis(200), &mut answer).await.is_err(), "a frozen server answered");
    server.thaw();
    assert_eq!(timeout(Duration::from_secs(10), answer).await.unwrap(), 1);
}

#[tokio::test]
async fn a_frozen_server_can_be_stopped() {
    let mut server = Postgres::start(throwaway(fresh_dir("postgres_frozen_stop"))).await.unwrap();
    let pids = server.pids();
    server.freeze().await.unwrap();
    server.stop().await.unwrap();
    assert_gone_within(Duration::from_secs(1), &pids);
}

#[tokio::test]
async fn a_server_that_cannot_start_shows_the_end_of_its_log() {
    let dir = fresh_dir("postgres_broken");
    Postgres::start(throwaway(dir.clone())).await.unwrap().stop().await.unwrap();
    std::fs::remove_file(dir.join("data/global/pg_control")).unwrap();
    let error = Postgres::start(throwaway(dir)).await.err().unwrap();
    assert!(matches!(error, Error::NotReady { .. }), "{error}");
    assert!(error.to_string().contains("pg_control"), "{error}");
}
