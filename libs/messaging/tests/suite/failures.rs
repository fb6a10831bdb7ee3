//! The reason of a failure decides: poison is alone in its grave, a held row holds nobody else up, and
//! a database that is away is nobody's fault.

use std::sync::atomic::Ordering;
use std::time::Duration;

use contracts::{Command, Outcome};
use messaging::{CallError, LoopLimits, Pools, Publisher, Source};
use sea_orm::{ConnectionTrait, TransactionTrait};
use serde_json::json;
use testkit::{command_item, eventually};
use uuid::Uuid;

use crate::counter::{Add, Bench, Called, UNLUCKY};

const SOON: Duration = Duration::from_secs(20);

async fn one_poisonous_among_healthy(poison: serde_json::Value, why: &str) {
    let bench = Bench::new().await;
    let _handle = bench.start(bench.counters()).await;
    let counter = Uuid::now_v7();
    let mut items: Vec<_> = (0..63).map(|_| command_item(&Add { counter_id: counter, amount: 1 })).collect();
    let poison_id = poison["id"].clone();
    items.insert(31, poison);
    bench.road.send(Add::TYPE, &items).await;
    eventually(Duration::from_secs(20), "the healthy 63", async || {
        (bench.number("SELECT coalesce(sum(value), 0)::bigint FROM counters").await == 63).then_some(())
    })
    .await;
    eventually(Duration::from_secs(20), "one dead letter", async || {
        (bench.number("SELECT count(*) FROM dead_letters").await == 1).then_some(())
    })
    .await;
    let kept = format!("SELECT count(*) FROM dead_letters WHERE error LIKE '%{why}%'");
    assert_eq!(bench.number(&kept).await, 1, "it is kept with its error");
    if let Some(id) = poison_id.as_str() {
        let named = format!("SELECT count(*) FROM dead_letters WHERE letter_id = '{id}'");
        assert_eq!(bench.number(&named).await, 1, "it is known by its own id");
    }
}

#[tokio::test]
async fn an_item_that_panics_is_buried_alone() {
    let poison = command_item(&Add { counter_id: Uuid::now_v7(), amount: UNLUCKY });
    one_poisonous_among_healthy(poison, "unlucky").await;
}

#[tokio::test]
async fn an_item_that_breaks_a_table_rule_is_buried_alone() {
    let poison = command_item(&Add { counter_id: Uuid::now_v7(), amount: -1 });
    one_poisonous_among_healthy(poison, "violates check constraint").await;
}

#[tokio::test]
async fn an_item_of_an_unknown_type_is_buried_alone() {
    let mut poison = command_item(&Add { counter_id: Uuid::now_v7(), amount: 1 });
    poison["type"] = "cmd.counter.fly.v1".into();
    one_poisonous_among_healthy(poison, "unknown type").await;
}

#[tokio::test]
async fn an_item_whose_type_the_database_cannot_write_is_buried_alone() {
    let mut poison = command_item(&Add { counter_id: Uuid::now_v7(), amount: 1 });
    poison["type"] = "cmd.counter.\0.v1".into();
    one_poisonous_among_healthy(poison, "unknown type").await;
}

#[tokio::test]
async fn an_item_that_is_no_event_is_buried_alone() {
    one_poisonous_among_healthy(json!({"hello": "world"}), "missing field").await;
}

#[tokio::test]
async fn the_same_poison_again_is_counted_not_kept_twice() {
    let bench = Bench::new().await;
    let _handle = bench.start(bench.counters()).await;
    let poison = command_item(&Add { counter_id: Uuid::now_v7(), amount: UNLUCKY });
    for count in 1..=3 {
        bench.road.send(Add::TYPE, std::slice::from_ref(&poison)).await;
        eventually(Duration::from_secs(10), "the letter's count", async || {
            let counted = "SELECT coalesce(sum(count), 0)::bigint FROM dead_letters";
            (bench.number(counted).await == count).then_some(())
        })
        .await;
    }
    assert_eq!(bench.number("SELECT count(*) FROM dead_letters").await, 1);
}

