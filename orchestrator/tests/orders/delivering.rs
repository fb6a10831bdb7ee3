//! An order on its way to its user: scheduled after the pivot, sent, received; with a courier's slot.

use chrono::{DurationRound, TimeDelta, Utc};
use serde_json::{Value, json};
use service::token::Role;
use testkit::eventually;
use uuid::Uuid;

use crate::shop::{Customer, Participant, Shop, WITHIN, items, order_id, price};

async fn delivery_of(shop: &Shop, customer: &Customer, order_id: Uuid) -> Value {
    let client = shop.delivery_as(customer.user_id, Role::User);
    eventually(WITHIN, "the delivery to be known", async || {
        let answer = client.get(&format!("/api/v1/order/{order_id}/delivery")).await;
        (answer.status == 200).then_some(answer.body)
    })
    .await
}

/// Items for delivery in the hour after the next.
fn with_slot(tea: Uuid) -> (Value, String) {
    let hour = (Utc::now() + TimeDelta::hours(2)).duration_trunc(TimeDelta::hours(1)).unwrap();
    let slot = hour.to_rfc3339_opts(chrono::SecondsFormat::Secs, true);
    let mut body = items(&[(tea, 1)]);
    body["delivery"] = json!({ "slot": slot, "address": "Nevsky 1" });
    (body, slot)
}

#[tokio::test]
async fn an_order_is_scheduled_sent_and_received_with_a_letter_each() {
    let shop = Shop::open().await;
    let (customer, tea) = (shop.customer_with(10_000).await, shop.position(10).await);
    let order_id = order_id(&customer.order(&items(&[(tea, 2)])).await);
    customer.sees_saga(order_id, "completed").await;
    assert_eq!(delivery_of(&shop, &customer, order_id).await["status"], "scheduled");
    assert_eq!(shop.available_when_reserved(tea, 0).await, 8, "what is confirmed is sold");
    assert_eq!(shop.courier_says("sent", order_id).await.status, 200);
    customer.sees(order_id, "sent").await;
    assert_eq!(shop.courier_says("received", order_id).await.status, 200);
    customer.sees(order_id, "received").await;
    assert_eq!(shop.courier_says("sent", order_id).await.problem(), (409, "wrong_state"));
    let mut letters = eventually(WITHIN, "three letters", async || {
        let letters = shop.letters(&customer, order_id).await;
        (letters.len() == 3).then_some(letters)
    })
    .await;
    letters.sort();
    assert_eq!(letters, ["order_confirmed", "order_received", "order_sent"]);
    let listed = customer.client.get("/api/v1/orders?status=received").await;
    assert_eq!(listed.body["items"][0]["order_id"], json!(order_id));
}

#[tokio::test]
async fn a_slot_is_given_as_long_as_there_are_couriers_and_is_free_again_after_a_refusal() {
    let shop = Shop::open_with(|bed| bed.config.business.delivery_couriers = 1).await;
    let (poor, first, second) =
        (shop.customer_with(0).await, shop.customer_with(10_000).await, shop.customer_with(10_000).await);
    let tea = shop.position(10).await;
    let (body, slot) = with_slot(tea);
    // Its courier is released with everything else.
    let refused = poor.order(&body).await;
    assert_eq!(refused.problem(), (402, "insufficient_funds"));
    poor.sees_saga(order_id(&refused), "rejected").await;

    let taken = first.order(&body).await;
    assert_eq!(taken.status, 201, "{taken:?}");
    let delivery = delivery_of(&shop, &first, order_id(&taken)).await;
    assert_eq!((&delivery["slot"], &delivery["address"]), (&json!(slot), &json!("Nevsky 1")));

    let late = second.order(&body).await;
    assert_eq!(late.problem(), (409, "slot_taken"));
    let saga = second.sees_saga(order_id(&late), "rejected").await;
    assert_eq!(saga["steps"][0]["status"], "undone", "the stock is available again");
    assert_eq!(shop.money(&second).await, (10_000, 0));
    assert_eq!(shop.available_when_reserved(tea, 0).await, 9);
}

#[tokio::test]
async fn a_delivery_that_is_away_holds_nobody_up_before_the_pivot_and_hears_of_the_order_later() {
    let mut shop = Shop::open().await;
    let (customer, tea) = (shop.customer_with(10_000).await, shop.position(10).await);
    shop.goes_away(Participant::Delivery).await;
    let answer = customer.order(&items(&[(tea, 1)])).await;
    assert_eq!(answer.status, 201, "{answer:?}");
    shop.comes_back(Participant::Delivery).await;
    customer.sees_saga(order_id(&answer), "completed").await;
    assert_eq!(delivery_of(&shop, &customer, order_id(&answer)).await["status"], "scheduled");
}

#[tokio::test]
async fn what_cannot_be_delivered_is_refused_and_changes_nothing() {
    let shop = Shop::open().await;
    let (customer, tea) = (shop.customer_with(10_000).await, shop.position(10).await);
    let mut of_price = price(100);
    of_price["delivery"] = json!({});
    let mut yesterday = items(&[(tea, 1)]);
    yesterday["delivery"] = json!({ "slot": "2026-01-01T10:00:00Z" });
    let mut unknown = items(&[(tea, 1)]);
    unknown["delivery"] = json!({ "floor": 5 });
    for body in [of_price, yesterday, unknown] {
        let answer = customer.order(&body).await;
        assert_eq!(answer.status, 422, "{answer:?}");
    }
    shop.has_accepted(0).await;
}
