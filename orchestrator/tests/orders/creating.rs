//! Creating an order: what its client is told, and what then is true of money, stock and letters.

use serde_json::json;
use testkit::{Answer, eventually};
use uuid::Uuid;

use crate::shop::{Customer, PRICE, Participant, Shop, WITHIN, both, header, items, order_id, price};

/// Confirmed, and told where it is.
fn confirmed(answer: &Answer, total: i64) -> Uuid {
    assert_eq!((answer.status, &answer.body["status"]), (201, &json!("confirmed")), "{answer:?}");
    assert_eq!((&answer.body["total"], &answer.body["currency"]), (&json!(total), &json!("RUB")));
    assert!(answer.body.get("reason").is_none());
    let order_id = order_id(answer);
    assert_eq!(header(answer, "location"), Some(format!("/api/v1/order/{order_id}").as_str()));
    assert_eq!(header(answer, "idempotency-replayed"), None);
    order_id
}

/// Refused, and kept as rejected for this reason; nothing of it stands, and its letter is written.
async fn rejected(shop: &Shop, customer: &Customer, answer: &Answer, status: u16, reason: &str) {
    assert_eq!(answer.problem(), (status, reason), "{answer:?}");
    assert_eq!(header(answer, "content-type"), Some("application/problem+json"));
    assert_eq!(header(answer, "location"), None);
    let order_id = order_id(answer);
    let order = customer.see(order_id).await;
    assert_eq!((&order["status"], &order["reason"]), (&json!("rejected"), &json!(reason)));
    let saga = customer.sees_saga(order_id, "rejected").await;
    assert_eq!(saga["key"], json!(order_id));
    assert_eq!(shop.letters(customer, order_id).await, ["order_rejected"]);
}

#[tokio::test]
async fn an_order_of_items_is_confirmed_paid_and_told_of_once() {
    let shop = Shop::open().await;
    let (customer, tea, cake) =
        (shop.customer_with(10_000).await, shop.position(10).await, shop.position(5).await);
    let answer = customer.order(&items(&[(tea, 3), (cake, 1)])).await;
    let order_id = confirmed(&answer, 4 * PRICE);
    assert_eq!(answer.body["user_id"], json!(customer.user_id));
    assert_eq!(answer.body["items"], items(&[(tea, 3), (cake, 1)])["items"]);
    assert_eq!(customer.see(order_id).await, answer.body);
    customer.sees_saga(order_id, "completed").await;
    assert_eq!(shop.money(&customer).await, (6_000, 0));
    // Sold: out of the house, and reserved no longer.
    assert_eq!(shop.available_when_reserved(tea, 0).await, 7);
    assert_eq!(shop.available_when_reserved(cake, 0).await, 4);
    assert_eq!(shop.letters(&customer, order_id).await, ["order_confirmed"]);
}

#[tokio::test]
async fn a_price_alone_is_paid() {
    let shop = Shop::open().await;
    let customer = shop.customer_with(10_000).await;
    let answer = customer.order(&price(7_500)).await;
    let order_id = confirmed(&answer, 7_500);
    assert_eq!(answer.body["items"], json!([]));
    customer.sees_saga(order_id, "completed").await;
    assert_eq!(shop.money(&customer).await, (2_500, 0));
}

#[tokio::test]
async fn items_at_the_expected_price_are_confirmed_and_at_another_one_refused() {
    let shop = Shop::open().await;
    let (customer, tea) = (shop.customer_with(10_000).await, shop.position(10).await);
    confirmed(&customer.order(&both(&[(tea, 2)], 2 * PRICE)).await, 2 * PRICE);
    let changed = customer.order(&both(&[(tea, 2)], PRICE)).await;
    assert_eq!(changed.body["total"], 2 * PRICE);
    rejected(&shop, &customer, &changed, 409, "price_changed").await;
    shop.is_quiet().await;
    assert_eq!(shop.available_when_reserved(tea, 0).await, 8);
    assert_eq!(shop.money(&customer).await, (8_000, 0));
}

#[tokio::test]
async fn without_the_money_the_order_is_refused_and_its_stock_given_back() {
    let shop = Shop::open().await;
    let (customer, tea) = (shop.customer_with(500).await, shop.position(10).await);
    let answer = customer.order(&items(&[(tea, 2)])).await;
    assert_eq!((&answer.body["available"], &answer.body["required"]), (&json!(500), &json!(2 * PRICE)));
    rejected(&shop, &customer, &answer, 402, "insufficient_funds").await;
    assert_eq!(shop.counts(tea).await, (10, 0));
    assert_eq!(shop.money(&customer).await, (500, 0));

    let nobody = shop.customer_with(0).await;
    let answer = nobody.order(&price(1)).await;
    assert_eq!((&answer.body["available"], &answer.body["required"]), (&json!(0), &json!(1)));
    rejected(&shop, &nobody, &answer, 402, "insufficient_funds").await;
}

