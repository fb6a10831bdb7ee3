//! Pausing whole workflows and participants.

use std::collections::{BTreeMap, BTreeSet};

use sea_orm::{ConnectionTrait, DatabaseBackend, QueryResult, Statement, TransactionTrait};
use serde_json::{Value, json};
use testkit::{Answer, Client, eventually};
use uuid::Uuid;

use crate::acting::{act, saga};
use crate::shop::{Shop, WITHIN, items, order_id, price};

const PAUSES: &str = "/internal/api/v1/pauses";

async fn pause(operator: &Client, scope: &str, name: &str) -> Answer {
    operator.post(PAUSES, &json!({ "scope": scope, "name": name, "reason": "maintenance" })).await
}

async fn resume(operator: &Client, scope: &str, name: &str) -> Answer {
    let body = json!({ "scope": scope, "name": name, "reason": "done" });
    operator.post(&format!("{PAUSES}/resume"), &body).await
}

fn sent_to(saga: &Value, step: &str) -> bool {
    saga["history"].as_array().unwrap().iter().any(|line| line["event"] == "sent" && line["step"] == step)
}

/// How its pauses came and went.
fn pauses(saga: &Value) -> Vec<&str> {
    let events = saga["history"].as_array().unwrap().iter().map(|line| line["event"].as_str().unwrap());
    events.filter(|event| ["paused", "resumed"].contains(event)).collect()
}

async fn stands_still_by(operator: &Client, id: Uuid, by: &str) -> Value {
    eventually(WITHIN, "the saga to stand still", async || {
        let found = saga(operator, id).await;
        let met = found["history"].as_array().unwrap().iter().any(|line| line["event"] == "paused");
        (found["paused_by"] == by && met).then_some(found)
    })
    .await
}

#[tokio::test]
async fn a_saga_that_needs_the_paused_participant_no_more_goes_on() {
    let shop = Shop::open().await;
    let (customer, tea) = (shop.customer_with(10_000).await, shop.position(10).await);
    let operator = shop.orchestrator.operator();
    assert_eq!(pause(&operator, "participant", "billing").await.status, 200);
    let id = order_id(&customer.order_with(&[("prefer", "wait=0")], &items(&[(tea, 1)])).await);
    stands_still_by(&operator, id, "participant billing").await;
    assert_eq!(shop.counts(tea).await, (9, 1));
    // Billing was never asked: stock and notification undo and tell without it.
    let answer = customer.cancel(id, 20).await;
    assert_eq!(answer.status, 200, "{answer:?}");
    assert_eq!(shop.counts(tea).await, (10, 0));
    assert_eq!(shop.letters(&customer, id).await, ["order_cancelled"]);
}

#[tokio::test]
async fn a_saga_that_waits_for_two_goes_on_with_the_one_that_is_not_paused() {
    let shop = Shop::open().await;
    let (customer, operator) = (shop.customer_with(1_000).await, shop.orchestrator.operator());
    for name in ["billing", "notification"] {
        assert_eq!(pause(&operator, "participant", name).await.status, 200);
    }
    let id = order_id(&customer.order_with(&[("prefer", "wait=0")], &price(100)).await);
    stands_still_by(&operator, id, "participant billing").await;
    let held = json!({ "hold_id": Uuid::now_v7(), "expires_at": "2099-01-01T00:00:00Z" });
    let answer = act(&operator, id, "skip", json!({ "step": "reserve_funds", "result": held })).await;
    assert_eq!((answer.status, &answer.body["status"]), (200, &json!("tail")), "{answer:?}");
    assert_eq!(resume(&operator, "participant", "notification").await.status, 200);
    let is_told = async || (shop.letters(&customer, id).await == ["order_confirmed"]).then_some(());
    eventually(WITHIN, "the letter", is_told).await;
    // When billing is to be asked, and nobody else, it stands still again; it did so twice, not every second.
    let standing = eventually(WITHIN, "the saga to stand still again", async || {
        let found = saga(&operator, id).await;
        (pauses(&found).len() > 2).then_some(found)
    })
    .await;
    assert!(!sent_to(&standing, "capture_funds"), "{standing}");
    assert_eq!(pauses(&standing), ["paused", "resumed", "paused"]);
}

