//! The timeline of an order: from the beginning, resumed, while it happens, to its end; and to nobody else.

use std::time::Duration;

use reqwest::{Method, Response};
use serde_json::{Value, json};
use uuid::Uuid;

use crate::acting::{act, hanging};
use crate::shop::{Customer, Participant, Shop, WITHIN, header, items, order_id, price};

/// An event as a client sees it: its id, its name, and what its data says.
#[derive(Debug, Clone, PartialEq)]
struct Seen {
    id: String,
    name: String,
    what: String,
    step: Option<String>,
}

/// A stream being read.
struct Stream {
    response: Response,
    text: String,
}

impl Stream {
    async fn open(customer: &Customer, order_id: Uuid, last: Option<&str>) -> Response {
        let mut request = customer.client.request(Method::GET, &format!("/api/v1/order/{order_id}/events"));
        if let Some(id) = last {
            request = request.header("last-event-id", id);
        }
        request.send().await.unwrap()
    }

    async fn of(customer: &Customer, order_id: Uuid, last: Option<&str>) -> Self {
        let response = Self::open(customer, order_id, last).await;
        assert_eq!(response.status(), 200);
        assert_eq!(response.headers()["content-type"], "text/event-stream");
        Self { response, text: String::new() }
    }

    /// The next event; `None` at the end of the stream.
    async fn next(&mut self) -> Option<Seen> {
        loop {
            if let Some((event, rest)) = self.text.split_once("\n\n") {
                let (event, rest) = (event.to_owned(), rest.to_owned());
                self.text = rest;
                if event.starts_with(':') {
                    continue;
                }
                return Some(seen(&event));
            }
            let chunk = tokio::time::timeout(WITHIN, self.response.chunk()).await.expect("an event").unwrap();
            self.text.push_str(std::str::from_utf8(&chunk?).unwrap());
        }
    }

    async fn until_the_end(mut self) -> Vec<Seen> {
        let mut all = Vec::new();
        while let Some(seen) = self.next().await {
            all.push(seen);
        }
        all
    }
}

fn seen(event: &str) -> Seen {
    let field = |name: &str| {
        let line = event.lines().find_map(|line| line.strip_prefix(name)?.strip_prefix(": "));
        line.unwrap_or_else(|| panic!("{name} in {event:?}")).to_owned()
    };
    let data: Value = serde_json::from_str(&field("data")).unwrap();
    let known = ["at", "what", "step", "reason"];
    assert!(data.as_object().unwrap().keys().all(|key| known.contains(&key.as_str())), "{data}");
    let text = |name: &str| data[name].as_str().map(str::to_owned);
    Seen { id: field("id"), name: field("event"), what: text("what").unwrap(), step: text("step") }
}

fn told(events: &[Seen]) -> Vec<(&str, Option<&str>)> {
    events.iter().map(|event| (event.what.as_str(), event.step.as_deref())).collect()
}

/// The order's statuses, as they came.
fn statuses(events: &[Seen]) -> Vec<&str> {
    events.iter().filter(|event| event.name == "status").map(|event| event.what.as_str()).collect()
}

