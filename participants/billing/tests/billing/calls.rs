//! The account over HTTP: what is told, what is refused, and what a repeated key leads to.

use std::time::Duration;

use axum::http::Method;
use serde_json::{Value, json};
use testkit::{Answer, Client, eventually};
use uuid::Uuid;

use crate::bank::{Bank, money};

const ACCOUNT: &str = "/api/v1/account";
const WITHDRAW: &str = "/api/v1/account/withdraw";
const ENTRIES: &str = "/api/v1/account/entries";

async fn with_key(client: &Client, path: &str, key: &str, units: i64) -> Answer {
    let request = client.request(Method::POST, path).header("Idempotency-Key", key);
    client.send(request.json(&json!({ "amount": units }))).await
}

fn is_replayed(answer: &Answer) -> bool {
    answer.headers.get("idempotency-replayed").is_some_and(|value| value == "true")
}

#[tokio::test]
async fn an_account_is_there_on_first_use_and_shows_what_is_held() {
    let bank = Bank::open().await;
    let user = Uuid::now_v7();
    let client = bank.client(0, user);
    let empty = client.get(ACCOUNT).await;
    assert_eq!(empty.status, 200);
    let expected = json!({
        "account_id": empty.body["account_id"], "user_id": user, "currency": "RUB",
        "balance": 0, "held": 0, "available": 0,
    });
    assert_eq!(empty.body, expected);
    assert!(empty.body["account_id"].as_str().unwrap().parse::<Uuid>().is_ok());

    bank.deposit(user, 100).await;
    bank.reserve(Uuid::now_v7(), user, 60).await;
    let account = client.get(ACCOUNT).await.body;
    assert_eq!(
        (&account["balance"], &account["held"], &account["available"]),
        (&json!(100), &json!(60), &json!(40))
    );
    assert_eq!(account["account_id"], empty.body["account_id"]);
}

#[tokio::test]
async fn money_goes_in_and_out_and_never_below_what_is_held() {
    let bank = Bank::open().await;
    let user = bank.user_with(100).await;
    bank.reserve(Uuid::now_v7(), user, 60).await;
    let short = bank.withdraw(user, 41).await;
    assert_eq!(short.problem(), (402, "insufficient_funds"));
    assert_eq!((&short.body["available"], &short.body["required"]), (&json!(40), &json!(41)));
    let left = bank.withdraw(user, 40).await;
    assert_eq!((left.status, &left.body["balance"], &left.body["available"]), (200, &json!(60), &json!(0)));
    bank.audit().await;
}

#[tokio::test]
async fn bad_amounts_are_refused_and_change_nothing() {
    let bank = Bank::open().await;
    let user = bank.user_with(100).await;
    let client = bank.client(0, user);
    let bodies = [
        json!({ "amount": 0 }),
        json!({ "amount": -1 }),
        json!({ "amount": 1_000_000_000_001_i64 }),
        json!({ "amount": 1e30 }),
        json!({ "amount": 1.5 }),
        json!({ "amount": "5" }),
        json!({ "amount": null }),
        json!({ "amount": 5, "currency": "USD" }),
        json!({}),
        json!([5]),
    ];
    for path in [ACCOUNT, WITHDRAW] {
        for body in &bodies {
            let answer = client.post(path, body).await;
            assert_eq!(answer.problem(), (422, "validation_failed"), "{path} {body}");
        }
        let broken = client.request(Method::POST, path).header("content-type", "application/json");
        assert_eq!(client.send(broken.body("{\"amount\": 5")).await.status, 400);
        let text = client.request(Method::POST, path).header("content-type", "text/plain");
        assert_eq!(client.send(text.body("5")).await.status, 415);
    }
    let named = client.post(ACCOUNT, &json!({ "amount": 0 })).await;
    assert_eq!(named.body["errors"][0]["field"], "amount");
    assert_eq!(bank.money(user).await, money(100, 0));
}

#[tokio::test]
async fn the_largest_amount_is_taken_and_a_balance_has_an_end() {
    let bank = Bank::open().await;
    let user = bank.user_with(1_000_000_000_000).await;
    bank.set_balance(user, 9_000_000_000_000_000 - 5).await;
    assert_eq!(bank.deposit(user, 6).await.problem(), (422, "balance_too_large"));
    assert_eq!(bank.deposit(user, 5).await.body["balance"], json!(9_000_000_000_000_000_i64));
}

#[tokio::test]
async fn nobody_gets_in_without_a_token() {
    let bank = Bank::open().await;
    let anybody = bank.replicas[0].anybody();
    for path in [ACCOUNT, ENTRIES] {
        assert_eq!(anybody.get(path).await.problem(), (401, "unauthenticated"), "{path}");
    }
    for path in [ACCOUNT, WITHDRAW] {
        let answer = anybody.post(path, &json!({ "amount": "nonsense" })).await;
        assert_eq!(answer.problem(), (401, "unauthenticated"), "{path}");
    }
}

#[tokio::test]
async fn a_repeated_key_is_answered_as_the_first_time_and_does_nothing() {
    let bank = Bank::open().await;
    let user = bank.user_with(100).await;
    let client = bank.client(0, user);
    for (path, units, balance) in [(ACCOUNT, 50, 150), (WITHDRAW, 30, 120)] {
        let first = with_key(&client, path, "k-1", units).await;
        assert_eq!((first.status, is_replayed(&first)), (200, false), "{path}");
        let again = with_key(&client, path, "k-1", units).await;
        assert!(is_replayed(&again), "{path}");
        assert_eq!((again.status, &again.body), (200, &first.body), "{path}");
        assert_eq!(bank.money(user).await, money(balance, 0), "{path}");
        let reused = with_key(&client, path, "k-1", units + 1).await;
        assert_eq!(reused.problem(), (422, "idempotency_key_reused"), "{path}");
        assert_eq!(bank.money(user).await, money(balance, 0), "{path}");
    }
    let other = bank.user_with(1).await;
    let others = with_key(&bank.client(0, other), ACCOUNT, "k-1", 50).await;
    assert_eq!((others.status, is_replayed(&others)), (200, false), "keys are a user's own");
    bank.audit().await;
}