#[tokio::test]
async fn a_poisonous_call_fails_and_its_neighbours_do_not() {
    let bench = Bench::new().await;
    let handle = bench.start(Called(bench.counters())).await;
    let counter_id = Uuid::now_v7();
    let amounts = [1, UNLUCKY, 1, 1];
    let calls = amounts.map(|amount| handle.call(Add { counter_id, amount }));
    let answers = futures::future::join_all(calls).await;
    assert_eq!(answers[1], Err(CallError::Failed));
    assert_eq!(answers.iter().filter(|answer| answer.is_ok()).count(), 3);
    assert_eq!(bench.number("SELECT value FROM counters").await, 3);
}

#[tokio::test]
async fn a_row_that_somebody_holds_holds_nobody_else_up() {
    let bench = Bench::new().await;
    let handle = bench.start(Called(bench.counters())).await;
    let (held, free) = (Uuid::now_v7(), Uuid::now_v7());
    handle.call(Add { counter_id: held, amount: 1 }).await.unwrap();
    let holder = bench.db.begin().await.unwrap();
    holder.execute_unprepared("SELECT 1 FROM counters FOR UPDATE").await.unwrap();
    let waiting = {
        let handle = handle.clone();
        tokio::spawn(async move { handle.call(Add { counter_id: held, amount: 1 }).await })
    };
    let others = (0..20).map(|_| handle.call(Add { counter_id: free, amount: 1 }));
    let others = tokio::time::timeout(Duration::from_secs(8), futures::future::join_all(others)).await;
    assert!(others.expect("the rest goes on").iter().all(Result::is_ok));
    assert!(!waiting.is_finished(), "the row is still held");
    holder.rollback().await.unwrap();
    assert_eq!(waiting.await.unwrap(), Ok(2));
}

#[tokio::test]
async fn many_rows_that_somebody_holds_leave_time_for_everybody_else() {
    let bench = Bench::new().await;
    let handle = bench.start(Called(bench.counters())).await;
    let held: Vec<Add> = (0..4).map(|_| Add { counter_id: Uuid::now_v7(), amount: 1 }).collect();
    for add in &held {
        handle.call(add.clone()).await.unwrap();
    }
    let holder = bench.db.begin().await.unwrap();
    holder.execute_unprepared("SELECT 1 FROM counters FOR UPDATE").await.unwrap();
    let items: Vec<_> = held.iter().map(command_item).collect();
    bench.road.send(Add::TYPE, &items).await;
    // About nine seconds: each try waits for its row, and aside there is one a second.
    eventually(Duration::from_secs(30), "all of them to have been tried in vain", async || {
        (bench.batches.load(Ordering::Relaxed) > 15).then_some(())
    })
    .await;
    let free = Uuid::now_v7();
    for value in 1..=5 {
        let call = handle.call(Add { counter_id: free, amount: 1 });
        let answer = tokio::time::timeout(Duration::from_secs(4), call).await;
        assert_eq!(answer.expect("it is heard while they are held"), Ok(value));
    }
    holder.rollback().await.unwrap();
    eventually(Duration::from_secs(20), "those that were held to be done", async || {
        (bench.number("SELECT count(*) FROM counters WHERE value = 2").await == 4).then_some(())
    })
    .await;
}

#[tokio::test]
async fn while_the_database_is_away_callers_are_told_and_nothing_is_buried() {
    let mut postgres = testkit::own_postgres().await;
    let mut bench = Bench::new().await;
    bench.url = postgres.create_database("counters").await.unwrap();
    let limits = LoopLimits { call_wait_max: Duration::from_millis(500), ..LoopLimits::default() };
    bench.db = sea_orm::Database::connect(&bench.url).await.unwrap();
    bench.db.execute_unprepared(crate::counter::TABLES).await.unwrap();
    let handle = bench.start_within(Called(bench.counters()), limits).await;
    let counter_id = Uuid::now_v7();
    handle.call(Add { counter_id, amount: 1 }).await.unwrap();
    postgres.stop().await.unwrap();
    let items = [command_item(&Add { counter_id, amount: 1 })];
    bench.road.send(Add::TYPE, &items).await;
    let told = handle.call(Add { counter_id, amount: 1 }).await;
    assert_eq!(told, Err(CallError::Unavailable));
    postgres.restart().await.unwrap();
    eventually(Duration::from_secs(20), "the message to be processed after all", async || {
        let value = handle.call(Add { counter_id, amount: 0 }).await.ok()?;
        (value == 2).then_some(())
    })
    .await;
    bench.db = sea_orm::Database::connect(&bench.url).await.unwrap();
    assert_eq!(bench.number("SELECT count(*) FROM dead_letters").await, 0);
}

