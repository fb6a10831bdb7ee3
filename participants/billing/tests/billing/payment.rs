//! The internal payment: the money for an order at once, once an order.

use axum::http::Method;
use contracts::Outcome;
use contracts::billing::CaptureFunds;
use futures::future::join_all;
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
async fn a_saga_that_asks_later_finds_the_order_paid_and_gives_back_where_it_turns_back() {
    let bank = Bank::open().await;
    let user = bank.user_with(100).await;
    for is_turned_back in [false, true] {
        let order = Uuid::now_v7();
        let paid = pay(&bank, payment(order, user, 30)).await.body;
        let reserved = bank.reserve(order, user, 30).await;
        assert_eq!(reserved.outcome, Outcome::Done, "{reserved:?}");
        assert_eq!(bank.money(user).await, money(70, 0), "not once more");
        if is_turned_back {
            assert_eq!(bank.release(order).await.outcome, Outcome::Done);
            assert!(bank.reserve(order, user, 30).await.is_refused("cancelled"));
        } else {
            let captured = bank.capture(order).await;
            assert_eq!(json!(captured.done::<CaptureFunds>().entry_id), paid["entry_id"]);
            assert_eq!(bank.refund(order).await.outcome, Outcome::Done);
        }
        assert_eq!(bank.money(user).await, money(100, 0));
        assert_eq!(bank.hold_state(order).await.as_deref(), Some("refunded"));
        let again = pay(&bank, payment(order, user, 30)).await;
        assert_eq!((again.status, again.body), (200, paid), "answered as before");
        bank.audit().await;
    }
    assert_eq!(bank.money(user).await, money(100, 0));
}

#[tokio::test]
async fn an_order_whose_saga_has_asked_is_not_paid_whatever_became_of_it() {
    let bank = Bank::open().await;
    let (user, order) = (bank.user_with(100).await, Uuid::now_v7());
    bank.reserve(order, user, 30).await;
    assert_eq!(pay(&bank, payment(order, user, 30)).await.problem(), (409, "other_payment"), "held");
    bank.capture(order).await;
    assert_eq!(pay(&bank, payment(order, user, 30)).await.problem(), (409, "other_payment"), "captured");
    bank.refund(order).await;
    assert_eq!(pay(&bank, payment(order, user, 30)).await.problem(), (409, "other_payment"), "refunded");
    let refused = Uuid::now_v7();
    bank.reserve(refused, user, 1_000).await;
    assert_eq!(pay(&bank, payment(refused, user, 30)).await.problem(), (409, "other_payment"), "refused");
    assert_eq!(bank.money(user).await, money(100, 0));
    bank.audit().await;
}

#[tokio::test]
async fn a_payment_and_a_saga_at_once_on_two_replicas_take_the_money_once() {
    let bank = Bank::with_replicas(2).await;
    let user = bank.user_with(1_000).await;
    let orders: Vec<Uuid> = (0..100).map(|_| Uuid::now_v7()).collect();
    let races = orders.iter().enumerate().map(|(at, order)| {
        let operator = bank.replicas[at % 2].operator();
        let bank = &bank;
        async move {
            let body = payment(*order, user, 10);
            let (paid, reserved) =
                futures::join!(operator.post(PAYMENT, &body), bank.reserve(*order, user, 10));
            assert_eq!(reserved.outcome, Outcome::Done, "{reserved:?}");
            assert_eq!(bank.capture(*order).await.outcome, Outcome::Done);
            assert!(paid.status == 200 || paid.problem() == (409, "other_payment"), "{paid:?}");
            paid.status == 200
        }
    });
    let paid = join_all(races).await.into_iter().filter(|is_paid| *is_paid).count();
    assert_eq!(bank.money(user).await, money(0, 0), "{paid} payments, the others by their sagas");
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
