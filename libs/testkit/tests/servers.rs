//! Each test gets what is its own, quickly enough to ask for it in every test.

use async_nats::jetstream;
use sea_orm::{ConnectionTrait, Database};

#[tokio::test]
async fn databases_of_one_prefix_are_apart() {
    let (first, second) = (testkit::database("billing").await, testkit::database("billing").await);
    assert_ne!(first, second);
    for url in [first, second] {
        let database = Database::connect(url).await.unwrap();
        database.execute_unprepared("create table accounts (id int)").await.unwrap();
    }
}

#[tokio::test]
async fn the_shared_server_serves_every_test() {
    let shared = testkit::postgres().await;
    assert!(testkit::database("stock").await.contains(&format!(":{}/", shared.port())));
}

#[tokio::test]
async fn servers_of_ones_own_are_apart() {
    let (first, second) = (testkit::nats().await, testkit::nats().await);
    assert_ne!(first.port(), second.port());
    for server in [first, second] {
        let context = jetstream::new(async_nats::connect(server.url()).await.unwrap());
        let config = jetstream::stream::Config {
            name: "OWN".into(),
            subjects: vec!["own".into()],
            ..Default::default()
        };
        context.create_stream(config).await.unwrap();
    }
    let own = testkit::own_postgres().await;
    assert_ne!(own.port(), testkit::postgres().await.port());
}
