//! One trace per saga, seen from a receiver's side: over HTTP, the orchestrator, the road and the participants,
//! also when processes are killed and commands are asked again.

use std::collections::{BTreeMap, BTreeSet};
use std::time::Duration;

use nix::sys::signal::Signal;
use opentelemetry_proto::tonic::trace::v1::span::SpanKind;
use reqwest::Method;
use serde_json::{Value, json};
use testkit::{Answer, Road, eventually};
use uuid::Uuid;

use super::orders::{END_WITHIN, Shop};
use super::processes::{SEPARATE, System};
use super::receiver::{Receiver, Seen};

const KILLED_WITHIN: Duration = Duration::from_secs(30);
/// The client's own span, which no receiver of ours has seen.
const CLIENT_SPAN: &str = "00f067aa0ba902b7";

/// Separate processes that all send their traces to the receiver.
async fn traced_system(receiver: &Receiver, settings: &[(&str, &str)]) -> System {
    let mut system = System::start(&[]).await;
    let environment = [settings, &[("OTEL_EXPORTER_OTLP_ENDPOINT", &receiver.endpoint)]].concat();
    for (name, services) in SEPARATE {
        system.launch(name, services, &environment);
    }
    for (name, _) in SEPARATE {
        system.ready(name).await;
    }
    system
}

/// An order within a trace that the client began, of one item with a courier; it is not waited for.
async fn order(system: &System, through: &str, shop: &Shop, traceparent: Option<&str>) -> Answer {
    let client = system.client(through, shop.customers[0]);
    let day = chrono::Utc::now().date_naive() + chrono::Days::new(2);
    let delivery = json!({ "address": "Omsk", "slot": format!("{day}T09:00:00Z") });
    let items = json!([{ "position_id": shop.positions[0], "quantity": 1 }]);
    let request = client.request(Method::POST, "/api/v1/order").header("Prefer", "respond-async");
    let request = request.json(&json!({ "items": items, "delivery": delivery }));
    let traced = match traceparent {
        Some(traceparent) => request.header("traceparent", traceparent),
        None => request,
    };
    let answer = client.send(traced).await;
    assert!(matches!(answer.status, 201 | 202), "{answer:?}");
    answer
}

fn trace_of(answer: &Answer) -> String {
    answer.headers["x-trace-id"].to_str().unwrap().to_owned()
}

async fn finished(system: &System, saga: &str) -> Value {
    let operator = system.operator("orchestrator");
    eventually(END_WITHIN, "the saga to end", async || {
        let answer = operator.get(&format!("/internal/api/v1/sagas/{saga}")).await;
        (answer.body["finished_at"].is_string()).then_some(answer.body)
    })
    .await
}

#[tokio::test]
async fn an_order_is_one_trace_although_its_participant_and_its_orchestrator_are_killed() {
    let receiver = Receiver::behind_collector().await;
    let mut system = traced_system(&receiver, &[]).await;
    let shop = Shop::open(&system, 1, 1).await;
    let endpoint = ("OTEL_EXPORTER_OTLP_ENDPOINT", receiver.endpoint.as_str());
    system.stop("billing").await;
    system.restart("billing", &[endpoint, ("RONDO_CRASH_AT", "billing:after_commit_before_publish:1")]).await;

    let trace_id = format!("{:032x}", Uuid::now_v7().as_u128());
    let answer =
        order(&system, "orchestrator", &shop, Some(&format!("00-{trace_id}-{CLIENT_SPAN}-01"))).await;
    assert_eq!(trace_of(&answer), trace_id, "the client's trace goes on");
    let saga = answer.body["order_id"].as_str().unwrap().to_owned();
    assert!(system.is_killed("billing", KILLED_WITHIN).await, "billing dies with the hold made and no reply");
    receiver.wait_for(&trace_id, "send cmd.billing.reserve_funds.v1", 1).await;
    receiver.wait_for(&trace_id, "POST /api/v1/order", 1).await;
    system.kill("orchestrator").await;
    system.restart("orchestrator", &[endpoint]).await;
    system.restart("billing", &[endpoint]).await;

    let status = finished(&system, &saga).await;
    assert_eq!((&status["status"], &status["trace_id"]), (&json!("completed"), &json!(trace_id)));
    receiver.wait_for(&trace_id, "process order.order_confirmed.v1", 1).await;
    for name in ["capture_funds", "schedule_delivery", "notify"] {
        let of = |span: &Seen| {
            span.name.starts_with("process reply.") && span.attributes["rondo.step"].starts_with(name)
        };
        eventually(END_WITHIN, &format!("the answer to {name}"), async || {
            receiver.trace(&trace_id).iter().any(of).then_some(())
        })
        .await;
    }
    // Each process sends on its own: children may be here before their parents.
    let spans = eventually(END_WITHIN, "every parent and every batch of the trace", async || {
        let all = receiver.spans();
        let known: BTreeSet<&str> =
            all.iter().map(|span| span.span_id.as_str()).chain([CLIENT_SPAN]).collect();
        let spans: Vec<Seen> = all.iter().filter(|span| span.trace_id == trace_id).cloned().collect();
        let named =
            spans.iter().flat_map(|span| span.links.iter().map(|(_, batch)| batch).chain([&span.parent_id]));
        let is_whole = named.into_iter().all(|id| known.contains(id.as_str()));
        is_whole.then_some(spans)
    })
    .await;
    whole(&spans, &receiver.spans(), &saga);
    asked_again(&spans);

    // Everybody's spans about the saga are in its trace.
    let elsewhere = receiver.spans();
    let elsewhere: Vec<&Seen> = (elsewhere.iter())
        .filter(|span| span.attributes.get("rondo.saga") == Some(&saga) && span.trace_id != trace_id)
        .collect();
    assert!(elsewhere.is_empty(), "{elsewhere:#?}");
    let of_customer = system.client("orchestrator", shop.customers[0]);
    let told = of_customer.get(&format!("/api/v1/order/{saga}/saga")).await;
    assert_eq!(told.body["trace_id"], Value::Null, "the contract's status has no such field");
}

