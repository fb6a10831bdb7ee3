//! What operators do to one saga: what is done, what is refused and why, and the trail of it.

use serde_json::{Value, json};
use service::token::Role;
use testkit::{Answer, Client, eventually};
use uuid::Uuid;

use crate::shop::{Customer, Participant, Shop, WITHIN, order_id, price};

const SAGAS: &str = "/internal/api/v1/sagas";
const ACTIONS: [&str; 6] = ["retry", "skip", "cancel", "abandon", "pause", "resume"];

pub(crate) async fn act(operator: &Client, saga_id: Uuid, action: &str, more: Value) -> Answer {
    let mut body = json!({ "reason": "ticket 7" });
    body.as_object_mut().unwrap().extend(more.as_object().unwrap().clone());
    operator.post(&format!("{SAGAS}/{saga_id}/{action}"), &body).await
}

pub(crate) async fn saga(operator: &Client, saga_id: Uuid) -> Value {
    operator.get(&format!("{SAGAS}/{saga_id}")).await.body
}

/// An order that waits for billing, which is away.
pub(crate) async fn hanging(customer: &Customer) -> Uuid {
    let answer = customer.order_with(&[("prefer", "wait=0")], &price(100)).await;
    assert_eq!(answer.status, 202, "{answer:?}");
    order_id(&answer)
}

fn allowed(saga: &Value) -> Vec<&str> {
    saga["allowed_actions"].as_array().unwrap().iter().map(|action| action.as_str().unwrap()).collect()
}

fn events(saga: &Value) -> Vec<&str> {
    saga["history"].as_array().unwrap().iter().map(|line| line["event"].as_str().unwrap()).collect()
}

async fn trail(operator: &Client, query: &str) -> Vec<Value> {
    let answer = operator.get(&format!("/internal/api/v1/audit/actions?{query}")).await;
    assert_eq!(answer.status, 200, "{answer:?}");
    answer.body["items"].as_array().unwrap().clone()
}

/// Refused, and the saga is as it was.
async fn not_allowed(operator: &Client, saga_id: Uuid, action: &str, more: Value, why: &str) {
    let before = saga(operator, saga_id).await;
    let answer = act(operator, saga_id, action, more).await;
    assert_eq!(answer.problem(), (409, "not_allowed"), "{action}: {answer:?}");
    assert!(answer.body["detail"].as_str().unwrap().contains(why), "{action}: {answer:?}");
    assert_eq!(saga(operator, saga_id).await, before, "{action} was refused and changed something");
}

#[tokio::test]
async fn every_action_is_done_where_it_makes_sense_and_refused_where_it_does_not() {
    let mut shop = Shop::open().await;
    let (customer, operator) = (shop.customer_with(1_000).await, shop.orchestrator.operator());
    shop.goes_away(Participant::Billing).await;
    let id = hanging(&customer).await;
    assert_eq!(allowed(&saga(&operator, id).await), ["retry", "skip", "cancel", "abandon", "pause"]);
    for attempt in [2, 3] {
        let answer = act(&operator, id, "retry", json!({})).await;
        assert_eq!(answer.status, 200, "{answer:?}");
        assert_eq!(answer.body["steps"][2]["attempts"], attempt);
    }
    not_allowed(&operator, id, "resume", json!({}), "not paused").await;
    not_allowed(&operator, id, "skip", json!({}), "result does not fit").await;
    not_allowed(&operator, id, "skip", json!({ "result": { "hold": 7 } }), "result does not fit").await;
    not_allowed(&operator, id, "skip", json!({ "step": "capture_funds" }), "not waited for").await;
    let held = json!({ "hold_id": Uuid::now_v7(), "expires_at": "2099-01-01T00:00:00Z" });
    let answer = act(&operator, id, "skip", json!({ "step": "reserve_funds", "result": held })).await;
    assert_eq!((answer.status, &answer.body["status"]), (200, &json!("tail")), "{answer:?}");
    assert_eq!(customer.see(id).await["status"], "confirmed");
    let is_told = async || (shop.letters(&customer, id).await.len() == 1).then_some(());
    eventually(WITHIN, "the letter", is_told).await;
    let only_billing = async || (saga(&operator, id).await["steps"][6]["status"] == "done").then_some(());
    eventually(WITHIN, "only billing to be waited for", only_billing).await;
    not_allowed(&operator, id, "cancel", json!({}), "passed its pivot").await;
    not_allowed(&operator, id, "skip", json!({ "step": "capture_funds" }), "only a stuck step").await;
    let answer = act(&operator, id, "abandon", json!({})).await;
    assert_eq!((answer.status, &answer.body["status"]), (200, &json!("abandoned")), "{answer:?}");
    assert_eq!(allowed(&answer.body), [""; 0]);
    for action in ACTIONS {
        not_allowed(&operator, id, action, json!({}), "the saga has ended").await;
    }
    let cancelled = customer.cancel(id, 0).await;
    assert_eq!(cancelled.problem(), (409, "too_late"), "operators settle it: {cancelled:?}");
    let actions = trail(&operator, &format!("saga_id={id}")).await;
    let told: Vec<_> = actions
        .iter()
        .map(|row| (row["action"].as_str().unwrap(), row["accepted_difference"].as_bool().unwrap()))
        .collect();
    assert_eq!(told, [("abandon", true), ("skip", true), ("retry", false), ("retry", false)]);
    let skip = &actions[1];
    assert_eq!((&skip["target"], &skip["reason"]), (&json!("reserve_funds"), &json!("ticket 7")));
    assert!(skip["actor"].as_str().unwrap().starts_with("operator "));
    assert_eq!((&skip["before"]["status"], &skip["after"]["status"]), (&json!("running"), &json!("tail")));
    assert_eq!(trail(&operator, "accepted_difference=true").await, actions[..2]);
    assert_eq!(trail(&operator, &format!("key={id}&action=retry")).await, actions[2..]);
}

