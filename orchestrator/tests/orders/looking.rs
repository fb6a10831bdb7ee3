//! Looking at orders and their sagas: one's own, and nobody else's.

use serde_json::{Value, json};
use service::token::Role;
use testkit::Client;
use uuid::Uuid;

use crate::acting::act;
use crate::shop::{Participant, Shop, items, order_id, price};

/// `name: status` of every step.
fn steps(saga: &Value) -> Vec<(&str, &str)> {
    let steps = saga["steps"].as_array().unwrap_or_else(|| panic!("{saga}"));
    steps.iter().map(|step| (step["name"].as_str().unwrap(), step["status"].as_str().unwrap())).collect()
}

/// `step event` of every line of history.
fn events(saga: &Value) -> Vec<String> {
    let lines = saga["history"].as_array().unwrap_or_else(|| panic!("{saga}"));
    let told = |line: &Value| match line["step"].as_str() {
        Some(step) => format!("{step} {}", line["event"].as_str().unwrap()),
        None => line["event"].as_str().unwrap().to_owned(),
    };
    lines.iter().map(told).collect()
}

fn has_payloads(saga: &Value) -> bool {
    saga["history"].as_array().unwrap().iter().any(|line| line.get("payload").is_some())
}

#[tokio::test]
async fn another_users_order_is_none_and_an_operator_sees_it() {
    let shop = Shop::open().await;
    let (ann, bob) = (shop.customer_with(1_000).await, shop.customer_with(0).await);
    let order_id = order_id(&ann.order(&price(100)).await);
    let operator = shop.orchestrator.user(Uuid::now_v7(), &[Role::User, Role::Operator]);
    let courier = shop.orchestrator.user(Uuid::now_v7(), &[Role::User, Role::Courier]);
    for path in [format!("/api/v1/order/{order_id}"), format!("/api/v1/order/{order_id}/saga")] {
        assert_eq!(ann.client.get(&path).await.status, 200);
        assert_eq!(operator.get(&path).await.status, 200);
        assert_eq!(bob.client.get(&path).await.problem(), (404, "not_found"));
        assert_eq!(courier.get(&path).await.problem(), (404, "not_found"));
        assert_eq!(shop.orchestrator.anybody().get(&path).await.problem(), (401, "unauthenticated"));
    }
    assert_eq!(bob.client.get("/api/v1/orders").await.body, json!({ "items": [], "next_cursor": null }));
    assert_eq!(operator.get("/api/v1/orders").await.body, json!({ "items": [], "next_cursor": null }));
}

#[tokio::test]
async fn what_is_no_orders_address_is_not_found() {
    let shop = Shop::open().await;
    let customer = shop.customer_with(0).await;
    let unknown = Uuid::now_v7();
    for id in [
        unknown.to_string(),
        "1".into(),
        "%00".into(),
        "nil".into(),
        "a".repeat(1_000),
        format!("{unknown}0"),
    ] {
        for path in [format!("/api/v1/order/{id}"), format!("/api/v1/order/{id}/saga")] {
            assert_eq!(customer.client.get(&path).await.problem(), (404, "not_found"), "{path}");
        }
    }
    assert_eq!(customer.client.get("/api/v1/order").await.problem(), (405, "method_not_allowed"));
}

/// The ids of a page, and where the next one begins.
async fn page(client: &Client, query: &str) -> (Vec<Uuid>, Option<String>) {
    let answer = client.get(&format!("/api/v1/orders{query}")).await;
    assert_eq!(answer.status, 200, "{query}: {answer:?}");
    let items = answer.body["items"].as_array().unwrap();
    let ids = items.iter().map(|order| order["order_id"].as_str().unwrap().parse().unwrap()).collect();
    (ids, answer.body["next_cursor"].as_str().map(str::to_owned))
}

#[tokio::test]
async fn orders_are_listed_newest_first_page_by_page() {
    let shop = Shop::open().await;
    let (customer, neighbour) = (shop.customer_with(1_000).await, shop.customer_with(1_000).await);
    let mut placed = Vec::new();
    for _ in 0..5 {
        placed.push(order_id(&customer.order(&price(1)).await));
        neighbour.order(&price(1)).await;
    }
    placed.reverse();
    assert_eq!(page(&customer.client, "").await, (placed.clone(), None));
    assert_eq!(page(&customer.client, "?limit=5").await, (placed.clone(), None));
    let (mut seen, mut cursor) = page(&customer.client, "?limit=2").await;
    assert_eq!(seen, placed[..2]);
    let mut pages = 1;
    while let Some(next) = cursor {
        let (ids, after) = page(&customer.client, &format!("?limit=2&cursor={next}")).await;
        assert!(ids.len() <= 2);
        seen.extend(ids);
        (cursor, pages) = (after, pages + 1);
    }
    assert_eq!((seen, pages), (placed.clone(), 3));
    // An order is listed as it is shown alone.
    let listed = customer.client.get("/api/v1/orders?limit=1").await.body["items"][0].clone();
    assert_eq!(listed, customer.see(placed[0]).await);
}