#[tokio::test]
async fn a_refused_order_is_told_from_the_beginning_to_the_end_and_resumed_anywhere() {
    let shop = Shop::open().await;
    let (customer, tea) = (shop.customer_with(0).await, shop.position(10).await);
    let order_id: Uuid = order_id(&customer.order(&items(&[(tea, 1)])).await);
    customer.sees_saga(order_id, "rejected").await;
    let all = Stream::of(&customer, order_id, None).await.until_the_end().await;
    let expected = [
        ("begun", None),
        ("pending", None),
        ("done", Some("reserve_stock")),
        ("refused", Some("reserve_funds")),
        ("turning_back", Some("reserve_funds")),
        ("rejected", None),
        ("undone", Some("reserve_stock")),
        ("done", Some("notify_sorrow")),
        ("finished", None),
    ];
    assert_eq!(told(&all), expected);
    assert_eq!(statuses(&all), ["pending", "rejected"]);
    for (index, stop) in all.iter().enumerate() {
        let after = &all[index + 1..];
        if after.is_empty() {
            assert_eq!(Stream::open(&customer, order_id, Some(&stop.id)).await.status(), 204);
        } else {
            let resumed = Stream::of(&customer, order_id, Some(&stop.id)).await.until_the_end().await;
            assert_eq!(resumed, after, "after {}", stop.id);
        }
    }
    let last = &all.last().unwrap().id;
    for none_of_ours in [
        "nonsense",
        "1-1",
        "99-1.0-0.rejected",
        "1-9.0-0.pending",
        "4294967295-1.0-0.rejected",
        &last.replace(".0-0.", ".3-1."),
        &last.replace("rejected", "received"),
        &last.replace("rejected", "pending"),
        &all[0].id.replace("1-1.0-0", "1-1.0-0.sent"),
    ] {
        let again = Stream::of(&customer, order_id, Some(none_of_ours)).await.until_the_end().await;
        assert_eq!(again, all, "{none_of_ours}: it is no reason to miss anything");
    }
}

#[tokio::test]
async fn an_order_is_told_while_it_happens() {
    let mut shop = Shop::open().await;
    let (customer, tea) = (shop.customer_with(10_000).await, shop.position(10).await);
    shop.goes_away(Participant::Billing).await;
    let order_id = order_id(&customer.order_with(&[("prefer", "wait=0")], &items(&[(tea, 1)])).await);
    let (mut stream, mut live) = (Stream::of(&customer, order_id, None).await, Vec::new());
    let mut next = async |what: &str| {
        loop {
            let seen = stream.next().await.unwrap_or_else(|| panic!("the end before {what}"));
            live.push(seen.clone());
            if seen.name == "status" && seen.what == what {
                return;
            }
        }
    };
    next("pending").await;
    shop.comes_back(Participant::Billing).await;
    next("confirmed").await;
    customer.sees_saga(order_id, "completed").await;
    assert_eq!(shop.courier_says("sent", order_id).await.status, 200);
    next("sent").await;
    assert_eq!(shop.courier_says("received", order_id).await.status, 200);
    next("received").await;
    assert_eq!(stream.next().await, None, "nothing can happen any more");
    assert_eq!(statuses(&live), ["pending", "confirmed", "sent", "received"]);
    let decided = live.iter().position(|event| event.what == "confirmed").unwrap();
    let names = [live[decided].name.as_str(), live[decided + 1].name.as_str()];
    assert_eq!((names, live[decided + 1].what.as_str()), (["step", "status"], "confirmed"), "{live:?}");
    let tail = live.iter().position(|event| event.step.as_deref() == Some("capture_funds")).unwrap();
    assert!(tail > decided + 1, "a status is told where it came to be: {live:?}");
    let late = Stream::of(&customer, order_id, None).await.until_the_end().await;
    assert_eq!(late, live, "who comes late is told the same");
    for (index, stop) in live.iter().enumerate().take(live.len() - 1) {
        let resumed = Stream::of(&customer, order_id, Some(&stop.id)).await.until_the_end().await;
        assert_eq!(resumed, live[index + 1..], "after {}", stop.id);
    }
}

#[tokio::test]
async fn an_order_whose_saga_has_left_is_told_by_its_status() {
    let shop = Shop::open().await;
    let customer = shop.customer_with(0).await;
    let order_id = order_id(&customer.order(&price(1_000)).await);
    customer.sees_saga(order_id, "rejected").await;
    let all = Stream::of(&customer, order_id, None).await.until_the_end().await;
    let gone = "WITH h AS (DELETE FROM saga_history WHERE saga_id = $1) \
                DELETE FROM sagas WHERE saga_id = $1 RETURNING 1";
    assert_eq!(shop.rows(gone, [order_id.into()]).await.len(), 1);
    let left = Stream::of(&customer, order_id, None).await.until_the_end().await;
    assert_eq!(told(&left), [("rejected", None)]);
    for id in [&left[0].id, &all.last().unwrap().id] {
        assert_eq!(Stream::open(&customer, order_id, Some(id)).await.status(), 204, "{id}");
    }
}