#[tokio::test]
async fn an_operator_cancels_once() {
    let mut shop = Shop::open().await;
    let (customer, operator) = (shop.customer_with(1_000).await, shop.orchestrator.operator());
    shop.goes_away(Participant::Billing).await;
    let id = hanging(&customer).await;
    let answer = act(&operator, id, "cancel", json!({})).await;
    assert_eq!((answer.status, &answer.body["status"]), (200, &json!("compensating")), "{answer:?}");
    not_allowed(&operator, id, "cancel", json!({}), "turning back already").await;
    shop.comes_back(Participant::Billing).await;
    customer.sees(id, "cancelled").await;
    assert_eq!(shop.money(&customer).await, (1_000, 0));
}

#[tokio::test]
async fn what_is_asked_wrongly_or_of_nothing_is_refused() {
    let mut shop = Shop::open().await;
    let (customer, operator) = (shop.customer_with(1_000).await, shop.orchestrator.operator());
    shop.goes_away(Participant::Billing).await;
    let id = hanging(&customer).await;
    let unchanged = saga(&operator, id).await;
    for action in ACTIONS {
        assert_eq!(act(&operator, Uuid::now_v7(), action, json!({})).await.problem(), (404, "not_found"));
        for body in [
            json!({}),
            json!({ "reason": "" }),
            json!({ "reason": " " }),
            json!({ "reason": "a\nb" }),
            json!({ "reason": "x".repeat(501) }),
            json!({ "reason": "x", "colour": "red" }),
        ] {
            let answer = operator.post(&format!("{SAGAS}/{id}/{action}"), &body).await;
            assert_eq!(answer.problem(), (422, "validation_failed"), "{action} {body}: {answer:?}");
        }
    }
    for more in [json!({ "step": "reserve_funds" }), json!({ "result": {} })] {
        assert_eq!(act(&operator, id, "retry", more).await.problem(), (422, "validation_failed"));
    }
    assert_eq!(act(&operator, id, "explode", json!({})).await.problem(), (404, "not_found"));
    let service = shop.orchestrator.service("billing");
    let user = shop.orchestrator.internal_user(Uuid::now_v7(), &[Role::User]);
    for client in [service, user] {
        assert_eq!(act(&client, id, "abandon", json!({})).await.problem(), (403, "forbidden"));
    }
    assert_eq!(saga(&operator, id).await, unchanged);
    assert_eq!(trail(&operator, "").await.len(), 0);
}

#[tokio::test]
async fn a_cancel_that_races_the_answer_wins_or_loses_and_never_both() {
    let shop = Shop::open().await;
    let (customer, operator) = (shop.customer_with(10_000).await, shop.orchestrator.operator());
    let racing = (0..40).map(async |_| {
        let answer = customer.order_with(&[("prefer", "wait=0")], &price(100)).await;
        let id = order_id(&answer);
        (id, act(&operator, id, "cancel", json!({})).await)
    });
    let raced = futures::future::join_all(racing).await;
    shop.is_quiet().await;
    let mut confirmed = 0;
    for (id, answer) in raced {
        let order = customer.see(id).await;
        match answer.status {
            200 => assert_eq!(order["status"], "cancelled", "{order}"),
            409 => {
                confirmed += 1;
                assert_eq!(order["status"], "confirmed", "{order} {answer:?}");
            }
            _ => panic!("{answer:?}"),
        }
    }
    assert_eq!(shop.money(&customer).await, (10_000 - confirmed * 100, 0));
    assert_eq!(trail(&operator, "action=cancel&limit=200").await.len() as i64, 40 - confirmed);
}

#[tokio::test]
async fn a_paused_saga_learns_and_sends_nothing_until_it_is_resumed() {
    let mut shop = Shop::open().await;
    let (customer, operator) = (shop.customer_with(1_000).await, shop.orchestrator.operator());
    shop.goes_away(Participant::Billing).await;
    let id = hanging(&customer).await;
    let answer = act(&operator, id, "pause", json!({})).await;
    assert_eq!((answer.status, &answer.body["paused"]), (200, &json!(true)), "{answer:?}");
    assert_eq!(allowed(&answer.body), ["skip", "cancel", "abandon", "resume"]);
    not_allowed(&operator, id, "pause", json!({}), "paused already").await;
    not_allowed(&operator, id, "retry", json!({}), "paused: resume it first").await;
    // Asked before the pause: its answer is learned, and the tail is not asked for.
    shop.comes_back(Participant::Billing).await;
    customer.sees(id, "confirmed").await;
    let stands = saga(&operator, id).await;
    assert_eq!(
        (&stands["status"], &stands["paused"], &stands["paused_by"]),
        (&json!("tail"), &json!(true), &json!("saga"))
    );
    let told = events(&stands);
    let paused_at = told.iter().position(|event| *event == "paused").unwrap();
    assert!(!told[paused_at..].contains(&"sent"), "{told:?}");
    assert_eq!(
        customer.sees_saga(id, "tail").await["paused_by"],
        Value::Null,
        "customers are not told by what"
    );
    let found = operator.get(&format!("{SAGAS}?paused=true")).await.body;
    assert_eq!(found["items"][0]["saga_id"], json!(id));
    let answer = act(&operator, id, "resume", json!({})).await;
    assert_eq!((answer.status, &answer.body["paused"]), (200, &json!(false)), "{answer:?}");
    let done = async || (saga(&operator, id).await["status"] == "completed").then_some(());
    eventually(WITHIN, "the saga to go on", done).await;
    assert_eq!(shop.money(&customer).await, (900, 0));
}