#[tokio::test]
async fn what_was_committed_while_nats_was_away_is_published_when_it_is_back() {
    let mut bench = Bench::new().await;
    let _handle = bench.start(bench.counters()).await;
    let counter_id = Uuid::now_v7();
    bench.road.ask(&Add { counter_id, amount: 1 }).await;
    bench.nats.restart().await.unwrap();
    let said = bench.road.ask(&Add { counter_id, amount: 1 }).await;
    assert_eq!(said.outcome, Outcome::Done);
}

/// As many letters with the error of the one that is there as are kept.
async fn enough_are_kept(bench: &Bench) {
    let fill = "INSERT INTO dead_letters SELECT gen_random_uuid(), subject, item_type, about, error, payload, 1, \
                first_at, last_at, headers, group_id FROM dead_letters, generate_series(2, 1000)";
    bench.db.execute_unprepared(fill).await.unwrap();
}

#[tokio::test]
async fn a_flood_of_what_is_asked_again_is_counted_and_not_kept() {
    let bench = Bench::new().await;
    let _handle = bench.start(bench.counters()).await;
    let letters = async || bench.number("SELECT count(*) FROM dead_letters").await;
    let healthy = Add { counter_id: Uuid::now_v7(), amount: 1 };
    let poison = || {
        let mut poison = command_item(&healthy);
        poison["type"] = "cmd.counter.fly.v1".into();
        poison
    };
    let first = poison();
    bench.road.send(Add::TYPE, std::slice::from_ref(&first)).await;
    eventually(SOON, "a dead letter", async || (letters().await == 1).then_some(())).await;
    enough_are_kept(&bench).await;

    // Items are taken in their order: when the last is done, so are those before it.
    bench.road.send(Add::TYPE, &[poison(), first, poison(), command_item(&healthy)]).await;
    eventually(SOON, "the healthy one", async || {
        (bench.number("SELECT count(*) FROM counters").await == 1).then_some(())
    })
    .await;
    assert_eq!(letters().await, 1_000);
    assert_eq!(
        bench.number("SELECT max(count)::bigint FROM dead_letters").await,
        2,
        "a known one is counted"
    );

    // Another error is another matter.
    let mut other = command_item(&healthy);
    other["data"] = json!("nothing that is known");
    bench.road.send(Add::TYPE, &[other]).await;
    eventually(SOON, "the letter with another error", async || (letters().await == 1_001).then_some(()))
        .await;
}

#[tokio::test]
async fn of_a_flood_of_events_every_one_is_kept() {
    const EVENT: &str = "order.counted.v1";
    let bench = Bench::new().await;
    bench.bus.ensure_stream("counter", &messaging::topology::events()).await.unwrap();
    let publisher = Publisher::start("counter", bench.bus.clone(), bench.db.clone(), &bench.runtime);
    let (pools, sources) =
        (Pools { writer: &bench.db, reader: &bench.db }, vec![Source::events("counter", &[EVENT])]);
    let limits = LoopLimits::default();
    let _handle =
        messaging::start(bench.counters(), pools, &bench.bus, &publisher, sources, limits, &bench.runtime);
    let poison = || {
        let mut poison = command_item(&Add { counter_id: Uuid::now_v7(), amount: 1 });
        poison["type"] = EVENT.into();
        poison
    };
    let letters = async |wanted: i64| {
        eventually(SOON, &format!("{wanted} letters"), async || {
            (bench.number("SELECT count(*) FROM dead_letters").await == wanted).then_some(())
        })
        .await;
    };
    bench.road.send(EVENT, &[poison()]).await;
    letters(1).await;
    enough_are_kept(&bench).await;
    bench.road.send(EVENT, &[poison(), poison()]).await;
    letters(1_002).await;
}