/// Parents and links are right.
fn whole(spans: &[Seen], all: &[Seen], saga: &str) {
    let by_id: BTreeMap<&str, &Seen> = spans.iter().map(|span| (span.span_id.as_str(), span)).collect();
    assert_eq!(by_id.len(), spans.len(), "every span has an id of its own");
    let roots: Vec<&Seen> = spans.iter().filter(|span| span.parent_id == CLIENT_SPAN).collect();
    let [root] = roots[..] else { panic!("one span answers the client: {roots:#?}") };
    assert_eq!((root.name.as_str(), root.kind), ("POST /api/v1/order", SpanKind::Server));
    for span in spans.iter().filter(|span| span.span_id != root.span_id) {
        let parent = by_id.get(span.parent_id.as_str());
        let parent = parent.unwrap_or_else(|| panic!("nobody saw the parent of {span:#?}"));
        assert!(span.ended_ns >= span.began_ns && !span.has_failed, "{span:#?}");
        match span.name.split_once(' ').unwrap() {
            ("send", message) if message.starts_with("cmd.") => {
                assert_eq!(parent.span_id, root.span_id, "a command goes on under what the saga keeps");
            }
            ("send", _) => assert_eq!(parent.kind, SpanKind::Consumer, "a reply is of what was processed"),
            // An event is sent by the outbox, which has no span of its own.
            ("process", "order.order_confirmed.v1" | "a request") => assert_eq!(parent.span_id, root.span_id),
            ("process", message) => {
                assert_eq!(parent.name, format!("send {message}"));
                assert_eq!(parent.kind, SpanKind::Producer);
                assert_eq!(span.attributes["rondo.saga"], saga);
                assert_eq!(span.attributes["rondo.step"], parent.attributes["rondo.step"]);
                assert_ne!(span.process, parent.process, "it came over the road");
            }
            _ => panic!("{span:#?}"),
        }
        if span.name.starts_with("process ") {
            let [(_, batch)] = &span.links[..] else { panic!("one batch processed {span:#?}") };
            let batch = all.iter().find(|other| other.span_id == *batch).expect("the batch is told of");
            assert_eq!((batch.name.as_str(), &batch.scope), ("batch", &span.scope));
            assert!(batch.links.contains(&(span.trace_id.clone(), span.span_id.clone())), "{batch:#?}");
            assert_ne!(batch.trace_id, span.trace_id, "a batch is of many sagas");
        }
    }
    for process in ["orchestrator", "stock", "delivery", "billing", "notification"] {
        assert!(spans.iter().any(|span| span.process == process), "{process} takes part");
    }
}

/// The command whose participant died was asked again, by another process, under the same parent.
fn asked_again(spans: &[Seen]) {
    let mut askings: Vec<&Seen> =
        spans.iter().filter(|span| span.name == "send cmd.billing.reserve_funds.v1").collect();
    askings.sort_by_key(|span| span.began_ns);
    let attempts: Vec<&str> = askings.iter().map(|span| span.attributes["rondo.attempt"].as_str()).collect();
    assert!(attempts.len() >= 2 && attempts[..2] == ["1", "2"], "{attempts:?}");
    let answered = spans.iter().any(|span| {
        let is_answer = span.name == "process cmd.billing.reserve_funds.v1";
        is_answer && span.attributes["rondo.outcome"] == "done"
    });
    assert!(answered, "and was answered in the end");
}

