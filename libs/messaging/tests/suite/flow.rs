//! What arrives is decided, committed and answered; batches form by themselves; what stops, stops in
//! order.

use std::sync::Arc;
use std::sync::atomic::Ordering;
use std::time::{Duration, Instant};

use async_nats::jetstream::{consumer::PullConsumer, stream};
use contracts::{Command, Outcome};
use messaging::{CallError, LoopLimits, Publisher, Runtime};
use sea_orm::ConnectionTrait;
use serde_json::json;
use testkit::{command_item, eventually};
use tokio::sync::Semaphore;
use uuid::Uuid;

use crate::counter::{Add, Bench, Called, Counters, PATIENT};

fn adds(count: usize, counter_id: Uuid) -> Vec<Add> {
    vec![Add { counter_id, amount: 1 }; count]
}

#[tokio::test]
async fn every_item_of_a_message_is_answered() {
    let bench = Bench::new().await;
    let _handle = bench.start(bench.counters()).await;
    let said = bench.road.ask_all(&adds(200, Uuid::now_v7())).await;
    let mut values: Vec<i64> = said.iter().map(testkit::Said::done::<Add>).collect();
    values.sort_unstable();
    assert_eq!(values, (1..=200).collect::<Vec<_>>());
}

#[tokio::test]
async fn inputs_that_wait_share_a_transaction() {
    let bench = Bench::new().await;
    let handle = bench.start(Called(bench.counters())).await;
    let counter = Uuid::now_v7();
    let calls = adds(500, counter).into_iter().map(|add| handle.call(add));
    let answers = futures::future::join_all(calls).await;
    assert!(answers.iter().all(Result::is_ok));
    assert_eq!(bench.number("SELECT value FROM counters").await, 500);
    let batches = bench.batches.load(Ordering::Relaxed);
    assert!(batches <= 50, "500 inputs took {batches} transactions");
}

#[tokio::test]
async fn messages_that_can_wait_share_a_transaction_and_hold_nobody_up() {
    let bench = Bench::new().await;
    let limits =
        LoopLimits { gather_max: Duration::from_secs(30), patient_inputs_max: 4, ..LoopLimits::default() };
    let _handle = bench.start_within(bench.counters(), limits).await;
    let (patient, prompt) = (Uuid::now_v7(), Uuid::now_v7());
    let wait = command_item(&Add { counter_id: patient, amount: PATIENT });
    for _ in 0..3 {
        bench.road.send(Add::TYPE, std::slice::from_ref(&wait)).await;
    }
    let said = bench.road.ask(&Add { counter_id: prompt, amount: 1 }).await;
    assert_eq!(said.done::<Add>(), 1);
    assert_eq!(bench.number("SELECT count(*) FROM counters").await, 1, "the others gather");

    // The fourth fills their batch.
    bench.road.send(Add::TYPE, &[wait]).await;
    eventually(Duration::from_secs(20), "what can wait to be done", async || {
        (bench.number("SELECT count(*) FROM counters WHERE value = 20").await == 1).then_some(())
    })
    .await;
    assert_eq!(bench.batches.load(Ordering::Relaxed), 2);
}

#[tokio::test]
async fn small_batches_keep_a_pace_and_nobody_waits_for_a_crowd_that_is_not_there() {
    let bench = Bench::new().await;
    let pace = Duration::from_secs(2);
    let handle =
        bench.start_within(Called(bench.counters()), LoopLimits { pace, ..LoopLimits::default() }).await;
    let call = |count: usize| {
        futures::future::join_all(adds(count, Uuid::now_v7()).into_iter().map(|add| handle.call(add)))
    };
    let batches = || bench.batches.load(Ordering::Relaxed);
    let began = Instant::now();
    for _ in 0..3 {
        call(1).await;
    }
    assert!(began.elapsed() < pace && batches() == 3, "who comes alone waits for nobody");

    call(8).await;
    let (crowd, before) = (Instant::now(), batches());
    let mut few = std::pin::pin!(call(3));
    assert!(futures::poll!(&mut few).is_pending());
    // The loop has them now, as nothing else is to be done, and others come.
    for _ in 0..10 {
        tokio::task::yield_now().await;
    }
    assert_eq!(batches(), before);
    tokio::join!(few, call(4));
    assert!(crowd.elapsed() > pace / 2, "after a crowd the next batch waits");
    assert_eq!(batches(), before + 1, "and gathers what comes meanwhile");

    // That was a crowd, too; but a quarter of a full batch is enough.
    let began = Instant::now();
    call(LoopLimits::default().batch_inputs_max / 4).await;
    assert!(began.elapsed() < pace / 2);
}