#[tokio::test]
async fn a_paused_participant_is_sent_nothing_and_the_others_are() {
    let shop = Shop::open().await;
    let (customer, operator) = (shop.customer_with(1_000).await, shop.orchestrator.operator());
    let first = pause(&operator, "participant", "notification").await;
    assert_eq!((first.status, &first.body["reason"]), (200, &json!("maintenance")), "{first:?}");
    assert_eq!(pause(&operator, "participant", "notification").await.body, first.body, "twice is once");
    assert_eq!(operator.get(PAUSES).await.body["items"], json!([first.body]));
    let id = order_id(&customer.order(&price(100)).await);
    let captured = async || (shop.money(&customer).await == (900, 0)).then_some(());
    eventually(WITHIN, "the money to be captured", captured).await;
    let standing = stands_still_by(&operator, id, "participant notification").await;
    assert!(sent_to(&standing, "capture_funds") && !sent_to(&standing, "notify_joy"), "{standing}");
    assert_eq!((&standing["status"], &standing["paused"]), (&json!("tail"), &json!(true)));
    assert!(!standing["allowed_actions"].as_array().unwrap().contains(&json!("resume")));
    for action in ["resume", "retry"] {
        assert_eq!(act(&operator, id, action, json!({})).await.problem(), (409, "not_allowed"), "{action}");
    }
    assert_eq!(shop.letters(&customer, id).await, [""; 0]);
    assert_eq!(resume(&operator, "participant", "notification").await.status, 200);
    customer.sees_saga(id, "completed").await;
    assert_eq!(shop.letters(&customer, id).await, ["order_confirmed"]);
    assert_eq!(resume(&operator, "participant", "notification").await.problem(), (404, "not_found"));
    let trail = operator.get("/internal/api/v1/audit/actions").await.body;
    let told = |row: &Value| (row["action"].clone(), row["target"].clone());
    let target = json!("participant notification");
    assert_eq!(
        trail["items"].as_array().unwrap().iter().map(told).collect::<Vec<_>>(),
        [(json!("resume"), target.clone()), (json!("pause"), target)]
    );
}

#[tokio::test]
async fn a_paused_workflow_takes_orders_and_sends_nothing_in_every_replica() {
    let shop = Shop::open().await;
    let second = shop.bed.run(orchestrator::start).await;
    let (customer, operator) = (shop.customer_with(100_000).await, shop.orchestrator.operator());
    assert_eq!(pause(&operator, "workflow", "order").await.status, 200);
    let here = order_id(&customer.order_with(&[("prefer", "wait=0")], &price(100)).await);
    let standing = stands_still_by(&operator, here, "workflow").await;
    assert!(!sent_to(&standing, "reserve_funds"), "{standing}");
    let there = second.user(customer.user_id, &[service::token::Role::User]);
    let also_there = eventually(WITHIN, "the other replica to know", async || {
        let answer = there.post("/api/v1/order", &price(100)).await;
        (answer.status == 202).then(|| order_id(&answer))
    })
    .await;
    stands_still_by(&operator, also_there, "workflow").await;
    // Whatever an operator does to one of them: nothing is sent.
    assert_eq!(act(&operator, here, "cancel", json!({})).await.status, 200);
    assert_eq!(resume(&operator, "workflow", "order").await.status, 200);
    customer.sees(here, "cancelled").await;
    customer.sees(also_there, "confirmed").await;
    shop.is_quiet().await;
}

#[tokio::test]
async fn only_what_exists_is_paused_and_by_operators_alone() {
    let shop = Shop::open().await;
    let operator = shop.orchestrator.operator();
    for (scope, name) in
        [("workflow", "billing"), ("participant", "order"), ("saga", "order"), ("workflow", "")]
    {
        assert_eq!(
            pause(&operator, scope, name).await.problem(),
            (422, "validation_failed"),
            "{scope} {name}"
        );
    }
    assert_eq!(resume(&operator, "workflow", "order").await.problem(), (404, "not_found"));
    let service = shop.orchestrator.service("billing");
    assert_eq!(pause(&service, "workflow", "order").await.problem(), (403, "forbidden"));
    assert_eq!(resume(&service, "workflow", "order").await.problem(), (403, "forbidden"));
    assert_eq!(operator.get(PAUSES).await.body, json!({ "items": [] }));
}

#[tokio::test]
async fn a_process_that_cannot_read_them_when_it_starts_asks_again() {
    let shop = Shop::open().await;
    let held = shop.bed.db.begin().await.unwrap();
    held.execute_unprepared("LOCK TABLE pauses IN ACCESS EXCLUSIVE MODE").await.unwrap();
    let before = sessions(&shop, "true").await;
    let (second, ()) = tokio::join!(shop.bed.run(orchestrator::start), async {
        let mut asked = BTreeSet::new();
        eventually(WITHIN, "it to have asked in vain, and once more", async || {
            let waiting = sessions(&shop, "wait_event_type = 'Lock' AND query LIKE '%FROM pauses%'").await;
            asked.extend(waiting.into_iter().filter(|(pid, _)| !before.contains_key(pid)));
            (asked.len() > 1).then_some(())
        })
        .await;
        held.rollback().await.unwrap();
    });
    second.stop().await;
}

/// The sessions on the shop's database that fulfil a condition, each with when its statement began.
async fn sessions(shop: &Shop, condition: &str) -> BTreeMap<i32, String> {
    let sql = format!(
        "SELECT pid, coalesce(query_start::text, '') FROM pg_stat_activity \
         WHERE datname = current_database() AND {condition}"
    );
    let rows =
        shop.bed.db.query_all_raw(Statement::from_string(DatabaseBackend::Postgres, sql)).await.unwrap();
    let session = |row: &QueryResult| (row.try_get_by_index(0).unwrap(), row.try_get_by_index(1).unwrap());
    rows.iter().map(session).collect()
}
