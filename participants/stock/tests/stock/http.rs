//! Stock over HTTP: what customers see, what operators do, and who may not.

use contracts::Outcome;
use serde_json::{Value, json};
use service::token::Role;
use testkit::Client;
use uuid::Uuid;

use crate::shelf::{Shelf, release, reserve};

fn customer(shelf: &Shelf) -> Client {
    shelf.stock.user(Uuid::now_v7(), &[Role::User])
}

fn operator(shelf: &Shelf) -> Client {
    shelf.stock.user(Uuid::now_v7(), &[Role::User, Role::Operator])
}

#[tokio::test]
async fn positions_are_listed_in_pages_newest_first() {
    let shelf = Shelf::start().await;
    let mut expected = Vec::new();
    for number in 1..=5 {
        expected.insert(0, shelf.position(number, 10 * number).await);
    }
    let customer = customer(&shelf);
    let (mut seen, mut cursor): (Vec<Value>, _) = (Vec::new(), None::<String>);
    loop {
        let after = cursor.map(|cursor| format!("&cursor={cursor}")).unwrap_or_default();
        let page = customer.get(&format!("/api/v1/stock/positions?limit=2{after}")).await;
        assert_eq!(page.status, 200, "{}", page.body);
        seen.extend(page.body["items"].as_array().unwrap().iter().cloned());
        cursor = page.body["next_cursor"].as_str().map(str::to_owned);
        if cursor.is_none() {
            break;
        }
    }
    let ids: Vec<Uuid> = seen.iter().map(|p| p["position_id"].as_str().unwrap().parse().unwrap()).collect();
    assert_eq!(ids, expected);
    let newest =
        json!({ "position_id": expected[0], "name": "tea", "price": 5, "currency": "RUB", "available": 50 });
    assert_eq!(seen[0], newest);
    shelf.stock.stop().await;
}

#[tokio::test]
async fn a_position_is_counted() {
    let shelf = Shelf::start().await;
    let tea = shelf.position(50, 10).await;
    shelf.bed.road.ask(&reserve(&[(tea, 3)])).await;
    let customer = customer(&shelf);
    let count = customer.get(&format!("/api/v1/stock/position/{tea}/count")).await;
    assert_eq!(
        (count.status, count.body),
        (200, json!({ "position_id": tea, "available": 7, "reserved": 3 }))
    );
    for unknown in [Uuid::now_v7().to_string(), "tea".to_owned()] {
        let answer = customer.get(&format!("/api/v1/stock/position/{unknown}/count")).await;
        assert_eq!(answer.problem(), (404, "not_found"));
    }
    shelf.stock.stop().await;
}

#[tokio::test]
async fn an_operator_reserves_by_hand_and_the_saga_knows() {
    let shelf = Shelf::start().await;
    let tea = shelf.position(50, 10).await;
    let (operator, path) = (operator(&shelf), format!("/api/v1/stock/position/{tea}/reserve"));
    let command = reserve(&[(tea, 4)]);
    let body = json!({ "order_id": command.order_id, "quantity": 4 });

    let first = operator.post(&path, &body).await;
    let expected = json!({ "order_id": command.order_id, "position_id": tea, "name": "tea", "quantity": 4,
        "price": 50, "currency": "RUB" });
    assert_eq!((first.status, &first.body), (200, &expected));
    shelf.put(tea, 99, 10).await;
    assert_eq!(operator.post(&path, &body).await.body, expected, "the same order again gets the same");
    assert_eq!(shelf.counts(tea).await, (6, 4));

    let more = json!({ "order_id": command.order_id, "quantity": 5 });
    assert_eq!(operator.post(&path, &more).await.problem(), (409, "order_decided"));
    assert_eq!(shelf.bed.road.ask(&command).await.outcome, Outcome::Done, "the row is the command's own");
    shelf.bed.road.ask(&release(&command)).await;
    assert_eq!(shelf.counts(tea).await, (10, 0));
    shelf.stock.stop().await;
}

#[tokio::test]
async fn what_cannot_be_reserved_by_hand_is_a_problem_and_changes_nothing() {
    let shelf = Shelf::start().await;
    let tea = shelf.position(50, 10).await;
    let (operator, path) = (operator(&shelf), format!("/api/v1/stock/position/{tea}/reserve"));
    let order_id = Uuid::now_v7();
    let short = json!({ "order_id": order_id, "quantity": 11 });
    assert_eq!(operator.post(&path, &short).await.problem(), (409, "out_of_stock"));
    let elsewhere = format!("/api/v1/stock/position/{}/reserve", Uuid::now_v7());
    let one = json!({ "order_id": order_id, "quantity": 1 });
    assert_eq!(operator.post(&elsewhere, &one).await.problem(), (404, "not_found"));
    for bad in [
        json!({ "order_id": order_id, "quantity": 0 }),
        json!({ "order_id": order_id, "quantity": -1 }),
        json!({ "order_id": order_id, "quantity": 1_000_000_001 }),
        json!({ "order_id": order_id, "quantity": 1.5 }),
        json!({ "order_id": "x", "quantity": 1 }),
        json!({ "order_id": order_id }),
        json!({ "order_id": order_id, "quantity": 1, "price": 1 }),
    ] {
        assert_eq!(operator.post(&path, &bad).await.problem(), (422, "validation_failed"), "{bad}");
    }
    assert_eq!(shelf.counts(tea).await, (10, 0));
    assert_eq!(operator.post(&path, &one).await.status, 200, "a refusal by hand is not remembered");
    shelf.stock.stop().await;
}

