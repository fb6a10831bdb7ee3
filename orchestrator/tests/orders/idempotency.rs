//! The same request again, by its `Idempotency-Key`.

use std::collections::HashSet;

use futures::future::join_all;
use reqwest::Method;
use serde_json::{Value, json};
use service::token::Role;
use testkit::Answer;
use uuid::Uuid;

use crate::shop::{Customer, Participant, Shop, both, header, items, order_id, price};

async fn keyed(customer: &Customer, key: &str, body: &Value) -> Answer {
    customer.order_with(&[("idempotency-key", key)], body).await
}

fn is_replayed(answer: &Answer) -> bool {
    header(answer, "idempotency-replayed") == Some("true")
}

async fn orders(shop: &Shop) -> i64 {
    shop.number("SELECT count(*) FROM orders").await
}

#[tokio::test]
async fn the_same_request_again_is_the_same_order() {
    let shop = Shop::open().await;
    let (customer, tea) = (shop.customer_with(10_000).await, shop.position(10).await);
    let body = both(&[(tea, 2)], 2_000);
    let first = keyed(&customer, "one", &body).await;
    assert_eq!((first.status, is_replayed(&first)), (201, false), "{first:?}");
    let second = keyed(&customer, "one", &body).await;
    assert_eq!((second.status, is_replayed(&second)), (201, true), "{second:?}");
    assert_eq!(second.body, first.body);
    assert_eq!(header(&second, "location"), header(&first, "location"));
    // Written differently, it says the same.
    let text = format!(r#"{{ "price": 2000, "items": [{{"quantity":2 , "position_id":"{tea}"}}] }}"#);
    let request = customer.client.request(Method::POST, "/api/v1/order").header("idempotency-key", "one");
    let third = customer.client.send(request.header("content-type", "application/json").body(text)).await;
    assert_eq!((third.status, is_replayed(&third), &third.body), (201, true, &first.body));
    shop.is_quiet().await;
    assert_eq!((orders(&shop).await, shop.money(&customer).await), (1, (8_000, 0)));
    assert_eq!(shop.available_when_reserved(tea, 0).await, 8);
}

#[tokio::test]
async fn without_a_key_the_same_request_is_another_order() {
    let shop = Shop::open().await;
    let customer = shop.customer_with(10_000).await;
    let (first, second) = (customer.order(&price(100)).await, customer.order(&price(100)).await);
    assert_ne!(order_id(&first), order_id(&second));
    shop.is_quiet().await;
    assert_eq!(shop.money(&customer).await, (9_800, 0));
}

#[tokio::test]
async fn a_refused_order_is_refused_again_also_when_it_could_be_confirmed_now() {
    let shop = Shop::open().await;
    let customer = shop.customer_with(10).await;
    let first = keyed(&customer, "one", &price(100)).await;
    assert_eq!((first.problem(), is_replayed(&first)), ((402, "insufficient_funds"), false));
    shop.deposit(&customer, 1_000).await;
    let second = keyed(&customer, "one", &price(100)).await;
    assert_eq!((second.problem(), is_replayed(&second)), ((402, "insufficient_funds"), true));
    for member in ["order_id", "available", "required", "detail", "code"] {
        assert_eq!(second.body[member], first.body[member], "{member}");
    }
    assert_eq!(orders(&shop).await, 1);
}

#[tokio::test]
async fn a_repeat_waits_for_the_decision_like_the_first() {
    let mut shop = Shop::open().await;
    let customer = shop.customer_with(10_000).await;
    shop.goes_away(Participant::Billing).await;
    let (now, patient) = (
        [("idempotency-key", "one"), ("prefer", "wait=0")],
        [("idempotency-key", "one"), ("prefer", "wait=30")],
    );
    let body = price(100);
    let first = customer.order_with(&now, &body).await;
    assert_eq!((first.status, is_replayed(&first)), (202, false));
    let second = customer.order_with(&now, &body).await;
    assert_eq!((second.status, is_replayed(&second), &second.body), (202, true, &first.body));
    assert!(header(&second, "retry-after").is_some());
    let (third, _billing) =
        tokio::join!(customer.order_with(&patient, &body), async { shop.bed.run(billing::start).await });
    assert_eq!((third.status, is_replayed(&third)), (201, true), "{third:?}");
    assert_eq!(order_id(&third), order_id(&first));
}

#[tokio::test]
async fn a_key_with_another_body_is_refused_and_changes_nothing() {
    let shop = Shop::open().await;
    let customer = shop.customer_with(10_000).await;
    let first = keyed(&customer, "one", &price(100)).await;
    let other = keyed(&customer, "one", &price(101)).await;
    assert_eq!(other.problem(), (422, "idempotency_key_reused"));
    let again = keyed(&customer, "one", &price(100)).await;
    assert_eq!((again.status, order_id(&again)), (201, order_id(&first)));
    assert_eq!(orders(&shop).await, 1);
}

#[tokio::test]
async fn twins_at_the_same_time_are_one_order_on_two_replicas() {
    let shop = Shop::open().await;
    let second = shop.bed.run(orchestrator::start).await;
    let customer = shop.customer_with(10_000).await;
    let there = Customer { user_id: customer.user_id, client: second.user(customer.user_id, &[Role::User]) };
    for round in 0..5 {
        let (key, body) = (format!("round-{round}"), price(100));
        let twins = (0..10).map(|index| {
            let through = if index % 2 == 0 { &customer } else { &there };
            keyed(through, &key, &body)
        });
        let answers = join_all(twins).await;
        assert!(answers.iter().all(|answer| answer.status == 201), "{answers:?}");
        assert_eq!(answers.iter().map(order_id).collect::<HashSet<_>>().len(), 1);
        assert_eq!(answers.iter().filter(|answer| !is_replayed(answer)).count(), 1);
    }
    shop.is_quiet().await;
    assert_eq!((orders(&shop).await, shop.money(&customer).await), (5, (9_500, 0)));
}

#[tokio::test]
async fn of_two_bodies_with_one_key_at_the_same_time_one_is_ordered() {
    let shop = Shop::open().await;
    let customer = shop.customer_with(10_000).await;
    for round in 1..=5 {
        let key = format!("round-{round}");
        let (one, other) = (price(100), price(101));
        let answers = join_all([keyed(&customer, &key, &one), keyed(&customer, &key, &other)]).await;
        let mut statuses: Vec<u16> = answers.iter().map(|answer| answer.status).collect();
        statuses.sort_unstable();
        assert_eq!(statuses, [201, 422], "{answers:?}");
        assert_eq!(orders(&shop).await, round);
    }
}

#[tokio::test]
async fn keys_are_the_users_own() {
    let shop = Shop::open().await;
    let (ann, bob) = (shop.customer_with(1_000).await, shop.customer_with(1_000).await);
    let first = keyed(&ann, "one", &price(100)).await;
    let second = keyed(&bob, "one", &price(100)).await;
    assert_eq!((second.status, is_replayed(&second)), (201, false));
    assert_ne!(order_id(&first), order_id(&second));
    assert_eq!(second.body["user_id"], json!(bob.user_id));
}

#[tokio::test]
async fn a_request_that_changed_nothing_does_not_use_its_key_up() {
    let shop = Shop::open().await;
    let customer = shop.customer_with(1_000).await;
    assert_eq!(keyed(&customer, "one", &price(0)).await.problem(), (422, "validation_failed"));
    let answer = keyed(&customer, "one", &price(100)).await;
    assert_eq!((answer.status, is_replayed(&answer)), (201, false));
}

#[tokio::test]
async fn a_key_has_limits() {
    let shop = Shop::open().await;
    let customer = shop.customer_with(1_000).await;
    for bad in ["", "a b", &"a".repeat(256)] {
        let answer = keyed(&customer, bad, &price(100)).await;
        assert_eq!(answer.problem(), (422, "validation_failed"), "{bad:?}");
        assert_eq!(answer.body["errors"][0]["field"], "Idempotency-Key");
    }
    assert_eq!(orders(&shop).await, 0);
    assert_eq!(keyed(&customer, &"a".repeat(255), &items(&[(Uuid::now_v7(), 1)])).await.status, 422);
    assert_eq!(orders(&shop).await, 1);
}
