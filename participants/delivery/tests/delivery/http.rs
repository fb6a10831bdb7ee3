//! Delivery over HTTP: what customers see, what couriers do, and who may not.

use contracts::delivery::ScheduleDelivery;
use serde_json::{Value, json};
use service::token::Role;
use testkit::Answer;
use uuid::Uuid;

use crate::city::{City, cancel, hour, schedule};

const SENT: &str = "/api/v1/order/sent";
const RECEIVED: [&str; 2] = ["/api/v1/order/received", "/api/v1/order/recieved"];

fn of(order_id: Uuid) -> Value {
    json!({ "order_id": order_id })
}

fn at(order_id: Uuid) -> String {
    format!("/api/v1/order/{order_id}/delivery")
}

impl City {
    async fn scheduled(&self) -> ScheduleDelivery {
        let command =
            ScheduleDelivery { slot: Some(hour(10)), ..schedule(Some("Omsk, ул. Ленина 1")) };
        self.bed.road.ask(&command).await;
        command
    }
}

/// Every field of a delivery, the time apart.
fn fields(answer: &Answer) -> Value {
    let mut body = answer.body.clone();
    let updated_at = body.as_object_mut().unwrap().remove("updated_at");
    let at = updated_at.as_ref().and_then(Value::as_str).unwrap();
    assert!(at.parse::<contracts::Timestamp>().is_ok() && at.ends_with('Z'), "{at}");
    body
}

#[tokio::test]
async fn a_delivery_is_seen_by_its_owner_couriers_and_operators() {
    let city = City::with_couriers(1).await;
    let order = city.scheduled().await;
    let roles = |role| city.delivery.user(Uuid::now_v7(), &[Role::User, role]);
    for client in [city.customer(order.user_id), roles(Role::Courier), roles(Role::Operator)] {
        let seen = client.get(&at(order.order_id)).await;
        let expected = json!({ "order_id": order.order_id, "status": "scheduled", "address": "Omsk, ул. Ленина 1",
            "slot": "2027-03-01T10:00:00Z" });
        assert_eq!((seen.status, fields(&seen)), (200, expected));
    }
    let bare = schedule(None);
    city.bed.road.ask(&bare).await;
    let seen = city.customer(bare.user_id).get(&at(bare.order_id)).await;
    assert_eq!((&seen.body["address"], &seen.body["slot"]), (&Value::Null, &Value::Null));
    city.delivery.stop().await;
}

#[tokio::test]
async fn another_users_an_unknown_and_a_never_scheduled_delivery_are_not_found() {
    let city = City::with_couriers(1).await;
    let (order, never) = (city.scheduled().await, Uuid::now_v7());
    city.bed.road.ask(&cancel(never)).await;
    let (stranger, courier) = (city.customer(Uuid::now_v7()), city.courier());
    assert_eq!(stranger.get(&at(order.order_id)).await.problem(), (404, "not_found"));
    for client in [&stranger, &courier] {
        for order_id in [never, Uuid::now_v7()] {
            assert_eq!(client.get(&at(order_id)).await.problem(), (404, "not_found"));
        }
        assert_eq!(client.get("/api/v1/order/1/delivery").await.problem(), (404, "not_found"));
    }
    for path in [SENT, RECEIVED[0], RECEIVED[1]] {
        for order_id in [never, Uuid::now_v7()] {
            assert_eq!(courier.post(path, &of(order_id)).await.problem(), (404, "not_found"), "{path}");
        }
    }
    city.delivery.stop().await;
}

#[tokio::test]
async fn an_order_is_sent_and_received_and_a_repeat_gets_the_same_answer() {
    let city = City::with_couriers(1).await;
    let order = city.scheduled().await;
    let (courier, owner) = (city.courier(), city.customer(order.user_id));
    let before = owner.get(&at(order.order_id)).await;
    let sent = courier.post(SENT, &of(order.order_id)).await;
    assert_eq!((sent.status, &fields(&sent)["status"]), (200, &json!("sent")));
    assert_eq!(fields(&sent)["address"], fields(&before)["address"]);
    assert!(sent.body["updated_at"].as_str() > before.body["updated_at"].as_str());
    let again = city.courier().post(SENT, &of(order.order_id)).await;
    assert_eq!((again.status, &again.body), (200, &sent.body));
    assert_eq!(owner.get(&at(order.order_id)).await.body, sent.body);

    let received = owner.post(RECEIVED[0], &of(order.order_id)).await;
    assert_eq!((received.status, &fields(&received)["status"]), (200, &json!("received")));
    for path in RECEIVED {
        for client in [&owner, &courier] {
            let again = client.post(path, &of(order.order_id)).await;
            assert_eq!((again.status, &again.body), (200, &received.body), "{path}");
        }
    }
    assert_eq!(owner.get(&at(order.order_id)).await.body, received.body);
    city.delivery.stop().await;
}