#[tokio::test]
async fn a_position_is_made_and_set() {
    let shelf = Shelf::start().await;
    let tea = Uuid::now_v7();
    let (operator, path) = (shelf.stock.operator(), format!("/internal/api/v1/stock/position/{tea}"));
    let body = json!({ "name": "Green tea", "price": 50, "available": 10 });
    let made = operator.put(&path, &body).await;
    let expected = json!({ "position_id": tea, "name": "Green tea", "price": 50, "currency": "RUB",
        "available": 10, "reserved": 0 });
    assert_eq!((made.status, &made.body), (200, &expected));
    assert_eq!(operator.put(&path, &body).await.body, expected, "twice is once");

    shelf.bed.road.ask(&reserve(&[(tea, 4)])).await;
    let below = operator.put(&path, &json!({ "name": "x", "price": 1, "available": 3 })).await;
    assert_eq!(below.problem(), (409, "below_reserved"));
    assert_eq!(below.body["reserved"], 4);
    let name = r#"Чай "зелёный", {1\2} NULL"#;
    let set = operator.put(&path, &json!({ "name": name, "price": 60, "available": 4 })).await;
    assert_eq!(
        (&set.body["available"], &set.body["reserved"], &set.body["price"]),
        (&json!(0), &json!(4), &json!(60))
    );
    let listed = customer(&shelf).get("/api/v1/stock/positions").await;
    assert_eq!(listed.body["items"][0]["name"], name);
    shelf.stock.stop().await;
}

#[tokio::test]
async fn a_bad_position_is_refused() {
    let shelf = Shelf::start().await;
    let (operator, path) =
        (shelf.stock.operator(), format!("/internal/api/v1/stock/position/{}", Uuid::now_v7()));
    for bad in [
        json!({ "name": "", "price": 1, "available": 1 }),
        json!({ "name": "x".repeat(201), "price": 1, "available": 1 }),
        json!({ "name": "a\u{0}b", "price": 1, "available": 1 }),
        json!({ "name": "x", "price": 0, "available": 1 }),
        json!({ "name": "x", "price": 1_000_000_000_001_i64, "available": 1 }),
        json!({ "name": "x", "price": 1, "available": -1 }),
        json!({ "name": "x", "price": 1, "available": 1_000_000_000_001_i64 }),
        json!({ "name": "x", "price": 1 }),
        json!({ "name": "x", "price": 1, "available": 1, "reserved": 0 }),
    ] {
        assert_eq!(operator.put(&path, &bad).await.problem(), (422, "validation_failed"), "{bad}");
    }
    let listed = customer(&shelf).get("/api/v1/stock/positions").await;
    assert_eq!(listed.body, json!({ "items": [], "next_cursor": null }));
    shelf.stock.stop().await;
}

#[tokio::test]
async fn everybody_sees_and_does_what_the_role_allows() {
    let shelf = Shelf::start().await;
    let tea = shelf.position(50, 10).await;
    let (count, by_hand) =
        (format!("/api/v1/stock/position/{tea}/count"), format!("/api/v1/stock/position/{tea}/reserve"));
    let one = json!({ "order_id": Uuid::now_v7(), "quantity": 1 });

    let anybody = shelf.stock.anybody();
    for path in ["/api/v1/stock/positions", &count] {
        assert_eq!(anybody.get(path).await.problem(), (401, "unauthenticated"));
    }
    assert_eq!(anybody.post(&by_hand, &one).await.problem(), (401, "unauthenticated"));
    assert_eq!(customer(&shelf).post(&by_hand, &one).await.problem(), (403, "forbidden"));
    let courier = shelf.stock.user(Uuid::now_v7(), &[Role::User, Role::Courier]);
    assert_eq!(courier.post(&by_hand, &one).await.problem(), (403, "forbidden"));

    let (put, body) = (
        format!("/internal/api/v1/stock/position/{tea}"),
        json!({ "name": "x", "price": 1, "available": 1 }),
    );
    assert_eq!(
        operator(&shelf).put(&put, &body).await.problem(),
        (404, "not_found"),
        "not on the public listener"
    );
    let internal_customer = shelf.stock.internal_user(Uuid::now_v7(), &[Role::User]);
    assert_eq!(internal_customer.put(&put, &body).await.problem(), (403, "forbidden"));
    assert_eq!(shelf.stock.internal_anybody().put(&put, &body).await.problem(), (401, "unauthenticated"));
    assert_eq!(shelf.counts(tea).await, (10, 0));
    shelf.stock.stop().await;
}

#[tokio::test]
async fn what_is_served_is_what_the_document_says() {
    let shelf = Shelf::start().await;
    let public = shelf.stock.anybody().get("/openapi.json").await.body;
    let internal = shelf.stock.operator().get("/openapi.json").await.body;
    let responses = |document: &Value, path: &str, method: &str| -> Vec<String> {
        let responses = document["paths"][path][method]["responses"].as_object();
        responses.unwrap_or_else(|| panic!("{method} {path} is missing")).keys().cloned().collect()
    };
    assert_eq!(responses(&public, "/api/v1/stock/positions", "get"), ["200", "401", "422", "500", "503"]);
    assert_eq!(
        responses(&public, "/api/v1/stock/position/{id}/count", "get"),
        ["200", "401", "404", "500", "503"]
    );
    let by_hand = responses(&public, "/api/v1/stock/position/{id}/reserve", "post");
    assert_eq!(by_hand, ["200", "400", "401", "403", "404", "408", "409", "413", "415", "422", "500", "503"]);
    assert_eq!(responses(&internal, "/internal/api/v1/stock/position/{id}", "put"), by_hand);
    shelf.stock.stop().await;
}
