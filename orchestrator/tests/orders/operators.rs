//! The operators' list of sagas and the detail of one, on the internal listener.

use serde_json::{Value, json};
use service::token::Role;
use testkit::{Client, eventually};
use uuid::Uuid;

use crate::shop::{Participant, Shop, WITHIN, items, order_id, price};

const SAGAS: &str = "/internal/api/v1/sagas";

/// The keys (orders) of the sagas that a query finds.
async fn found(operator: &Client, query: &str) -> Vec<Uuid> {
    let answer = operator.get(&format!("{SAGAS}?{query}")).await;
    assert_eq!(answer.status, 200, "{query}: {answer:?}");
    let items = answer.body["items"].as_array().unwrap();
    items.iter().map(|saga| saga["key"].as_str().unwrap().parse().unwrap()).collect()
}

#[tokio::test]
async fn sagas_are_found_by_what_one_looks_for_at_night() {
    let mut shop = Shop::open().await;
    let (customer, tea) = (shop.customer_with(1_500).await, shop.position(10).await);
    let operator = shop.orchestrator.operator();
    let completed = order_id(&customer.order(&items(&[(tea, 1)])).await);
    let rejected = order_id(&customer.order(&items(&[(tea, 1)])).await);
    shop.is_quiet().await;
    shop.goes_away(Participant::Billing).await;
    let asynchronous = [("prefer", "respond-async")];
    let undoing = order_id(&customer.order_with(&asynchronous, &items(&[(tea, 2)])).await);
    eventually(WITHIN, "the stock to be reserved", async || (shop.counts(tea).await == (7, 2)).then_some(()))
        .await;
    shop.goes_away(Participant::Stock).await;
    shop.comes_back(Participant::Billing).await;
    customer.sees_saga(undoing, "compensating").await;
    shop.goes_away(Participant::Billing).await;
    let running = order_id(&customer.order_with(&asynchronous, &price(1)).await);
    let mark = "UPDATE sagas SET stuck_since = now() WHERE key = $1 RETURNING 1";
    assert_eq!(shop.rows(mark, [undoing.into()]).await.len(), 1);
    let age = "UPDATE sagas SET created_at = created_at - interval '1 hour' WHERE key = $1 RETURNING 1";
    assert_eq!(shop.rows(age, [rejected.into()]).await.len(), 1);

    let all = vec![running, undoing, rejected, completed];
    for (query, expected) in [
        ("", all.clone()),
        ("workflow=order", all.clone()),
        ("workflow=order_cancellation", vec![]),
        ("status=running", vec![running]),
        ("status=compensating", vec![undoing]),
        ("status=completed", vec![completed]),
        ("status=rejected", vec![rejected]),
        ("status=tail", vec![]),
        ("status=cancelled", vec![]),
        ("status=abandoned", vec![]),
        ("stuck=true", vec![undoing]),
        ("stuck=false", vec![running, rejected, completed]),
        ("step=reserve_funds", vec![running]),
        ("step=undo%20reserve_stock", vec![undoing]),
        ("step=reserve_stock", vec![]),
        ("older_than_seconds=1800", vec![rejected]),
        ("older_than_seconds=0", all.clone()),
        (&format!("key={undoing}"), vec![undoing]),
        (&format!("key={}", Uuid::now_v7()), vec![]),
        ("workflow=order&status=compensating&stuck=true&step=undo+reserve_stock", vec![undoing]),
        ("workflow=order&status=running&stuck=true", vec![]),
    ] {
        assert_eq!(found(&operator, query).await, expected, "{query}");
    }
}

#[tokio::test]
async fn sagas_are_listed_page_by_page() {
    let shop = Shop::open().await;
    let (customer, operator) = (shop.customer_with(1_000).await, shop.orchestrator.operator());
    let mut placed = Vec::new();
    for _ in 0..5 {
        placed.push(order_id(&customer.order(&price(1)).await));
    }
    placed.reverse();
    let (mut seen, mut query) = (Vec::new(), "limit=2".to_owned());
    loop {
        let page = operator.get(&format!("{SAGAS}?{query}")).await.body;
        let keys = page["items"].as_array().unwrap().iter().map(|saga| saga["key"].as_str().unwrap());
        seen.extend(keys.map(|key| key.parse::<Uuid>().unwrap()));
        let Some(next) = page["next_cursor"].as_str() else { break };
        query = format!("limit=2&cursor={next}");
    }
    assert_eq!(seen, placed);
}