#[tokio::test]
async fn orders_are_listed_by_status() {
    let mut shop = Shop::open().await;
    let customer = shop.customer_with(100).await;
    let confirmed = order_id(&customer.order(&price(60)).await);
    let rejected = order_id(&customer.order(&price(60)).await);
    shop.goes_away(Participant::Billing).await;
    let pending = order_id(&customer.order_with(&[("prefer", "wait=0")], &price(60)).await);
    for (status, expected) in [
        ("pending", vec![pending]),
        ("confirmed", vec![confirmed]),
        ("rejected", vec![rejected]),
        ("cancelled", vec![]),
        ("sent", vec![]),
        ("received", vec![]),
    ] {
        assert_eq!(page(&customer.client, &format!("?status={status}")).await.0, expected, "{status}");
    }
    assert_eq!(page(&customer.client, "?status=pending&limit=1").await, (vec![pending], None));
}

#[tokio::test]
async fn a_list_asked_for_wrongly_is_refused() {
    let shop = Shop::open().await;
    let customer = shop.customer_with(0).await;
    for query in [
        "limit=0",
        "limit=201",
        "limit=-1",
        "limit=x",
        "cursor=x",
        "status=lost",
        "status=",
        "status=pending&status=sent",
        "order_id=1",
        "status=%ff",
    ] {
        let answer = customer.client.get(&format!("/api/v1/orders?{query}")).await;
        assert_eq!(answer.problem(), (422, "validation_failed"), "{query}: {answer:?}");
    }
}

#[tokio::test]
async fn the_saga_of_a_confirmed_order_tells_every_step() {
    let shop = Shop::open().await;
    let (customer, tea) = (shop.customer_with(10_000).await, shop.position(10).await);
    let answer = customer.order(&items(&[(tea, 1)])).await;
    let order_id = order_id(&answer);
    let saga = customer.sees_saga(order_id, "completed").await;
    assert_eq!((&saga["workflow"], &saga["version"]), (&json!("order"), &json!(1)));
    assert_eq!((&saga["key"], &saga["saga_id"]), (&json!(order_id), &answer.body["saga_id"]));
    assert_eq!((&saga["paused"], &saga["stuck"]), (&json!(false), &json!(false)));
    let status = |name| if name == "reserve_courier" { "not_needed" } else { "done" };
    let names = [
        "reserve_stock",
        "reserve_courier",
        "reserve_funds",
        "pivot",
        "capture_funds",
        "schedule_delivery",
        "notify_joy",
    ];
    assert_eq!(steps(&saga), names.map(|name| (name, status(name))));
    let kinds: Vec<_> =
        saga["steps"].as_array().unwrap().iter().map(|step| step["kind"].as_str().unwrap()).collect();
    assert_eq!(kinds, ["compensatable", "compensatable", "compensatable", "pivot", "tail", "tail", "tail"]);
    for step in saga["steps"].as_array().unwrap().iter().filter(|step| step["status"] == "done") {
        let asked = if step["kind"] == "pivot" { 0 } else { 1 };
        assert_eq!(step["attempts"], asked, "{step}");
        assert!(step["finished_at"].as_str() >= step["started_at"].as_str(), "{step}");
    }
    let events = events(&saga);
    let forward =
        ["begun", "reserve_stock sent", "reserve_stock done", "reserve_funds sent", "reserve_funds done"];
    assert_eq!(events[..5], forward);
    for event in ["confirmed", "capture_funds sent", "capture_funds done", "notify_joy done"] {
        assert!(events[5..].iter().any(|told| told == event), "{event}: {events:?}");
    }
    assert_eq!(events.last().unwrap(), "finished");
    let seqs: Vec<_> =
        saga["history"].as_array().unwrap().iter().map(|line| line["seq"].as_u64().unwrap()).collect();
    assert!(seqs.is_sorted() && seqs[0] == 1, "{seqs:?}");
    assert!(saga["finished_at"].is_string() && saga["finished_at"].as_str() >= saga["created_at"].as_str());

    assert!(!has_payloads(&saga));
    assert_eq!(saga["allowed_actions"], json!([]));
    let operator = shop.orchestrator.user(Uuid::now_v7(), &[Role::Operator]);
    let told = operator.get(&format!("/api/v1/order/{order_id}/saga")).await.body;
    assert!(has_payloads(&told), "{told}");
    assert_eq!(steps(&told), steps(&saga));
    assert!(self::events(&told).contains(&"published".to_owned()), "{told}");
}