/// Else nobody had it before the ack wait of 30 s is over.
#[tokio::test]
async fn what_a_stopping_process_had_only_pulled_goes_to_others_at_once() {
    let bench = Bench::new().await;
    let gate = Arc::new(Semaphore::new(0));
    // One in hand, one in the queue: the others wait where they were pulled to.
    let limits = LoopLimits { batch_inputs_max: 1, ..LoopLimits::default() };
    let held = Counters { gate: Some(Arc::clone(&gate)), ..bench.counters() };
    let _stopping = bench.start_within(held, limits).await;
    let counter = Uuid::now_v7();
    let add = Add { counter_id: counter, amount: 1 };
    let client = async_nats::connect(bench.nats.url()).await.unwrap();
    let jetstream = async_nats::jetstream::new(client);
    let pulled = async {
        eventually(Duration::from_secs(10), "all to be pulled", async || {
            let consumer: PullConsumer =
                jetstream.get_consumer_from_stream("counter", "CMD_COUNTER").await.ok()?;
            (consumer.cached_info().num_ack_pending == 8).then_some(())
        })
        .await;
    };
    let road = &bench.road;
    let asked = futures::future::join_all((0..8).map(|_| road.ask(&add)));
    let mut asked = std::pin::pin!(asked);
    tokio::select! {
        () = pulled => {}
        _ = &mut asked => panic!("nothing is decided before the gate is open"),
    }
    bench.runtime.shutdown.cancel();
    gate.add_permits(1);
    let other = Runtime::default();
    let _other = bench.start_in(&other, bench.counters(), LoopLimits::default()).await;
    assert_eq!(asked.await.len(), 8);
    assert_eq!(bench.number("SELECT value FROM counters").await, 8);
}

#[tokio::test]
async fn messages_and_calls_meet_on_the_same_rows() {
    let bench = Bench::new().await;
    let handle = bench.start(Called(bench.counters())).await;
    let counter = Uuid::now_v7();
    let items: Vec<_> = adds(64, counter).iter().map(command_item).collect();
    bench.road.send(Add::TYPE, &items).await;
    let called = futures::future::join_all(adds(64, counter).into_iter().map(|add| handle.call(add))).await;
    assert!(called.iter().all(Result::is_ok));
    eventually(Duration::from_secs(10), "all 128 to be added", async || {
        (bench.number("SELECT coalesce(sum(value), 0)::bigint FROM counters").await == 128).then_some(())
    })
    .await;
}

#[tokio::test]
async fn two_replicas_that_insert_the_same_row_agree() {
    let bench = Bench::new().await;
    let one = bench.start(Called(bench.counters())).await;
    let other = bench.start(Called(bench.counters())).await;
    let counters: Vec<Uuid> = (0..20).map(|_| Uuid::now_v7()).collect();
    let calls = counters.iter().flat_map(|&counter_id| {
        let add = Add { counter_id, amount: 1 };
        [one.call(add.clone()), other.call(add)]
    });
    let answers = futures::future::join_all(calls).await;
    assert!(answers.iter().all(Result::is_ok), "{answers:?}");
    assert_eq!(bench.number("SELECT count(*) FROM counters WHERE value = 2").await, 20);
}

#[tokio::test]
async fn a_single_event_in_binary_mode_is_a_command_too() {
    let bench = Bench::new().await;
    let _handle = bench.start(bench.counters()).await;
    let counter = Uuid::now_v7();
    let jetstream = async_nats::jetstream::new(async_nats::connect(bench.nats.url()).await.unwrap());
    let mut headers = async_nats::HeaderMap::new();
    let id = Uuid::now_v7().to_string();
    for (name, value) in [
        ("ce-specversion", "1.0"),
        ("ce-id", id.as_str()),
        ("ce-type", Add::TYPE),
        ("ce-source", "/test"),
        ("ce-subject", id.as_str()),
    ] {
        headers.insert(name, value);
    }
    let payload = json!({"counter_id": counter, "amount": 7}).to_string();
    bench.road.make_stream_of("counter").await;
    let sent = jetstream.publish_with_headers(Add::TYPE, headers, payload.into()).await;
    sent.unwrap().await.unwrap();
    eventually(Duration::from_secs(10), "the counter", async || {
        (bench.number("SELECT coalesce(sum(value), 0)::bigint FROM counters").await == 7).then_some(())
    })
    .await;
}

#[tokio::test]
async fn a_participant_goes_on_as_soon_as_its_deleted_stream_is_back() {
    let bench = Bench::new().await;
    let _handle = bench.start(bench.counters()).await;
    let counter = Uuid::now_v7();
    bench.road.ask(&Add { counter_id: counter, amount: 1 }).await;
    let jetstream = async_nats::jetstream::new(async_nats::connect(bench.nats.url()).await.unwrap());
    jetstream.delete_stream("CMD_COUNTER").await.unwrap();
    // Which the road makes, as the orchestrator does.
    let said = bench.road.ask(&Add { counter_id: counter, amount: 1 }).await;
    assert_eq!(said.outcome, Outcome::Done);
}

