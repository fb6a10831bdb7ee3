//! What could not be processed: seen by group, sent again once, discarded.

use serde_json::{Value, json};
use testkit::{Client, command_item, eventually};
use uuid::Uuid;

use crate::acting::hanging;
use crate::shop::{Participant, Shop, WITHIN};

const DEAD: &str = "/internal/api/v1/dead-letters";
const REPLIES: &str = "reply.order.v1";

async fn groups(operator: &Client) -> Vec<Value> {
    let answer = operator.get(DEAD).await;
    assert_eq!(answer.status, 200, "{answer:?}");
    answer.body["items"].as_array().unwrap().clone()
}

/// What was done with them, the latest first.
async fn trail(operator: &Client, query: &str) -> Vec<Value> {
    let answer = operator.get(&format!("/internal/api/v1/audit/dead-letters{query}")).await;
    assert_eq!(answer.status, 200, "{answer:?}");
    answer.body["items"].as_array().unwrap().clone()
}

#[tokio::test]
async fn what_cannot_be_read_is_seen_by_group_and_discarded() {
    let shop = Shop::open().await;
    let operator = shop.orchestrator.operator();
    let road = &shop.bed.road;
    road.send(REPLIES, &[json!({ "id": 7 }), json!({ "id": 8 })]).await;
    road.send("reply.order.v1", &[json!({ "specversion": 1 })]).await;
    let found = eventually(WITHIN, "three letters in groups", async || {
        let found = groups(&operator).await;
        let letters: i64 = found.iter().map(|group| group["letters"].as_i64().unwrap()).sum();
        (letters == 3).then_some(found)
    })
    .await;
    assert_eq!(found.len(), 2, "{found:?}");
    let two = found.iter().find(|group| group["letters"] == 2).unwrap();
    assert_eq!((&two["service"], &two["subject"]), (&json!("orchestrator"), &json!(REPLIES)));
    let group = two["group"].as_str().unwrap();
    let page = operator.get(&format!("{DEAD}/groups/{group}?limit=1")).await.body;
    let letter = &page["items"][0];
    assert!(letter["payload"] == json!({ "id": 7 }) || letter["payload"] == json!({ "id": 8 }), "{letter}");
    let next = page["next_cursor"].as_str().unwrap();
    let rest = operator.get(&format!("{DEAD}/groups/{group}?limit=1&cursor={next}")).await.body;
    assert_eq!((rest["items"].as_array().unwrap().len(), &rest["next_cursor"]), (1, &Value::Null));
    let id = letter["letter_id"].as_str().unwrap();
    assert_eq!(operator.get(&format!("{DEAD}/{id}")).await.body["items"], json!([letter]));

    let discard = format!("{DEAD}/discard");
    let one = json!({ "ids": [id], "reason": "garbage" });
    assert_eq!(operator.post(&discard, &one).await.body["succeeded"], 1);
    assert_eq!(operator.post(&discard, &one).await.problem(), (404, "not_found"));
    let all = json!({ "group": group, "service": "orchestrator", "reason": "garbage" });
    let answer = operator.post(&discard, &all).await;
    assert_eq!((&answer.body["succeeded"], &answer.body["left"]), (&json!(1), &json!(0)), "{answer:?}");
    assert_eq!(groups(&operator).await.len(), 1);
    let done = trail(&operator, "").await;
    assert_eq!(done.len(), 2, "each letter once: {done:?}");
    let first = &done[1];
    assert_eq!((&first["letter_id"], &first["service"]), (&json!(id), &json!("orchestrator")));
    assert_eq!(
        (&first["action"], &first["reason"], &first["after"]),
        (&json!("discard"), &json!("garbage"), &json!("discarded"))
    );
    assert!(first["actor"].as_str().unwrap().starts_with("operator "), "{first}");
    assert_eq!((&first["before"]["group"], &first["before"]["error"]), (&two["group"], &letter["error"]));
    let newest = trail(&operator, "?limit=1").await;
    assert_eq!(newest, done[..1]);
}