#[tokio::test]
async fn owners_read_what_became_of_their_order_and_not_what_operators_did() {
    let mut shop = Shop::open().await;
    let (customer, operator) = (shop.customer_with(1_000).await, shop.orchestrator.operator());
    shop.goes_away(Participant::Billing).await;
    let id = order_id(&customer.order_with(&[("prefer", "wait=0")], &price(1)).await);
    for action in ["pause", "resume", "retry"] {
        assert_eq!(act(&operator, id, action, json!({})).await.status, 200, "{action}");
    }
    let held = json!({ "hold_id": Uuid::now_v7(), "expires_at": "2099-01-01T00:00:00Z" });
    assert_eq!(
        act(&operator, id, "skip", json!({ "step": "reserve_funds", "result": held })).await.status,
        200
    );
    let told = customer.client.get(&format!("/api/v1/order/{id}/saga")).await.body;
    let expected =
        ["begun", "reserve_funds sent", "reserve_funds sent", "reserve_funds skipped", "confirmed"];
    assert_eq!(events(&told)[..5], expected, "{told}");
    assert!(!told.to_string().contains("operator"), "{told}");
    let full = operator.get(&format!("/internal/api/v1/sagas/{id}")).await.body;
    for event in ["paused", "resumed", "operator_retry", "reserve_funds operator_skip"] {
        assert!(events(&full).iter().any(|told| told == event), "{event}: {full}");
    }

    let other = order_id(&customer.order_with(&[("prefer", "wait=0")], &price(1)).await);
    assert_eq!(act(&operator, other, "cancel", json!({})).await.status, 200);
    let told = customer.client.get(&format!("/api/v1/order/{other}/saga")).await.body;
    assert!(events(&told).contains(&"cancel_asked".to_owned()), "{told}");
}

#[tokio::test]
async fn the_saga_of_a_refused_order_tells_what_was_undone_and_why() {
    let shop = Shop::open().await;
    let (customer, tea) = (shop.customer_with(1).await, shop.position(10).await);
    let refused = order_id(&customer.order(&items(&[(tea, 1)])).await);
    let saga = customer.sees_saga(refused, "rejected").await;
    assert_eq!(
        steps(&saga),
        [
            ("reserve_stock", "undone"),
            ("reserve_courier", "not_needed"),
            ("reserve_funds", "refused"),
            ("pivot", "not_needed"),
            ("notify_sorrow", "done")
        ]
    );
    assert_eq!(saga["steps"][2]["reason"], "insufficient_funds");
    let events = events(&saga);
    for event in
        ["reserve_funds refused", "reserve_stock undo_sent", "reserve_stock undone", "notify_sorrow done"]
    {
        assert!(events.iter().any(|told| told == event), "{event}: {events:?}");
    }
}

#[tokio::test]
async fn the_saga_of_a_price_alone_needs_no_stock() {
    let shop = Shop::open().await;
    let customer = shop.customer_with(1_000).await;
    let order_id = order_id(&customer.order(&price(1)).await);
    let saga = customer.sees_saga(order_id, "completed").await;
    let begun =
        [("reserve_stock", "not_needed"), ("reserve_courier", "not_needed"), ("reserve_funds", "done")];
    assert_eq!(steps(&saga)[..3], begun);
}

#[tokio::test]
async fn operators_are_told_what_they_may_do_to_a_running_saga_and_customers_are_not() {
    let mut shop = Shop::open().await;
    let customer = shop.customer_with(1_000).await;
    shop.goes_away(Participant::Billing).await;
    let order_id = order_id(&customer.order_with(&[("prefer", "wait=0")], &price(1)).await);
    let path = format!("/api/v1/order/{order_id}/saga");
    let own = customer.client.get(&path).await.body;
    assert_eq!((&own["status"], &own["allowed_actions"]), (&json!("running"), &json!([])));
    assert!(own.get("finished_at").is_none());
    let operator = shop.orchestrator.user(Uuid::now_v7(), &[Role::Operator]);
    let told = operator.get(&path).await.body;
    assert!(told["allowed_actions"].as_array().unwrap().contains(&json!("cancel")), "{told}");
}
