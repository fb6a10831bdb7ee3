//! A process that starts: alive from the first moment, ready when its database has the tables of its release, and no
//! longer when it has not.

use reqwest::Client;
use sea_orm::{ConnectionTrait, Database, DatabaseBackend, Statement};
use service::database::Pool;
use service::{House, Listeners, Part, Schemas};
use testkit::eventually;

use crate::running::{SOON, config};

const NEEDED: &str = "INSERT INTO applied VALUES ('m2')";

#[tokio::test]
async fn it_is_alive_at_once_and_waits_for_its_tables() {
    let url = testkit::database("starting").await;
    let owner = Database::connect(&url).await.unwrap();
    let sql = async |statement: &str| owner.execute_unprepared(statement).await.unwrap();
    let mut config = config();
    config.databases.set("billing", url.clone());
    let listeners = Listeners::bind(&config.http).unwrap().say_alive(&config.http).unwrap();
    let internal = listeners.internal_addr().unwrap();
    // One client, whose connection outlives the start.
    let client = Client::builder().no_proxy().build().unwrap();
    let ask = async |path: &str| {
        let answer = client.get(format!("http://{internal}{path}")).send().await.unwrap();
        (answer.status().as_u16(), answer.text().await.unwrap())
    };

    let mut house = House::build(config, "billing").await.unwrap();
    house.schemas = Schemas::from_iter([("billing", vec!["m1".to_owned(), "m2".to_owned()])]);
    let starting = house.clone();
    let database = tokio::spawn(async move { starting.database("billing", Pool::Reader, 2).await });
    assert_eq!(ask("/livez").await, (200, "alive\n".to_owned()));
    let (status, said) = ask("/readyz").await;
    assert_eq!((status, said.contains("\"starting\"")), (503, true), "{said}");
    assert_eq!(ask("/internal/api/v1/dead-letters").await.0, 503, "nothing is served yet");

    sql("CREATE TABLE applied (version varchar PRIMARY KEY)").await;
    sql("INSERT INTO applied VALUES ('m1'), ('m3')").await;
    // Whoever looks is counted.
    sql("CREATE SEQUENCE looks").await;
    sql("CREATE VIEW seaql_migrations AS SELECT version FROM applied WHERE nextval('looks') > 0").await;
    eventually(SOON, "it to have looked twice", async || {
        let counted = "SELECT last_value FROM looks";
        let row = owner.query_one_raw(Statement::from_string(DatabaseBackend::Postgres, counted)).await;
        let rows_read: i64 = row.unwrap().unwrap().try_get_by_index(0).unwrap();
        (rows_read >= 3).then_some(())
    })
    .await;
    assert!(!database.is_finished(), "a migration is missing");
    assert_eq!(ask("/livez").await.0, 200);
    sql(NEEDED).await;
    tokio::time::timeout(SOON, database).await.expect("it starts").unwrap().unwrap();

    let draining = house.draining.clone();
    let ended = tokio::spawn(service::run(house, vec![Part::new("billing")], listeners));
    let schema = async |wanted: &str| {
        let what = format!("the check of the tables to say {wanted}");
        eventually(SOON, &what, async || {
            let (_, said) = ask("/readyz").await;
            said.contains(&format!("\"billing.schema\":\"{wanted}")).then_some(())
        })
        .await;
    };
    schema("ok").await;
    sql("DELETE FROM applied WHERE version = 'm2'").await;
    schema("1 migrations are missing, the last of them m2").await;
    assert_eq!((ask("/readyz").await.0, ask("/livez").await.0), (503, 200));
    sql(NEEDED).await;
    schema("ok").await;
    draining.cancel();
    ended.await.unwrap().unwrap();
}

#[tokio::test]
async fn who_is_told_to_stop_waits_for_no_tables() {
    let mut config = config();
    config.databases.set("billing", testkit::database("starting").await);
    let mut house = House::build(config, "billing").await.unwrap();
    house.schemas = Schemas::from_iter([("billing", vec!["m1".to_owned()])]);
    house.draining.cancel();
    let started = tokio::time::timeout(SOON, house.database("billing", Pool::Reader, 1)).await;
    assert!(started.expect("it does not wait").is_err());
}
