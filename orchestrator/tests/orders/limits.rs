//! What cannot be ordered: every limit gives a clear problem and changes nothing.

use reqwest::Method;
use serde_json::{Value, json};
use uuid::Uuid;

use crate::shop::{Customer, Shop, header, items, order_id};

fn fields(answer: &Value) -> Vec<&str> {
    let errors = answer["errors"].as_array().unwrap_or_else(|| panic!("{answer}"));
    errors.iter().map(|error| error["field"].as_str().unwrap()).collect()
}

async fn refused(customer: &Customer, body: &Value, field: &str) {
    let answer = customer.order(body).await;
    assert_eq!(answer.problem(), (422, "validation_failed"), "{field}: {answer:?}");
    assert!(fields(&answer.body).contains(&field), "{field}: {}", answer.body);
    assert!(answer.body.get("order_id").is_none());
}

#[tokio::test]
async fn a_field_beyond_its_limits_is_named_and_nothing_is_ordered() {
    let shop = Shop::open().await;
    let customer = shop.customer_with(10_000).await;
    let tea = shop.position(10).await;
    let quantity = |quantity: Value| json!({ "items": [{ "position_id": tea, "quantity": quantity }] });
    let many: Vec<_> = (0..101).map(|_| (Uuid::now_v7(), 1)).collect();
    let with_comment = |comment: &str| json!({ "price": 1, "comment": comment });
    for (body, field) in [
        (json!({}), "items"),
        (json!({ "items": null }), "items"),
        (json!({ "comment": "nothing" }), "items"),
        (json!({ "items": [] }), "items"),
        (json!({ "items": [], "price": 5 }), "items"),
        (json!({ "items": {} }), "items"),
        (items(&many), "items"),
        (items(&[(tea, 1), (tea, 2)]), "items[1].position_id"),
        (json!({ "items": [{ "position_id": "tea", "quantity": 1 }] }), "items[0].position_id"),
        (json!({ "items": [{ "quantity": 1 }] }), "items[0].position_id"),
        (json!({ "items": [{ "position_id": tea }] }), "items[0].quantity"),
        (json!({ "items": [{ "position_id": tea, "quantity": 1, "price": 1 }] }), "items[0].price"),
        (quantity(json!(0)), "items[0].quantity"),
        (quantity(json!(-1)), "items[0].quantity"),
        (quantity(json!(1_000_000_001)), "items[0].quantity"),
        (quantity(json!(1.5)), "items[0].quantity"),
        (quantity(json!("1")), "items[0].quantity"),
        (quantity(json!(null)), "items[0].quantity"),
        (quantity(json!(u64::MAX)), "items[0].quantity"),
        (json!({ "price": 0 }), "price"),
        (json!({ "price": -1 }), "price"),
        (json!({ "price": 1_000_000_000_001_i64 }), "price"),
        (json!({ "price": 1.5 }), "price"),
        (json!({ "price": "100" }), "price"),
        (with_comment(&"ж".repeat(501)), "comment"),
        (with_comment("a\0b"), "comment"),
        (json!({ "price": 1, "discount": 1 }), "discount"),
        (json!([]), "body"),
        (json!("order"), "body"),
    ] {
        refused(&customer, &body, field).await;
    }
    assert_eq!(shop.number("SELECT count(*) FROM orders").await, 0);
    assert_eq!(shop.number("SELECT count(*) FROM sagas").await, 0);
}

#[tokio::test]
async fn the_limits_themselves_are_within() {
    let shop = Shop::open().await;
    let customer = shop.customer_with(10_000).await;
    let hundred: Vec<_> = (0..100).map(|_| (Uuid::now_v7(), 1_000_000_000)).collect();
    let answer = customer.order(&items(&hundred)).await;
    assert_eq!(answer.problem(), (422, "unknown_position"), "{answer:?}");
    let body = json!({ "price": 1_000_000_000_000_i64, "comment": "ж".repeat(500) });
    let answer = customer.order(&body).await;
    assert_eq!(answer.problem(), (402, "insufficient_funds"), "{answer:?}");
    let answer = customer.order(&json!({ "price": 1, "comment": "two\nlines" })).await;
    assert_eq!(answer.status, 201, "{answer:?}");
    assert_eq!(customer.see(order_id(&answer)).await["status"], "confirmed");
}

#[tokio::test]
async fn a_total_above_the_largest_amount_is_refused_not_wrapped() {
    let shop = Shop::open().await;
    let customer = shop.customer_with(10_000).await;
    let (tea, cake) = (shop.position(1_000_000_000).await, shop.position(1_000_000_000).await);
    let answer = customer.order(&items(&[(tea, 1_000_000_000), (cake, 1_000_000_000)])).await;
    assert_eq!(answer.problem(), (422, "total_too_large"), "{answer:?}");
    shop.is_quiet().await;
    assert_eq!(shop.counts(tea).await, (1_000_000_000, 0));
}

#[tokio::test]
async fn what_cannot_be_read_is_said_to_be_so() {
    let shop = Shop::open().await;
    let customer = shop.customer_with(10_000).await;
    let send = async |content_type: &str, body: String| {
        let request = customer.client.request(Method::POST, "/api/v1/order");
        customer.client.send(request.header("content-type", content_type).body(body)).await
    };
    let json = "application/json";
    for malformed in ["{", "", "{\"price\":1}}", "\u{7f}", "{\"price\":NaN}"] {
        assert_eq!(
            send(json, malformed.to_owned()).await.problem(),
            (400, "malformed_request"),
            "{malformed:?}"
        );
    }
    let deep = format!("{{\"items\":{}{}}}", "[".repeat(10_000), "]".repeat(10_000));
    assert_eq!(send(json, deep).await.problem(), (400, "malformed_request"));
    let large = format!("{{\"price\":1,\"comment\":\"{}\"}}", "a".repeat(64 * 1024));
    assert_eq!(send(json, large).await.problem(), (413, "body_too_large"));
    assert_eq!(
        send("text/plain", "{\"price\":1}".to_owned()).await.problem(),
        (415, "unsupported_media_type")
    );
    assert_eq!(send(json, "{\"price\":1}".to_owned()).await.status, 201);
    assert_eq!(shop.number("SELECT count(*) FROM orders").await, 1);
}

#[tokio::test]
async fn without_a_valid_token_nothing_is_ordered() {
    let shop = Shop::open().await;
    let anybody = shop.orchestrator.anybody();
    let answer = anybody.post("/api/v1/order", &json!({ "price": 1 })).await;
    assert_eq!(answer.problem(), (401, "unauthenticated"));
    assert_eq!(header(&answer, "www-authenticate"), Some("Bearer"));
    let request = anybody.request(Method::POST, "/api/v1/order").bearer_auth("no.to.ken");
    let answer = anybody.send(request.json(&json!({ "price": 1 }))).await;
    assert_eq!(answer.problem(), (401, "unauthenticated"));
    assert_eq!(shop.number("SELECT count(*) FROM orders").await, 0);
}