#[tokio::test]
async fn a_letter_is_sent_again_as_it_came_and_once() {
    let mut shop = Shop::open().await;
    let (customer, operator) = (shop.customer_with(1_000).await, shop.orchestrator.operator());
    shop.goes_away(Participant::Billing).await;
    let order = hanging(&customer).await;
    // A refusal that a defect, mended since, kept from being understood.
    let mut reply = command_item(&contracts::billing::ReleaseFunds { order_id: order });
    reply["type"] = REPLIES.into();
    reply["subject"] = json!(order);
    reply["step"] = "reserve_funds".into();
    reply["data"] = json!({ "outcome": "refused", "code": "insufficient_funds", "body": { "available": 1, "required": 100 } });
    let (letter, group) = (Uuid::now_v7(), Uuid::now_v7());
    let sql = "INSERT INTO dead_letters (letter_id, subject, error, payload, group_id, count, first_at, last_at) \
               VALUES ($1, $2, 'a defect', $3, $4, 1, now(), now()) RETURNING 1";
    let payload = serde_json::to_vec(&reply).unwrap();
    assert_eq!(shop.rows(sql, [letter.into(), REPLIES.into(), payload.into(), group.into()]).await.len(), 1);
    let redrive = format!("{DEAD}/redrive");
    let body = json!({ "group": group, "reason": "mended" });
    let answer = operator.post(&redrive, &body).await;
    assert_eq!((answer.status, &answer.body["succeeded"]), (200, &json!(1)), "{answer:?}");
    let rejected = customer.sees(order, "rejected").await;
    assert_eq!(rejected["reason"], "insufficient_funds");
    assert_eq!(operator.post(&redrive, &body).await.problem(), (404, "not_found"));
    assert_eq!(groups(&operator).await, [Value::Null; 0]);
    let done = trail(&operator, "").await;
    assert_eq!(
        (done.len(), &done[0]["action"], &done[0]["after"]),
        (1, &json!("redrive"), &json!("sent_again"))
    );
}

#[tokio::test]
async fn a_letter_that_no_stream_takes_stays() {
    let shop = Shop::open().await;
    let operator = shop.orchestrator.operator();
    let letter = Uuid::now_v7();
    // A subject that the orchestrator may publish on, and that is no stream's.
    let sql = "INSERT INTO dead_letters (letter_id, subject, error, payload, group_id, count, first_at, last_at) \
               VALUES ($1, 'wake.order', 'no', '7', $1, 1, now(), now()) RETURNING 1";
    assert_eq!(shop.rows(sql, [letter.into()]).await.len(), 1);
    let body = json!({ "ids": [letter], "reason": "try" });
    let answer = operator.post(&format!("{DEAD}/redrive"), &body).await;
    assert_eq!(
        (&answer.body["failed"], &answer.body["items"][0]["ok"]),
        (&json!(1), &json!(false)),
        "{answer:?}"
    );
    assert_eq!(groups(&operator).await.len(), 1);
    assert_eq!(trail(&operator, "").await, [Value::Null; 0], "nothing was done");
}

#[tokio::test]
async fn what_is_asked_wrongly_is_refused() {
    let shop = Shop::open().await;
    let (operator, service) = (shop.orchestrator.operator(), shop.orchestrator.service("billing"));
    let id = Uuid::now_v7();
    for deed in ["redrive", "discard"] {
        let path = format!("{DEAD}/{deed}");
        for body in [
            json!({ "reason": "x" }),
            json!({ "ids": [id], "group": id, "reason": "x" }),
            json!({ "ids": [], "reason": "x" }),
            json!({ "ids": [id] }),
            json!({ "ids": [id], "reason": "" }),
            json!({ "group": id, "reason": "x", "rate_per_second": 0 }),
        ] {
            assert_eq!(
                operator.post(&path, &body).await.problem(),
                (422, "validation_failed"),
                "{deed} {body}"
            );
        }
        for body in [json!({ "ids": [id], "reason": "x" }), json!({ "group": id, "reason": "x" })] {
            assert_eq!(operator.post(&path, &body).await.problem(), (404, "not_found"), "{deed} {body}");
            assert_eq!(service.post(&path, &body).await.problem(), (403, "forbidden"), "{deed} {body}");
        }
    }
    assert_eq!(operator.get(&format!("{DEAD}/{id}")).await.problem(), (404, "not_found"));
    assert_eq!(operator.get(&format!("{DEAD}?colour=red")).await.problem(), (422, "validation_failed"));
}