#[tokio::test]
async fn a_list_asked_for_wrongly_is_refused() {
    let shop = Shop::open().await;
    let operator = shop.orchestrator.operator();
    for query in [
        "status=lost",
        "stuck=perhaps",
        "key=1",
        "older_than_seconds=-1",
        "older_than_seconds=99999999999",
        "limit=0",
        "workflow=",
        "workflow=subscription",
        "step=%00",
        "step=reserve_fund",
        "step=undo+notify_joy",
        "workflow=order_cancellation&step=reserve_funds",
        "colour=red",
        "stuck=true&stuck=true",
    ] {
        let answer = operator.get(&format!("{SAGAS}?{query}")).await;
        assert_eq!(answer.problem(), (422, "validation_failed"), "{query}: {answer:?}");
    }
    for (query, field, known) in [
        ("workflow=subscription", "workflow", "must be one of: order, order_cancellation"),
        (
            "workflow=order_cancellation&step=x",
            "step",
            "must be one of: cancel_delivery, notify_cancelled, refund_order, release_stock",
        ),
        ("status=lost", "status", "must be one of: running, compensating, tail"),
    ] {
        let error = operator.get(&format!("{SAGAS}?{query}")).await.body["errors"][0].clone();
        assert_eq!(error["field"], field, "{query}");
        assert!(error["message"].as_str().unwrap().starts_with(known), "{query}: {error}");
    }
    let bulk = json!({
        "filter": { "step": "reserve_fund" }, "action": "retry", "reason": "mended", "dry_run": false,
    });
    let answer = operator.post(&format!("{SAGAS}/bulk"), &bulk).await;
    assert_eq!(answer.problem(), (422, "validation_failed"), "{answer:?}");
    assert_eq!(answer.body["errors"][0]["field"], "filter.step");
}

#[tokio::test]
async fn a_pause_that_holds_already_is_told_to_whoever_has_another_reason() {
    let shop = Shop::open().await;
    let (first, second) = (shop.orchestrator.operator(), shop.orchestrator.operator());
    let pause = async |operator: &Client, reason: &str| {
        let body = json!({ "scope": "participant", "name": "billing", "reason": reason });
        operator.post("/internal/api/v1/pauses", &body).await
    };
    let held = pause(&first, "the bank is closed").await;
    assert_eq!(held.status, 200, "{held:?}");
    assert_eq!(pause(&first, "the bank is closed").await.body, held.body, "the same again is the same");
    for (operator, reason) in [(&first, "a new reason"), (&second, "the bank is closed")] {
        let answer = pause(operator, reason).await;
        assert_eq!(answer.problem(), (409, "already_paused"), "{answer:?}");
        for member in ["scope", "name", "since", "actor", "reason"] {
            assert_eq!(answer.body[member], held.body[member], "{member}");
        }
        let detail = answer.body["detail"].as_str().unwrap();
        assert!(detail.contains("the bank is closed") && detail.contains("operator "), "{detail}");
    }
    let trail = operator_trail(&first).await;
    assert_eq!(trail.len(), 1, "what was refused is not in the trail: {trail:?}");
}

async fn operator_trail(operator: &Client) -> Vec<Value> {
    let trail = operator.get("/internal/api/v1/audit/actions").await.body;
    trail["items"].as_array().unwrap().clone()
}

#[tokio::test]
async fn the_detail_of_a_saga_has_what_was_answered() {
    let shop = Shop::open().await;
    let (customer, operator) = (shop.customer_with(10).await, shop.orchestrator.operator());
    let answer = customer.order(&price(100)).await;
    customer.sees_saga(order_id(&answer), "rejected").await;
    let listed = operator.get(&format!("{SAGAS}?key={}", order_id(&answer))).await.body["items"][0].clone();
    let saga = listed["saga_id"].as_str().unwrap();
    let detail = operator.get(&format!("{SAGAS}/{saga}")).await;
    assert_eq!(detail.status, 200, "{detail:?}");
    for member in ["saga_id", "workflow", "version", "key", "status", "stuck", "created_at", "finished_at"] {
        assert_eq!(detail.body[member], listed[member], "{member}");
    }
    let refused = |line: &&Value| line["event"] == "refused";
    let line = detail.body["history"].as_array().unwrap().iter().find(refused).unwrap();
    assert_eq!((&line["step"], &line["detail"]), (&json!("reserve_funds"), &json!("insufficient_funds")));
    assert_eq!(line["payload"], json!({ "available": 10, "required": 100 }));
}

#[tokio::test]
async fn only_operators_and_services_are_let_in_before_anything_is_told() {
    let shop = Shop::open().await;
    let customer = shop.orchestrator.internal_user(Uuid::now_v7(), &[Role::User, Role::Courier]);
    let known = format!("{SAGAS}/{}", Uuid::now_v7());
    for path in [SAGAS, &known, "/internal/api/v1/nowhere"] {
        assert_eq!(shop.orchestrator.internal_anybody().get(path).await.problem(), (401, "unauthenticated"));
        assert_eq!(customer.get(path).await.problem(), (403, "forbidden"));
        // Nothing internal is behind the public listener.
        let public = shop.orchestrator.user(Uuid::now_v7(), &[Role::Operator]);
        assert_eq!(public.get(path).await.problem(), (404, "not_found"));
    }
    let operator = shop.orchestrator.operator();
    for path in [known.as_str(), "/internal/api/v1/sagas/1", "/internal/api/v1/nowhere"] {
        assert_eq!(operator.get(path).await.problem(), (404, "not_found"), "{path}");
    }
}
