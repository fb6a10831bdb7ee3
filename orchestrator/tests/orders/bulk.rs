//! The same thing done to many sagas.

use serde_json::{Value, json};
use testkit::{Answer, Client};
use uuid::Uuid;

use crate::acting::{hanging, saga};
use crate::shop::{Participant, Shop, order_id, price};

async fn bulk(operator: &Client, action: &str, filter: Value, dry_run: bool, more: Value) -> Answer {
    let mut body = json!({ "filter": filter, "action": action, "reason": "ticket 8", "dry_run": dry_run });
    body.as_object_mut().unwrap().extend(more.as_object().unwrap().clone());
    operator.post("/internal/api/v1/sagas/bulk", &body).await
}

fn ids(answer: &Answer) -> Vec<Uuid> {
    assert_eq!(answer.status, 200, "{answer:?}");
    let items = answer.body["items"].as_array().unwrap();
    items.iter().map(|item| item["saga_id"].as_str().unwrap().parse().unwrap()).collect()
}

#[tokio::test]
async fn many_are_told_first_and_then_done_one_by_one() {
    let mut shop = Shop::open().await;
    let (customer, operator) = (shop.customer_with(1_000).await, shop.orchestrator.operator());
    shop.goes_away(Participant::Notification).await;
    let past = order_id(&customer.order(&price(100)).await);
    shop.goes_away(Participant::Billing).await;
    let mut hang = Vec::new();
    for _ in 0..3 {
        hang.push(hanging(&customer).await);
    }
    hang.reverse();
    let all = json!({ "workflow": "order" });
    let told = bulk(&operator, "cancel", all.clone(), true, json!({})).await;
    assert_eq!(ids(&told), [hang.clone(), vec![past]].concat());
    let of = |item: &Value| {
        (item["ok"].as_bool().unwrap(), item["past_pivot"].as_bool().unwrap(), item["would_send"].clone())
    };
    let items = told.body["items"].as_array().unwrap();
    assert_eq!(of(&items[0]), (true, false, json!(["undo reserve_funds to billing"])));
    assert_eq!(of(&items[3]), (false, true, Value::Null));
    assert!(items[3]["why"].as_str().unwrap().contains("passed its pivot"));
    assert_eq!(
        (&told.body["matched"], &told.body["succeeded"], &told.body["failed"]),
        (&json!(4), &json!(3), &json!(1))
    );
    for id in &hang {
        assert_eq!(saga(&operator, *id).await["status"], "running", "a dry run changes nothing");
    }

    let running = json!({ "status": "running" });
    let page = bulk(&operator, "cancel", running.clone(), false, json!({ "limit": 2 })).await;
    assert_eq!(ids(&page), hang[..2]);
    assert_eq!(page.body["items"][0]["status"], "compensating");
    assert_eq!(saga(&operator, hang[2]).await["status"], "running", "not more than the limit");
    let more = json!({ "limit": 2, "cursor": page.body["next_cursor"] });
    let rest = bulk(&operator, "cancel", running, false, more).await;
    assert_eq!((ids(&rest), &rest.body["next_cursor"]), (hang[2..].to_vec(), &Value::Null));
    let trail = operator.get("/internal/api/v1/audit/actions?action=cancel").await.body;
    assert_eq!(trail["items"].as_array().unwrap().len(), 3);
    shop.comes_back(Participant::Billing).await;
    shop.comes_back(Participant::Notification).await;
    shop.is_quiet().await;
}

#[tokio::test]
async fn it_stops_by_itself_when_too_much_fails_and_keeps_to_its_rate() {
    let mut shop = Shop::open().await;
    let (customer, operator) = (shop.customer_with(1_000).await, shop.orchestrator.operator());
    shop.goes_away(Participant::Billing).await;
    for _ in 0..4 {
        hanging(&customer).await;
    }
    let all = json!({ "workflow": "order" });
    let began = std::time::Instant::now();
    let done = bulk(&operator, "retry", all.clone(), false, json!({ "rate_per_second": 2 })).await;
    assert_eq!((ids(&done).len(), &done.body["stopped"]), (4, &json!(false)));
    assert!(began.elapsed().as_secs_f64() >= 1.5, "four at two a second took {:?}", began.elapsed());
    let stopped = bulk(&operator, "resume", all, false, json!({ "failures_max": 2 })).await;
    assert_eq!(
        (ids(&stopped).len(), &stopped.body["stopped"], &stopped.body["failed"]),
        (2, &json!(true), &json!(2))
    );
    assert!(stopped.body["next_cursor"].is_string());
}

#[tokio::test]
async fn many_without_a_filter_are_refused() {
    let shop = Shop::open().await;
    let operator = shop.orchestrator.operator();
    for (filter, more) in [
        (json!({}), json!({})),
        (json!({ "colour": "red" }), json!({})),
        (json!({ "status": "running" }), json!({ "reason": "" })),
        (json!({ "status": "running" }), json!({ "limit": 501 })),
        (json!({ "status": "running" }), json!({ "rate_per_second": 0 })),
        (json!({ "status": "running" }), json!({ "step": "x" })),
    ] {
        let answer = bulk(&operator, "retry", filter.clone(), true, more).await;
        assert_eq!(answer.problem(), (422, "validation_failed"), "{filter}: {answer:?}");
    }
    let service = shop.orchestrator.service("billing");
    let answer = bulk(&service, "retry", json!({ "status": "running" }), true, json!({})).await;
    assert_eq!(answer.problem(), (403, "forbidden"));
}