/// A stream can be told to publish again what it takes, and to take what others have. Who could tell one would have others'
/// commands forged by the server itself.
#[tokio::test]
async fn a_command_that_the_server_copied_from_another_stream_is_put_aside() {
    let bench = Bench::new().await;
    let jetstream = async_nats::jetstream::new(async_nats::connect(bench.nats.url()).await.unwrap());
    let stream = |name: &str, subject: &str| stream::Config {
        name: name.to_owned(),
        subjects: vec![subject.to_owned()],
        ..stream::Config::default()
    };
    let republish = stream::Republish {
        source: "published".to_owned(),
        destination: Add::TYPE.to_owned(),
        headers_only: false,
    };
    let publishes = stream::Config { republish: Some(republish), ..stream("PUBLISHES", "published") };
    let subject_transforms =
        vec![stream::SubjectTransform { source: "taken".to_owned(), destination: Add::TYPE.to_owned() }];
    let taken = stream::Source { name: "TAKEN".to_owned(), subject_transforms, ..stream::Source::default() };
    let takes = stream::Config { sources: Some(vec![taken]), ..stream("CMD_COUNTER", "cmd.counter.>") };
    for stream in [publishes, stream("TAKEN", "taken"), takes] {
        jetstream.create_stream(stream).await.unwrap();
    }
    let _handle = bench.start(bench.counters()).await;
    let counter = Uuid::now_v7();
    for subject in ["published", "taken"] {
        let forged = command_item(&Add { counter_id: counter, amount: 1 });
        bench.road.send(subject, &[forged]).await;
    }
    let letters = format!("SELECT count(*) FROM dead_letters WHERE subject = '{}'", Add::TYPE);
    eventually(Duration::from_secs(20), "two letters", async || {
        (bench.number(&letters).await == 2).then_some(())
    })
    .await;
    // Whoever has the right to sends the same.
    bench.road.ask(&Add { counter_id: counter, amount: 1 }).await;
    assert_eq!(bench.number("SELECT sum(value)::bigint FROM counters").await, 1);
}

#[tokio::test]
async fn a_loop_that_is_told_to_stop_finishes_what_is_in_hand() {
    let bench = Bench::new().await;
    let handle = bench.start(Called(bench.counters())).await;
    let counter = Uuid::now_v7();
    let calling = {
        let handle = handle.clone();
        tokio::spawn(async move {
            futures::future::join_all(adds(100, counter).into_iter().map(|add| handle.call(add))).await
        })
    };
    eventually(Duration::from_secs(10), "the first batch", async || {
        (bench.batches.load(Ordering::Relaxed) > 0).then_some(())
    })
    .await;
    bench.runtime.shutdown.cancel();
    let answers = calling.await.unwrap();
    assert!(answers.iter().all(Result::is_ok), "callers in hand are answered");
    drop(handle);
    bench.runtime.tasks.close();
    tokio::time::timeout(Duration::from_secs(10), bench.runtime.tasks.wait()).await.expect("everything ends");
}

#[tokio::test]
async fn more_calls_than_may_wait_are_told_to_come_later() {
    let bench = Bench::new().await;
    let limits = LoopLimits { calls_waiting_max: 2, ..LoopLimits::default() };
    let handle = bench.start_within(Called(bench.counters()), limits).await;
    let calls = adds(50, Uuid::now_v7()).into_iter().map(|add| handle.call(add));
    let answers = futures::future::join_all(calls).await;
    let busy = answers.iter().filter(|answer| **answer == Err(CallError::Busy)).count();
    let done = i64::try_from(answers.iter().filter(|answer| answer.is_ok()).count()).unwrap();
    assert!(busy > 0);
    assert_eq!(
        bench.number("SELECT value FROM counters").await,
        done,
        "who is told to come later changed nothing"
    );
}

#[tokio::test]
async fn a_publisher_alone_sends_what_a_transaction_stored() {
    let bench = Bench::new().await;
    let publisher = Publisher::start("counter", bench.bus.clone(), bench.db.clone(), &bench.runtime);
    let event = contracts::order::OrderCancelled { order_id: Uuid::now_v7() };
    let stored = messaging::outbox::store(&bench.db, "counter", &[event.into()], chrono::Utc::now()).await;
    messaging::outbox::start_relay(
        "counter",
        bench.bus.clone(),
        bench.db.clone(),
        publisher.clone(),
        Some(messaging::topology::events()),
        &bench.runtime,
    );
    publisher.events(stored.unwrap().unwrap()).await;
    eventually(Duration::from_secs(30), "the outbox row to be marked as sent", async || {
        (bench.number("SELECT count(*) FROM outbox WHERE sequence IS NOT NULL").await == 1).then_some(())
    })
    .await;

    // Marked as in a stream that is no more, it is sent again.
    let of_another_stream = "UPDATE outbox SET stream_created_at = '2000-01-01', sequence = 1";
    bench.db.execute_unprepared(of_another_stream).await.unwrap();
    eventually(Duration::from_secs(30), "it to be marked as in the stream that is there", async || {
        (bench.number("SELECT count(*) FROM outbox WHERE stream_created_at > '2001-01-01'").await == 1)
            .then_some(())
    })
    .await;
}
