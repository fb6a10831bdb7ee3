//! Separate processes behind a gateway: for a client they are one.

use std::time::Duration;

use reqwest::Method;
use serde_json::{Value, json};
use testkit::{Answer, Client, eventually};
use uuid::Uuid;

use super::orders::Shop;
use super::processes::{GATEWAY, SEPARATE, System};

const WITHIN: Duration = Duration::from_secs(20);
const KIBIBYTE: usize = 1024;

async fn behind_a_gateway() -> System {
    let mut system = System::start(&SEPARATE).await;
    system.put_gateway_in_front().await;
    system
}

/// Registers somebody and logs in.
async fn new_customer(system: &System) -> Client {
    let anybody = system.public_client(GATEWAY, None);
    let who = json!({ "email": format!("{}@example.com", Uuid::now_v7()), "password": "correct horse" });
    let registered = anybody.post("/api/v1/register", &who).await;
    assert_eq!(registered.status, 201, "{registered:?}");
    let session = anybody.post("/api/v1/login", &who).await;
    let token = session.body["access_token"].as_str().unwrap_or_else(|| panic!("{session:?}"));
    system.public_client(GATEWAY, Some(token.to_owned()))
}

async fn order(customer: &Client, position: Uuid) -> Answer {
    let body = json!({ "items": [{ "position_id": position, "quantity": 1 }] });
    let request = customer.request(Method::POST, "/api/v1/order").header("idempotency-key", "mine");
    customer.send(request.header("prefer", "wait=20").json(&body)).await
}

#[tokio::test]
async fn a_customer_does_everything_through_the_gateway() {
    let system = behind_a_gateway().await;
    let shop = Shop::open(&system, 0, 1).await;
    let customer = new_customer(&system).await;
    assert_eq!(customer.post("/api/v1/account", &json!({ "amount": 1_000 })).await.status, 200);
    let confirmed = order(&customer, shop.positions[0]).await;
    assert_eq!((confirmed.status, &confirmed.body["status"]), (201, &json!("confirmed")), "{confirmed:?}");
    let location = confirmed.headers["location"].to_str().unwrap();
    assert_eq!(customer.get(location).await.body["order_id"], confirmed.body["order_id"]);
    let again = order(&customer, shop.positions[0]).await;
    assert_eq!((again.status, &again.body["order_id"]), (201, &confirmed.body["order_id"]));
    assert_eq!(again.headers["idempotency-replayed"], "true");
    let letters = async || {
        let letters = customer.get("/api/v1/notifications").await.body;
        (letters["items"].as_array()?.len() == 2).then_some(())
    };
    eventually(WITHIN, "a welcome and a letter of joy", letters).await;
    let account = customer.get("/api/v1/account").await.body;
    assert_eq!(account["balance"], 900, "{account}");

    let timeline = customer.request(Method::GET, &format!("{location}/events"));
    let mut timeline = timeline.send().await.unwrap();
    assert_eq!(timeline.headers()["content-type"], "text/event-stream");
    let first = tokio::time::timeout(WITHIN, timeline.chunk()).await.expect("it is told while it goes on");
    assert!(
        first.unwrap().is_some_and(|events| events.starts_with(b"id: ") || events.starts_with(b"event: "))
    );
}

#[tokio::test]
async fn a_client_cannot_make_itself_another_nor_reach_what_is_internal() {
    let system = behind_a_gateway().await;
    let customer = new_customer(&system).await;
    let nobody = system.public_client(GATEWAY, None);
    for client in [&customer, &nobody] {
        let path = format!("/api/v1/stock/position/{}/reserve", Uuid::now_v7());
        let request = client.request(Method::POST, &path);
        let request = request.header("x-user-id", Uuid::now_v7().to_string()).header("x-roles", "operator");
        let answer = client.send(request.json(&json!({ "order_id": Uuid::now_v7(), "quantity": 1 }))).await;
        assert!([401, 403].contains(&answer.status), "{answer:?}");
    }
    let operator =
        testkit::token(Uuid::now_v7(), &[service::token::Role::User, service::token::Role::Operator]);
    let operator = system.public_client(GATEWAY, Some(operator));
    let internal = [
        "/internal/api/v1/sagas",
        "/internal/api/v1/auth",
        "/internal/api/v1/audit/money",
        "/readyz",
        "/metrics",
        "/api/v1/order/1/nothing",
    ];
    for path in internal {
        assert_eq!(operator.get(path).await.problem(), (404, "not_found"), "{path}");
    }
    let put = json!({ "name": "tea", "price": 1, "available": 1 });
    let path = format!("/internal/api/v1/stock/position/{}", Uuid::now_v7());
    assert_eq!(operator.put(&path, &put).await.problem(), (404, "not_found"));
    let wrong = operator.send(operator.request(Method::DELETE, "/api/v1/orders")).await;
    assert_eq!(
        (wrong.problem(), &wrong.headers["allow"]),
        ((405, "method_not_allowed"), &"GET,HEAD".parse().unwrap())
    );
    let large = json!({ "price": 1, "comment": "x".repeat(65 * KIBIBYTE) });
    assert_eq!(operator.post("/api/v1/order", &large).await.problem(), (413, "body_too_large"));
}

#[tokio::test]
async fn one_service_that_is_away_takes_nothing_else_with_it() {
    let mut system = behind_a_gateway().await;
    let customer = new_customer(&system).await;
    let positions = "/api/v1/stock/positions";
    assert_eq!(customer.get(positions).await.status, 200);
    system.kill("stock").await;
    let away = customer.get(positions).await;
    assert_eq!(away.problem(), (503, "service_unavailable"), "{away:?}");
    assert_eq!(
        (&away.headers["retry-after"], &away.body["instance"]),
        (&"1".parse().unwrap(), &json!(positions))
    );
    assert_eq!(away.headers["x-trace-id"], away.body["trace_id"].as_str().unwrap());
    assert_eq!(customer.get("/api/v1/account").await.status, 200);
    system.ready(GATEWAY).await;
    system.restart("stock", &[]).await;
    assert_eq!(customer.get(positions).await.status, 200);
}

#[tokio::test]
async fn its_document_is_that_of_all_services() {
    let system = behind_a_gateway().await;
    let client = system.public_client(GATEWAY, None);
    let document = client.get("/openapi.json").await.body;
    let paths = document["paths"].as_object().unwrap();
    for path in ["/api/v1/login", "/api/v1/register", "/api/v1/account", "/api/v1/order/{id}/delivery"] {
        assert!(paths.contains_key(path), "{path}");
    }
    assert!(paths.keys().all(|path| !path.starts_with("/internal")), "{paths:?}");
    // Every path that a service shows answers there, too: by its own rules, never that it is not known.
    for (path, item) in paths {
        for method in item.as_object().unwrap().keys() {
            let path = path.replace("{id}", &Uuid::now_v7().to_string());
            let method: Method = method.to_uppercase().parse().unwrap();
            let answer = client.send(client.request(method.clone(), &path).json(&Value::Null)).await;
            assert!(![404, 405, 502, 503].contains(&answer.status), "{method} {path}: {answer:?}");
        }
    }
}