#[tokio::test]
async fn a_share_of_new_traces_is_recorded_and_a_caller_decides_for_its_own() {
    let receiver = Receiver::start().await;
    let system = traced_system(&receiver, &[("OTEL_TRACES_SAMPLER_ARG", "0")]).await;
    let shop = Shop::open(&system, 1, 1).await;
    let traceparent = |flags: &str| format!("00-{:032x}-{CLIENT_SPAN}-{flags}", Uuid::now_v7().as_u128());
    let unsampled = trace_of(&order(&system, "orchestrator", &shop, None).await);
    let refused = trace_of(&order(&system, "orchestrator", &shop, Some(&traceparent("00"))).await);
    let wanted = trace_of(&order(&system, "orchestrator", &shop, Some(&traceparent("01"))).await);
    receiver.wait_for(&wanted, "process cmd.notification.notify.v1", 1).await;
    for trace_id in [unsampled, refused] {
        assert!(receiver.trace(&trace_id).is_empty(), "{trace_id}");
    }
    assert!(receiver.spans().iter().all(|span| span.trace_id == wanted || span.name == "batch"));
}

#[tokio::test]
async fn a_caller_who_hangs_up_leaves_a_span_that_says_so_and_a_saga_that_goes_on_under_it() {
    let receiver = Receiver::start().await;
    let system = traced_system(&receiver, &[]).await;
    let shop = Shop::open(&system, 1, 1).await;
    let trace_id = format!("{:032x}", Uuid::now_v7().as_u128());
    let client = system.client("orchestrator", shop.customers[0]);
    system.signal("billing", Signal::SIGSTOP);
    let request = client.request(Method::POST, "/api/v1/order").json(&json!({ "price": 100 }));
    let request = request.header("traceparent", format!("00-{trace_id}-{CLIENT_SPAN}-01"));
    let gave_up = tokio::time::timeout(Duration::from_millis(500), request.send()).await;
    assert!(gave_up.is_err(), "the client gave up waiting");

    let asked = receiver.wait_for(&trace_id, "POST /api/v1/order", 1).await;
    assert!(asked.has_failed && !asked.attributes.contains_key("http.response.status_code"), "{asked:#?}");
    system.signal("billing", Signal::SIGCONT);
    let command = receiver.wait_for(&trace_id, "send cmd.billing.reserve_funds.v1", 1).await;
    assert_eq!(command.parent_id, asked.span_id);
    receiver.wait_for(&trace_id, "process cmd.notification.notify.v1", 1).await;
}

#[tokio::test]
async fn a_dead_letter_is_a_failed_span_of_the_trace_that_it_came_with() {
    let receiver = Receiver::start().await;
    let system = traced_system(&receiver, &[]).await;
    let road = Road::connect(&system.nats.url()).await;
    let (trace_id, saga) = (format!("{:032x}", Uuid::now_v7().as_u128()), Uuid::now_v7());
    let command = "cmd.billing.reserve_funds.v1";
    let item = json!({
        "specversion": "1.0", "id": Uuid::now_v7(), "type": command, "source": "test", "subject": saga,
        "time": chrono::Utc::now(), "step": "reserve_funds", "direction": "do", "attempt": 1,
        "traceparent": format!("00-{trace_id}-{CLIENT_SPAN}-01"), "data": { "amount": -1 },
    });
    road.send(command, &[item]).await;
    let span = receiver.wait_for(&trace_id, &format!("process {command}"), 1).await;
    assert!(span.has_failed, "{span:#?}");
    assert_eq!((&*span.scope, &*span.parent_id, span.kind), ("billing", CLIENT_SPAN, SpanKind::Consumer));
    assert_eq!(span.attributes["rondo.saga"], saga.to_string());
}

#[tokio::test]
async fn a_process_that_is_told_of_a_receiver_with_tls_says_that_it_speaks_none_and_ends() {
    let mut process = tokio::process::Command::new(env!("CARGO_BIN_EXE_rondo"));
    process.args(["serve", "auth", "--public-addr", "127.0.0.1:0", "--internal-addr", "127.0.0.1:0"]);
    process.env_clear().env("OTEL_EXPORTER_OTLP_ENDPOINT", "https://127.0.0.1:4318").kill_on_drop(true);
    let ended = tokio::time::timeout(Duration::from_secs(30), process.output()).await;
    let output = ended.expect("it ends").unwrap();
    let said = String::from_utf8_lossy(&output.stderr);
    assert_eq!(output.status.code(), Some(1), "{said}");
    assert!(said.contains("https:// is not spoken here: let a collector beside the process"), "{said}");
}