#[tokio::test]
async fn both_spellings_are_for_couriers_and_owners() {
    let city = City::with_couriers(1).await;
    for path in RECEIVED {
        for by_owner in [true, false] {
            let order = city.scheduled().await;
            city.courier().post(SENT, &of(order.order_id)).await;
            let stranger = city.customer(Uuid::now_v7()).post(path, &of(order.order_id)).await;
            assert_eq!(stranger.problem(), (404, "not_found"), "{path}");
            let operator = city.delivery.user(Uuid::now_v7(), &[Role::User, Role::Operator]);
            assert_eq!(operator.post(path, &of(order.order_id)).await.problem(), (404, "not_found"));
            let client = if by_owner { city.customer(order.user_id) } else { city.courier() };
            let received = client.post(path, &of(order.order_id)).await;
            assert_eq!((received.status, &received.body["status"]), (200, &json!("received")), "{path}");
        }
    }
    city.delivery.stop().await;
}

#[tokio::test]
async fn what_is_in_the_wrong_state_stays_there() {
    let city = City::with_couriers(1).await;
    let (early, late, gone) = (city.scheduled().await, city.scheduled().await, city.scheduled().await);
    let courier = city.courier();
    for path in [SENT, RECEIVED[0]] {
        assert_eq!(courier.post(path, &of(late.order_id)).await.status, 200);
    }
    city.bed.road.ask(&cancel(gone.order_id)).await;
    for (path, order, status) in [
        (RECEIVED[0], &early, "scheduled"),
        (RECEIVED[1], &early, "scheduled"),
        (SENT, &late, "received"),
        (SENT, &gone, "cancelled"),
        (RECEIVED[0], &gone, "cancelled"),
        (RECEIVED[1], &gone, "cancelled"),
    ] {
        let refused = courier.post(path, &of(order.order_id)).await;
        assert_eq!(refused.problem(), (409, "wrong_state"), "{path}");
        assert_eq!(refused.body["detail"], format!("the delivery is {status}"));
        assert_eq!(courier.get(&at(order.order_id)).await.body["status"], status);
    }
    city.delivery.stop().await;
}

#[tokio::test]
async fn everybody_does_what_the_role_allows() {
    let city = City::with_couriers(1).await;
    let order = city.scheduled().await;
    let anybody = city.delivery.anybody();
    assert_eq!(anybody.get(&at(order.order_id)).await.problem(), (401, "unauthenticated"));
    for path in [SENT, RECEIVED[0], RECEIVED[1]] {
        assert_eq!(anybody.post(path, &of(order.order_id)).await.problem(), (401, "unauthenticated"));
    }
    let operator = city.delivery.user(Uuid::now_v7(), &[Role::User, Role::Operator]);
    for client in [city.customer(order.user_id), operator] {
        assert_eq!(client.post(SENT, &of(order.order_id)).await.problem(), (403, "forbidden"));
    }
    assert_eq!(city.status(order.order_id).await.as_deref(), Some("scheduled"));
    city.delivery.stop().await;
}

#[tokio::test]
async fn a_bad_request_is_refused() {
    let city = City::with_couriers(1).await;
    let courier = city.courier();
    let order_id = Uuid::now_v7();
    for path in [SENT, RECEIVED[0], RECEIVED[1]] {
        for bad in [json!({}), json!({ "order_id": 1 }), json!({ "order_id": order_id, "status": "sent" })] {
            assert_eq!(courier.post(path, &bad).await.problem(), (422, "validation_failed"), "{path}: {bad}");
        }
    }
    city.delivery.stop().await;
}

#[tokio::test]
async fn what_is_served_is_what_the_document_says() {
    let city = City::with_couriers(1).await;
    let document = city.delivery.anybody().get("/openapi.json").await.body;
    let responses = |path: &str, method: &str| -> Vec<String> {
        let responses = document["paths"][path][method]["responses"].as_object();
        responses.unwrap_or_else(|| panic!("{method} {path} is missing")).keys().cloned().collect()
    };
    assert_eq!(responses("/api/v1/order/{id}/delivery", "get"), ["200", "401", "404", "500", "503"]);
    let all = ["200", "400", "401", "403", "404", "408", "409", "413", "415", "422", "500", "503"];
    assert_eq!(responses(SENT, "post"), all);
    let without_roles: Vec<&str> = all.into_iter().filter(|status| *status != "403").collect();
    for path in RECEIVED {
        assert_eq!(responses(path, "post"), without_roles);
    }
    city.delivery.stop().await;
}