#[tokio::test]
async fn a_withdrawal_that_was_refused_may_be_asked_again_with_its_key() {
    let bank = Bank::open().await;
    let user = bank.user_with(10).await;
    let client = bank.client(0, user);
    assert_eq!(with_key(&client, WITHDRAW, "k", 20).await.status, 402);
    bank.deposit(user, 10).await;
    let done = with_key(&client, WITHDRAW, "k", 20).await;
    assert_eq!((done.status, is_replayed(&done)), (200, false));
    assert_eq!(bank.money(user).await, money(0, 0));
}

#[tokio::test]
async fn twins_with_one_key_have_one_effect() {
    let bank = Bank::with_replicas(2).await;
    let user = bank.user_with(100).await;
    let clients = [bank.client(0, user), bank.client(1, user)];
    let twins = (0..40).map(|twin| with_key(&clients[twin % 2], ACCOUNT, "k", 7));
    let answers = futures::future::join_all(twins).await;
    assert!(answers.iter().all(|answer| answer.status == 200 && answer.body == answers[0].body));
    assert_eq!(answers.iter().filter(|answer| !is_replayed(answer)).count(), 1);
    assert_eq!(bank.money(user).await, money(107, 0));
    bank.audit().await;
}

#[tokio::test]
async fn the_statement_is_newest_first_in_pages_and_only_the_own() {
    let bank = Bank::open().await;
    let (user, order) = (bank.user_with(100).await, Uuid::now_v7());
    bank.withdraw(user, 10).await;
    bank.reserve(order, user, 30).await;
    bank.capture(order).await;
    let client = bank.client(0, user);
    let page = client.get(&format!("{ENTRIES}?limit=2")).await.body;
    assert_eq!(lines(&page), [("capture", -30, 60), ("withdrawal", -10, 90)]);
    assert_eq!(page["items"][0]["order_id"], json!(order));
    assert!(page["items"][1].get("order_id").is_none());
    let cursor = page["next_cursor"].as_str().unwrap();
    let rest = client.get(&format!("{ENTRIES}?limit=2&cursor={cursor}")).await.body;
    assert_eq!(lines(&rest), [("deposit", 100, 100)]);
    assert!(rest["next_cursor"].is_null());
    for bad in ["?limit=0", "?limit=201", "?cursor=x", "?color=red"] {
        assert_eq!(client.get(&format!("{ENTRIES}{bad}")).await.status, 422, "{bad}");
    }
    let stranger = bank.client(0, bank.user_with(5).await);
    assert_eq!(lines(&stranger.get(&format!("{ENTRIES}?cursor={cursor}")).await.body), []);
}

fn lines(page: &Value) -> Vec<(&str, i64, i64)> {
    let items = page["items"].as_array().unwrap();
    items
        .iter()
        .map(|item| {
            let number = |field: &str| item[field].as_i64().unwrap();
            (item["kind"].as_str().unwrap(), number("amount"), number("balance_after"))
        })
        .collect()
}

#[tokio::test]
async fn the_document_names_every_path_and_the_internal_ones_are_not_public() {
    let bank = Bank::open().await;
    let anybody = bank.replicas[0].anybody();
    let document = anybody.get("/openapi.json").await.body;
    for (path, method) in [(ACCOUNT, "get"), (ACCOUNT, "post"), (WITHDRAW, "post"), (ENTRIES, "get")] {
        assert!(document["paths"][path][method].is_object(), "{method} {path}");
    }
    let inside = bank.client(0, Uuid::now_v7()).post("/internal/api/v1/payment", &json!({})).await;
    assert_eq!(inside.problem(), (404, "not_found"));
}

#[tokio::test]
async fn deposits_go_on_while_nats_is_away() {
    let mut bank = Bank::open().await;
    let user = bank.user_with(100).await;
    bank.bed.nats.kill().await.unwrap();
    assert_eq!(bank.deposit(user, 50).await.body["balance"], json!(150));
    assert_eq!(bank.withdraw(user, 20).await.body["balance"], json!(130));
    bank.bed.nats.restart().await.unwrap();
    let order = Uuid::now_v7();
    assert_eq!(bank.reserve(order, user, 130).await.outcome, contracts::Outcome::Done);
    bank.audit().await;
}

#[tokio::test]
async fn a_key_is_forgotten_after_two_days_and_not_after_one() {
    let mut bank = Bank::open().await;
    let user = bank.user_with(100).await;
    let client = bank.client(0, user);
    assert_eq!(with_key(&client, ACCOUNT, "old", 1).await.status, 200);
    bank.age_keys(24).await;
    assert_eq!(with_key(&client, ACCOUNT, "day-old", 1).await.status, 200);
    bank.age_keys(25).await;
    // Old ones are looked for at once when a process starts.
    bank.start_replica().await;
    eventually(Duration::from_secs(20), "one key left", async || (bank.keys().await == 1).then_some(()))
        .await;
    assert!(is_replayed(&with_key(&client, ACCOUNT, "day-old", 1).await));
}