#[tokio::test]
async fn what_is_not_in_stock_is_named() {
    let shop = Shop::open().await;
    let (customer, tea, cake) =
        (shop.customer_with(10_000).await, shop.position(10).await, shop.position(1).await);
    let answer = customer.order(&items(&[(tea, 1), (cake, 2)])).await;
    assert_eq!(answer.body["position_ids"], json!([cake]));
    rejected(&shop, &customer, &answer, 409, "out_of_stock").await;

    let unknown = Uuid::now_v7();
    let answer = customer.order(&items(&[(tea, 1), (unknown, 1)])).await;
    assert_eq!(answer.body["position_ids"], json!([unknown]));
    rejected(&shop, &customer, &answer, 422, "unknown_position").await;
    assert_eq!((shop.counts(tea).await, shop.counts(cake).await), ((10, 0), (1, 0)));
    assert_eq!(shop.money(&customer).await, (10_000, 0));
}

#[tokio::test]
async fn a_refusal_is_answered_before_everything_is_undone() {
    let mut shop = Shop::open().await;
    let (customer, tea) = (shop.customer_with(1).await, shop.position(10).await);
    shop.goes_away(Participant::Billing).await;
    let accepted = customer.order_with(&[("prefer", "respond-async")], &items(&[(tea, 1)])).await;
    let order_id = order_id(&accepted);
    eventually(WITHIN, "the stock to be reserved", async || (shop.counts(tea).await == (9, 1)).then_some(()))
        .await;
    shop.goes_away(Participant::Stock).await;
    shop.comes_back(Participant::Billing).await;
    let order = customer.sees(order_id, "rejected").await;
    assert_eq!(order["reason"], "insufficient_funds");
    let saga = customer.sees_saga(order_id, "compensating").await;
    assert_eq!(
        (&saga["steps"][0]["status"], &saga["steps"][2]["status"]),
        (&json!("undoing"), &json!("refused"))
    );
    assert_eq!(shop.letters(&customer, order_id).await, [""; 0]);
    shop.comes_back(Participant::Stock).await;
    customer.sees_saga(order_id, "rejected").await;
    assert_eq!(shop.counts(tea).await, (10, 0));
    assert_eq!(shop.letters(&customer, order_id).await, ["order_rejected"]);
}

#[tokio::test]
async fn an_order_that_nobody_decides_in_time_is_timed_out_and_what_may_be_done_is_undone() {
    let mut shop = Shop::open().await;
    let (customer, tea) = (shop.customer_with(10_000).await, shop.position(10).await);
    shop.goes_away(Participant::Billing).await;
    let key = [("idempotency-key", "late"), ("prefer", "wait=0")];
    let order_id = order_id(&customer.order_with(&key, &items(&[(tea, 1)])).await);
    eventually(WITHIN, "the stock to be reserved", async || (shop.counts(tea).await == (9, 1)).then_some(()))
        .await;
    // As if its time had passed.
    let past = "UPDATE sagas SET state = jsonb_set(state::jsonb, '{deadline_at}', \
                to_jsonb((1e6 * extract(epoch FROM created_at))::bigint))::text, deadline_at = created_at, wake_at = created_at RETURNING 1";
    assert_eq!(shop.rows(past, []).await.len(), 1);
    assert_eq!(customer.sees(order_id, "rejected").await["reason"], "timed_out");
    let again = customer.order_with(&key, &items(&[(tea, 1)])).await;
    assert_eq!((again.problem(), &again.body["order_id"]), ((409, "timed_out"), &json!(order_id)));
    // The hold whose fate nobody knew is undone as well, when billing is back.
    shop.comes_back(Participant::Billing).await;
    customer.sees_saga(order_id, "rejected").await;
    assert_eq!(shop.money(&customer).await, (10_000, 0));
    assert_eq!(shop.counts(tea).await, (10, 0));
}

#[tokio::test]
async fn two_replicas_decide_each_others_orders() {
    let shop = Shop::open().await;
    let second = shop.bed.run(orchestrator::start).await;
    let (customer, tea) = (shop.customer_with(1_000_000).await, shop.position(1_000).await);
    let there = second.user(customer.user_id, &[service::token::Role::User]);
    let body = items(&[(tea, 1)]);
    let placing = (0..40).map(async |index| {
        if index % 2 == 0 { customer.order(&body).await } else { there.post("/api/v1/order", &body).await }
    });
    for answer in futures::future::join_all(placing).await {
        confirmed(&answer, PRICE);
    }
    shop.is_quiet().await;
    assert_eq!(shop.available_when_reserved(tea, 0).await, 960);
    assert_eq!(shop.money(&customer).await, (1_000_000 - 40 * PRICE, 0));
}
