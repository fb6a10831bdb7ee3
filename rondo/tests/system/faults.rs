//! Servers that go away, streams that vanish, participants that sleep: orders are delayed, never lost.

use std::path::Path;
use std::time::Duration;

use nix::sys::signal::Signal;
use reqwest::Method;
use sandbox::Proxy;
use serde_json::json;
use service::token::Role;
use testkit::eventually;
use uuid::Uuid;

use super::orders::{END_WITHIN, Shop, audit};
use super::processes::{SEPARATE, SERVICES, System, database};

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

/// As a disk that is put back from a copy of the day before.
#[tokio::test]
async fn nats_that_comes_back_with_an_older_store_loses_no_event() {
    let mut system = System::start(&SEPARATE).await;
    let mut shop = Shop::open(&system, 5, 3).await;
    let store = system.nats.home().join("jetstream");
    let copy = system.nats.home().join("older-copy");
    shop.place(&system, "orchestrator", 10).await;
    shop.settled(&system).await;
    system.nats.stop().await.unwrap();
    copied(&store, &copy).await;
    system.nats.restart().await.unwrap();
    system.ready("delivery").await;

    // Couriers take orders along; the one who is to write of it does not run.
    system.stop("notification").await;
    let courier = testkit::token(Uuid::now_v7(), &[Role::User, Role::Courier]);
    let courier = system.public_client("delivery", Some(courier));
    let mut sent = 0;
    for order in &shop.accepted {
        sent +=
            i64::from(courier.post("/api/v1/order/sent", &json!({ "order_id": order })).await.status == 200);
    }
    assert!(sent > 0, "some orders are delivered");
    let marked = "SELECT count(*) FROM outbox WHERE sequence IS NOT NULL";
    eventually(Duration::from_secs(30), "the events of all of them to be in the stream", async || {
        (system.number("delivery", marked).await == sent).then_some(())
    })
    .await;

    // The older store, and others publish past what is lost before delivery can look.
    system.signal("delivery", Signal::SIGSTOP);
    system.nats.stop().await.unwrap();
    tokio::fs::remove_dir_all(&store).await.unwrap();
    copied(&copy, &store).await;
    system.nats.restart().await.unwrap();
    let items = json!([{ "position_id": shop.positions[0], "quantity": 1 }]);
    for _ in 0..sent + 5 {
        let customer = system.client("orchestrator", shop.customers[0]);
        let order = customer.request(Method::POST, "/api/v1/order").header("prefer", "wait=20");
        let order = customer.send(order.json(&json!({ "items": items }))).await;
        assert_eq!(order.status, 201, "{order:?}");
    }
    system.signal("delivery", Signal::SIGCONT);
    system.restart("notification", &[]).await;
    let told = "SELECT count(*) FROM letters WHERE kind = 'order_sent'";
    eventually(END_WITHIN, "a letter about every order that was sent", async || {
        (system.number("notification", told).await == sent).then_some(())
    })
    .await;
    eventually(END_WITHIN, "every confirmed order's items to be sold", async || {
        (system.number("stock", "SELECT sum(reserved)::bigint FROM positions").await == 0).then_some(())
    })
    .await;
    let open = "SELECT count(*) FROM sagas WHERE finished_at IS NULL";
    eventually(END_WITHIN, "every saga to reach its end", async || {
        (system.number("orchestrator", open).await == 0).then_some(())
    })
    .await;
    let report = audit(&system).await;
    assert!(report.is_clean(), "{report:#?}");
}

pub(crate) async fn copied(from: &Path, to: &Path) {
    let copied = tokio::process::Command::new("cp").arg("-a").arg(from).arg(to).status().await;
    assert!(copied.unwrap().success());
}

/// Starts a process again that reaches PostgreSQL through a proxy.
pub(crate) async fn through_a_proxy(system: &mut System, name: &str) -> Proxy {
    let proxy = Proxy::start(vec![([127, 0, 0, 1], system.postgres.port()).into()]).await.unwrap();
    let url = |service: &str| {
        let mut url = reqwest::Url::parse(&system.postgres.url(&database(service))).unwrap();
        url.set_port(Some(proxy.address().port())).unwrap();
        (format!("{}_DATABASE_URL", service.to_uppercase()), url.to_string())
    };
    let urls = SERVICES.map(url);
    let urls: Vec<(&str, &str)> = urls.iter().map(|(name, url)| (name.as_str(), url.as_str())).collect();
    system.stop(name).await;
    system.restart(name, &urls).await;
    proxy
}

#[tokio::test]
async fn connections_to_postgres_that_fall_silent_for_ever_are_given_up() {
    let mut system = System::start(&SEPARATE).await;
    let mut shop = Shop::open(&system, 5, 3).await;
    let proxies =
        [through_a_proxy(&mut system, "billing").await, through_a_proxy(&mut system, "orchestrator").await];
    for _ in 0..3 {
        shop.place(&system, "orchestrator", 20).await;
        // While they are at it. No goodbye, no error: nothing comes any more.
        proxies.iter().for_each(Proxy::forget);
    }
    shop.settled(&system).await;
    assert_eq!(system.dead_letters().await, 0);
    // A silent connection is found out when somebody wants to use it, who is told to come again.
    let customer = system.client("billing", shop.customers[0]);
    eventually(END_WITHIN, "who only looks to be answered, too", async || {
        (customer.get("/api/v1/account").await.status == 200).then_some(())
    })
    .await;
}
