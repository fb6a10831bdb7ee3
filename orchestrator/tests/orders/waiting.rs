//! Waiting for the decision: how long, and what is told when it is not there yet.

use std::time::{Duration, Instant};

use reqwest::Method;
use sea_orm::{ConnectionTrait, TransactionTrait};
use serde_json::json;
use service::token::Role;
use testkit::{Answer, eventually};
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpStream;

use crate::shop::{Participant, Shop, WITHIN, header, order_id, price};

fn pending(answer: &Answer) {
    assert_eq!((answer.status, &answer.body["status"]), (202, &json!("pending")), "{answer:?}");
    let location = format!("/api/v1/order/{}", order_id(answer));
    assert_eq!(header(answer, "location"), Some(location.as_str()));
    let retry_after: u32 = header(answer, "retry-after").expect("when to look again").parse().unwrap();
    assert!(retry_after >= 1);
}

#[tokio::test]
async fn a_client_that_does_not_wait_is_told_where_to_look() {
    let mut shop = Shop::open().await;
    let customer = shop.customer_with(10_000).await;
    shop.goes_away(Participant::Billing).await;
    for preference in ["respond-async", "wait=0"] {
        let asked = Instant::now();
        let answer = customer.order_with(&[("prefer", preference)], &price(100)).await;
        assert!(asked.elapsed() < Duration::from_secs(2), "{preference}: {:?}", asked.elapsed());
        pending(&answer);
        assert_eq!(customer.see(order_id(&answer)).await, answer.body);
        let saga = customer.sees_saga(order_id(&answer), "running").await;
        assert_eq!(saga["steps"][2]["status"], "sent", "{saga}");
    }
    shop.comes_back(Participant::Billing).await;
    shop.is_quiet().await;
    assert_eq!(shop.money(&customer).await, (9_800, 0));
}

#[tokio::test]
async fn the_wait_is_as_long_as_the_client_says() {
    let mut shop = Shop::open().await;
    let customer = shop.customer_with(10_000).await;
    shop.goes_away(Participant::Billing).await;
    let asked = Instant::now();
    pending(&customer.order_with(&[("prefer", "wait=1")], &price(100)).await);
    assert!((1.0..3.0).contains(&asked.elapsed().as_secs_f64()), "{:?}", asked.elapsed());
}

#[tokio::test]
async fn an_order_that_is_accepted_is_not_told_as_failed_when_it_cannot_be_read_again() {
    let mut shop = Shop::open().await;
    let customer = shop.customer_with(10_000).await;
    shop.goes_away(Participant::Billing).await;
    let (prefer, body) = ([("prefer", "wait=1")], price(100));
    let (answer, _held) = tokio::join!(customer.order_with(&prefer, &body), async {
        shop.has_accepted(1).await;
        let tx = shop.bed.db.begin().await.unwrap();
        // Longer than a row is waited for; until the test ends.
        tx.execute_unprepared("LOCK TABLE orders IN ACCESS EXCLUSIVE MODE").await.unwrap();
        tx
    });
    pending(&answer);
}

#[tokio::test]
async fn who_waits_is_answered_as_soon_as_it_is_decided() {
    let mut shop = Shop::open().await;
    let customer = shop.customer_with(10_000).await;
    shop.goes_away(Participant::Billing).await;
    let prefer = [("prefer", "wait=30")];
    let body = price(100);
    let (answer, _billing) = tokio::join!(customer.order_with(&prefer, &body), async {
        shop.has_accepted(1).await;
        shop.bed.run(billing::start).await
    });
    assert_eq!((answer.status, &answer.body["status"]), (201, &json!("confirmed")), "{answer:?}");
}

#[tokio::test]
async fn an_order_whose_client_hung_up_goes_on() {
    let mut shop = Shop::open().await;
    let customer = shop.customer_with(10_000).await;
    shop.goes_away(Participant::Billing).await;
    let request = customer.client.request(Method::POST, "/api/v1/order").header("prefer", "wait=30");
    let waiting = tokio::spawn(request.json(&price(100)).send());
    shop.has_accepted(1).await;
    waiting.abort();
    assert!(waiting.await.unwrap_err().is_cancelled());
    shop.comes_back(Participant::Billing).await;
    shop.is_quiet().await;
    assert_eq!(shop.number("SELECT count(*) FROM orders WHERE status = 'confirmed'").await, 1);
}

#[tokio::test]
async fn a_process_that_stops_tells_those_who_wait_where_to_look() {
    let mut shop = Shop::open().await;
    let customer = shop.customer_with(10_000).await;
    shop.goes_away(Participant::Billing).await;
    let second = shop.bed.run(orchestrator::start).await;
    let client = second.user(customer.user_id, &[Role::User]);
    let request = client.request(Method::POST, "/api/v1/order").header("prefer", "wait=30").json(&price(100));
    let waiting = tokio::spawn(async move { client.send(request).await });
    shop.has_accepted(1).await;
    let told = Instant::now();
    second.stop().await;
    let answer = waiting.await.unwrap();
    assert!(told.elapsed() < Duration::from_secs(10), "{:?}", told.elapsed());
    pending(&answer);
    shop.comes_back(Participant::Billing).await;
    customer.sees(order_id(&answer), "confirmed").await;
}

#[tokio::test]
async fn above_the_bound_of_open_orders_new_ones_are_asked_to_come_later() {
    let mut shop = Shop::open_with(|bed| bed.config.business.open_sagas_max = 2).await;
    let customer = shop.customer_with(10_000).await;
    shop.goes_away(Participant::Billing).await;
    for _ in 0..2 {
        pending(&customer.order_with(&[("prefer", "wait=0")], &price(100)).await);
    }
    // Nothing of a request is looked at then, not even its token.
    let answer = shop.orchestrator.anybody().post("/api/v1/order", &price(100)).await;
    assert_eq!(answer.problem(), (503, "overloaded"));
    assert!(header(&answer, "retry-after").is_some());
    assert_eq!(customer.client.get("/api/v1/orders").await.body["items"].as_array().unwrap().len(), 2);
    shop.comes_back(Participant::Billing).await;
    let admitted = async || {
        let answer = customer.order(&price(100)).await;
        (answer.status == 201).then_some(())
    };
    eventually(WITHIN, "room for one more", admitted).await;
}

#[tokio::test]
async fn above_the_bound_neither_a_token_is_looked_at_nor_a_body_waited_for() {
    let shop = Shop::open_with(|bed| bed.config.business.open_sagas_max = 0).await;
    let address = shop.orchestrator.public_url().replace("http://", "");
    let mut stream = TcpStream::connect(&address).await.unwrap();
    let head = "POST /api/v1/order HTTP/1.1\r\nHost: shop\r\nAuthorization: Bearer no.to.ken\r\n\
                Content-Type: application/json\r\nContent-Length: 100\r\n\r\n";
    stream.write_all(head.as_bytes()).await.unwrap();
    // The body never comes: who waited for it would do so for ten seconds.
    let mut answer = vec![0; 4096];
    let read = tokio::time::timeout(Duration::from_secs(3), stream.read(&mut answer)).await;
    let length = read.expect("an answer at once").unwrap();
    let answer = String::from_utf8_lossy(&answer[..length]).to_lowercase();
    assert!(answer.starts_with("http/1.1 503 ") && answer.contains("\r\nretry-after: "), "{answer}");
}
