//! The internal payment: the money for an order at once, once an order.

use axum::http::Method;
use serde_json::{Value, json};
use service::token::Role;
use testkit::Answer;
use uuid::Uuid;

use crate::bank::{Bank, money};

const PAYMENT: &str = "/internal/api/v1/payment";

fn payment(order_id: Uuid, user_id: Uuid, units: i64) -> Value {
    json!({ "order_id": order_id, "user_id": user_id, "amount": units })
}

async fn pay(bank: &Bank, body: Value) -> Answer {
    bank.replicas[0].operator().post(PAYMENT, &body).await
}

#[tokio::test]
async fn an_order_is_paid_once() {
    let bank = Bank::open().await;
    let (user, order) = (bank.user_with(100).await, Uuid::now_v7());
    let first = pay(&bank, payment(order, user, 30)).await;
    assert_eq!(first.status, 200);
    assert_eq!(first.body["amount"], 30);
    let again = pay(&bank, payment(order, user, 30)).await;
    assert_eq!((again.status, again.body), (200, first.body));
    assert_eq!(bank.money(user).await, money(70, 0));
    assert_eq!(pay(&bank, payment(order, user, 31)).await.problem(), (409, "other_payment"));
    assert_eq!(bank.money(user).await, money(70, 0));
    let statement = bank.client(0, user).get("/api/v1/account/entries").await.body;
    assert_eq!(statement["items"][0]["kind"], "payment");
    assert_eq!(statement["items"][0]["order_id"], json!(order));
    bank.audit().await;
}

#[tokio::test]
async fn a_payment_that_was_refused_may_be_asked_again() {
    let bank = Bank::open().await;
    let (user, order) = (bank.user_with(20).await, Uuid::now_v7());
    let short = pay(&bank, payment(order, user, 30)).await;
    assert_eq!(short.problem(), (402, "insufficient_funds"));
    assert_eq!((&short.body["available"], &short.body["required"]), (&json!(20), &json!(30)));
    bank.deposit(user, 10).await;
    assert_eq!(pay(&bank, payment(order, user, 30)).await.status, 200);
    bank.audit().await;
}

#[tokio::test]
async fn a_payment_with_a_key_is_replayed_and_the_key_is_not_for_another_order() {
    let bank = Bank::open().await;
    let (user, order) = (bank.user_with(100).await, Uuid::now_v7());
    let operator = bank.replicas[0].operator();
    let mut answers = Vec::new();
    for order in [order, order, Uuid::now_v7()] {
        let request = operator.request(Method::POST, PAYMENT).header("Idempotency-Key", "k");
        answers.push(operator.send(request.json(&payment(order, user, 30))).await);
    }
    assert_eq!(answers[0].body, answers[1].body);
    assert!(answers[0].headers.get("idempotency-replayed").is_none());
    assert_eq!(answers[2].problem(), (422, "idempotency_key_reused"));
    assert_eq!(bank.money(user).await, money(70, 0));
}

#[tokio::test]
async fn only_operators_and_services_may_take_payments_and_only_good_ones() {
    let bank = Bank::open().await;
    let (user, order) = (bank.user_with(100).await, Uuid::now_v7());
    let body = payment(order, user, 30);
    assert_eq!(bank.replicas[0].internal_anybody().post(PAYMENT, &body).await.status, 401);
    let customer = bank.replicas[0].internal_user(user, &[Role::User]);
    assert_eq!(customer.post(PAYMENT, &body).await.status, 403);
    for bad in
        [payment(order, user, 0), payment(order, user, -3), json!({ "order_id": order, "user_id": user })]
    {
        assert_eq!(pay(&bank, bad.clone()).await.problem(), (422, "validation_failed"), "{bad}");
    }
    assert_eq!(bank.money(user).await, money(100, 0));
}