#[tokio::test]
async fn an_order_that_an_operator_took_out_undecided_is_over() {
    let mut shop = Shop::open().await;
    let (customer, operator) = (shop.customer_with(1_000).await, shop.orchestrator.operator());
    shop.goes_away(Participant::Billing).await;
    let id = hanging(&customer).await;
    let answer = act(&operator, id, "abandon", json!({})).await;
    assert_eq!(answer.status, 200, "{answer:?}");
    let events = Stream::of(&customer, id, None).await.until_the_end().await;
    assert_eq!(statuses(&events), ["pending"]);
}

#[tokio::test]
async fn a_cancellation_is_part_of_the_timeline() {
    let shop = Shop::open().await;
    let customer = shop.customer_with(10_000).await;
    let order_id = order_id(&customer.order(&price(1_000)).await);
    customer.sees_saga(order_id, "completed").await;
    assert_eq!(customer.cancel(order_id, 30).await.status, 200);
    let all = Stream::of(&customer, order_id, None).await.until_the_end().await;
    assert!(told(&all).contains(&("done", Some("refund_order"))), "{all:?}");
    assert_eq!(statuses(&all), ["pending", "confirmed", "cancelled"]);
    let asked = all.iter().filter(|event| event.what == "cancel_asked").count();
    assert_eq!((asked, all.iter().filter(|event| event.what == "begun").count()), (1, 1), "{all:?}");
    assert_eq!(all.last().unwrap().what, "cancelled");
}

#[tokio::test]
async fn streams_are_bounded_for_each_user_and_another_users_order_is_none() {
    let shop = Shop::open().await;
    let (customer, other) = (shop.customer_with(10_000).await, shop.customer_with(0).await);
    let order_id = order_id(&customer.order(&price(1_000)).await);
    assert_eq!(Stream::open(&other, order_id, None).await.status(), 404);
    let mut open = Vec::new();
    for _ in 0..5 {
        open.push(Stream::of(&customer, order_id, None).await);
    }
    let answer = customer.client.get(&format!("/api/v1/order/{order_id}/events")).await;
    assert_eq!(answer.problem(), (429, "too_many_streams"));
    assert!(header(&answer, "retry-after").is_some());
    drop(open);
    testkit::eventually(WITHIN, "a place to be free", async || {
        (Stream::open(&customer, order_id, None).await.status() == 200).then_some(())
    })
    .await;
}

#[tokio::test]
async fn a_stream_ends_with_the_token_that_opened_it() {
    let mut shop = Shop::open().await;
    shop.goes_away(Participant::Billing).await;
    let customer = shop.customer_with(0).await;
    let order_id = order_id(&customer.order_with(&[("prefer", "wait=0")], &price(1_000)).await);
    let token: String = testkit::token_for(customer.user_id, Duration::from_secs(3));
    let brief = Customer { user_id: customer.user_id, client: shop.orchestrator.with_token(&token) };
    let mut stream = Stream::of(&brief, order_id, None).await;
    while stream.next().await.is_some() {}
    assert_eq!(Stream::open(&brief, order_id, None).await.status(), 401);
}

#[tokio::test]
async fn a_stopping_process_ends_its_streams() {
    let shop = Shop::open().await;
    let customer = shop.customer_with(10_000).await;
    let order_id = order_id(&customer.order(&price(1_000)).await);
    customer.sees_saga(order_id, "completed").await;
    let mut stream = Stream::of(&customer, order_id, None).await;
    while stream.next().await.unwrap().what != "finished" {}
    let began = std::time::Instant::now();
    let Shop { orchestrator, .. } = shop;
    orchestrator.stop().await;
    assert_eq!(stream.next().await, None);
    assert!(
        began.elapsed() < Duration::from_secs(4),
        "it does not wait for its grace: {:?}",
        began.elapsed()
    );
}
