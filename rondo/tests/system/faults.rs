//! Servers that go away, streams that vanish, participants that sleep: orders are delayed, never lost.

use std::time::Duration;

use nix::sys::signal::Signal;
use reqwest::Method;
use serde_json::json;
use testkit::eventually;
use uuid::Uuid;

use super::orders::Shop;
use super::processes::{SEPARATE, System};

#[tokio::test]
async fn a_participant_slower_than_the_first_wait_delays_and_doubles_nothing() {
    let system = System::start(&SEPARATE).await;
    let mut shop = Shop::open(&system, 5, 3).await;
    system.signal("billing", Signal::SIGSTOP);
    shop.place(&system, "orchestrator", 10).await;
    let asked_again = "SELECT count(*) FROM saga_history WHERE inputs LIKE '%[\"wake\",%'";
    eventually(Duration::from_secs(20), "funds to be asked for again", async || {
        (system.number("orchestrator", asked_again).await > 0).then_some(())
    })
    .await;
    system.signal("billing", Signal::SIGCONT);
    assert_eq!(shop.accepted.len(), 10);
    shop.settled(&system).await;
}

#[tokio::test]
async fn while_nats_is_away_deposits_go_on_and_orders_are_taken() {
    let mut system = System::start(&SEPARATE).await;
    let mut shop = Shop::open(&system, 5, 3).await;
    system.nats.stop().await.unwrap();
    shop.deposit(&system, shop.customers[0], 5).await;
    shop.place(&system, "orchestrator", 10).await;
    assert_eq!(shop.accepted.len(), 10, "orders are taken without NATS");
    let account = system.client("billing", shop.customers[0]).get("/api/v1/account").await;
    assert_eq!(account.body["balance"], 1_000_005);
    system.nats.restart().await.unwrap();
    shop.settled(&system).await;
}

#[tokio::test]
async fn deleting_every_stream_while_sagas_run_only_delays_them() {
    let system = System::start(&SEPARATE).await;
    let mut shop = Shop::open(&system, 5, 3).await;
    let client = async_nats::connect(system.nats.url()).await.unwrap();
    let jetstream = async_nats::jetstream::new(client);
    for _ in 0..3 {
        shop.place(&system, "orchestrator", 20).await;
        for stream in ["CMD_BILLING", "CMD_STOCK", "CMD_DELIVERY", "CMD_NOTIFICATION", "REPLIES", "EVENTS"] {
            // One that is gone already is as good as deleted.
            let _ = jetstream.delete_stream(stream).await;
        }
    }
    assert_eq!(shop.accepted.len(), 60);
    shop.settled(&system).await;
    eventually(Duration::from_secs(30), "the events of all orders to be in the new stream", async || {
        let mut events = jetstream.get_stream("EVENTS").await.ok()?;
        let unsent = "SELECT count(*) FROM outbox WHERE sequence IS NULL";
        let sent = system.number("orchestrator", unsent).await == 0;
        (events.info().await.ok()?.state.messages > 0 && sent).then_some(())
    })
    .await;
}

#[tokio::test]
async fn a_restart_of_postgres_makes_no_dead_letter() {
    let mut system = System::start(&SEPARATE).await;
    let mut shop = Shop::open(&system, 5, 3).await;
    for _ in 0..3 {
        shop.place(&system, "orchestrator", 20).await;
        system.postgres.restart().await.unwrap();
    }
    shop.settled(&system).await;
    assert_eq!(system.dead_letters().await, 0);
}

#[tokio::test]
async fn an_order_whose_client_hung_up_goes_on() {
    let system = System::start(&SEPARATE).await;
    let shop = Shop::open(&system, 1, 1).await;
    let client = system.client("orchestrator", shop.customers[0]);
    system.signal("billing", Signal::SIGSTOP);
    let request = client.request(Method::POST, "/api/v1/order").json(&json!({"price": 100}));
    let gave_up = tokio::time::timeout(Duration::from_millis(500), request.send()).await;
    assert!(gave_up.is_err(), "the client gave up waiting");
    system.signal("billing", Signal::SIGCONT);
    shop.settled(&system).await;
    let listed = client.get("/api/v1/orders?status=confirmed").await;
    assert_eq!(listed.body["items"].as_array().unwrap().len(), 1);
}

#[tokio::test]
async fn above_the_bound_of_open_sagas_orders_are_refused_and_say_when_to_come_back() {
    let mut system = System::start(&SEPARATE).await;
    let mut shop = Shop::open(&system, 1, 1).await;
    system.stop("orchestrator").await;
    system.restart("orchestrator", &[("OPEN_SAGAS_MAX", "3")]).await;
    system.signal("billing", Signal::SIGSTOP);
    for _ in 0..3 {
        shop.place(&system, "orchestrator", 1).await;
    }
    let client = system.client("orchestrator", Uuid::now_v7());
    let refused = client.send(client.request(Method::POST, "/api/v1/order").body("not even JSON")).await;
    assert_eq!(refused.problem(), (503, "overloaded"));
    assert!(refused.headers.contains_key("retry-after"));
    system.signal("billing", Signal::SIGCONT);
    shop.settled(&system).await;
}
