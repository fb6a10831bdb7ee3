//! Rows that are read without locks, or not at all because they are known: nothing is lost to whoever writes
//! them meanwhile.

use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::Duration;

use contracts::{Command as _, Timestamp};
use messaging::rows::{Changes, Hold, Known, Rows, Transaction, Version};
use messaging::{BatchError, CallError, Decided, Decider, DecodeError, Item, LoopLimits};
use sea_orm::{ConnectionTrait, TransactionTrait};
use testkit::{command_item, eventually};
use uuid::Uuid;

use crate::counter::{Add, Bench, Called, CounterRow, Counters, PATIENT, UNLUCKY};

/// Counters that a process remembers. Who adds nothing to one that is there only looks at it.
struct Remembering {
    counters: Called,
    known: Known<CounterRow>,
}

impl Remembering {
    fn of(counters: Counters) -> Self {
        Self { counters: Called(counters), known: Known::new(100) }
    }
}

impl Decider for Remembering {
    const SERVICE: &'static str = "counter";
    const IS_OPTIMISTIC: bool = true;
    type Input = Add;
    type Answer = i64;
    type Set = Rows<CounterRow>;

    fn decode(&self, item: &Item<'_>) -> Result<Add, DecodeError> {
        self.counters.decode(item)
    }

    async fn load(&self, tx: &mut Transaction, inputs: &[&Add]) -> Result<Self::Set, BatchError> {
        self.counters.0.batches.fetch_add(1, Ordering::Relaxed);
        let keys: Vec<Uuid> = inputs.iter().map(|add| add.counter_id).collect();
        Ok(self.known.load(tx, &keys).await?)
    }

    fn decide(&self, set: &mut Self::Set, add: &Add, now: Timestamp) -> Decided<i64> {
        match set.get(add.counter_id) {
            Some(counter) if add.amount == 0 => Decided::answer(counter.value),
            _ => self.counters.decide(set, add, now),
        }
    }

    fn save(&self, set: &Self::Set, changes: &mut Changes) {
        self.counters.save(set, changes);
    }

    fn committed(&self, set: Self::Set, version: Option<Version>) {
        if let Some(version) = version {
            self.known.keep(set, version, |_| true);
        }
    }
}

/// Takes turns, and tells how many of its batches were under way at once.
struct Turning {
    counters: Counters,
    under_way: AtomicUsize,
    most: Arc<AtomicUsize>,
}

impl Decider for Turning {
    const SERVICE: &'static str = "counter";
    const TAKES_TURNS: bool = true;
    type Input = Add;
    type Answer = i64;
    type Set = Rows<CounterRow>;

    fn decode(&self, item: &Item<'_>) -> Result<Add, DecodeError> {
        self.counters.decode(item)
    }

    fn can_wait(&self, add: &Add) -> bool {
        self.counters.can_wait(add)
    }

    async fn load(&self, tx: &mut Transaction, inputs: &[&Add]) -> Result<Self::Set, BatchError> {
        self.most.fetch_max(self.under_way.fetch_add(1, Ordering::SeqCst) + 1, Ordering::SeqCst);
        self.counters.load(tx, inputs).await
    }

    fn decide(&self, set: &mut Self::Set, add: &Add, now: Timestamp) -> Decided<i64> {
        self.counters.decide(set, add, now)
    }

    fn save(&self, set: &Self::Set, changes: &mut Changes) {
        self.counters.save(set, changes);
    }

    fn committed(&self, _: Self::Set, _: Option<Version>) {
        self.under_way.fetch_sub(1, Ordering::SeqCst);
    }
}

#[tokio::test]
async fn two_loops_that_take_turns_are_never_under_way_together() {
    let bench = Bench::new().await;
    let most = Arc::default();
    let turning =
        Turning { counters: bench.counters(), under_way: AtomicUsize::new(0), most: Arc::clone(&most) };
    let limits = LoopLimits { gather_max: Duration::from_millis(1), ..LoopLimits::default() };
    let _handle = bench.start_within(turning, limits).await;
    // Rows that nobody else wants: no lock keeps the two apart.
    let add = |amount| Add { counter_id: Uuid::now_v7(), amount };
    for _ in 0..100 {
        bench.road.send(Add::TYPE, &[command_item(&add(1))]).await;
        bench.road.send(Add::TYPE, &[command_item(&add(PATIENT))]).await;
    }
    eventually(Duration::from_secs(20), "all of both to be added", async || {
        (bench.number("SELECT count(*) FROM counters").await == 200).then_some(())
    })
    .await;
    assert!(bench.batches.load(Ordering::Relaxed) > 2);
    assert_eq!(most.load(Ordering::SeqCst), 1);
}

#[tokio::test]
async fn what_is_known_and_was_changed_by_somebody_else_is_read_again() {
    let bench = Bench::new().await;
    let handle = bench.start(Remembering::of(bench.counters())).await;
    let counter_id = Uuid::now_v7();
    for value in 1..=3 {
        assert_eq!(handle.call(Add { counter_id, amount: 1 }).await, Ok(value));
    }
    assert_eq!(bench.batches.load(Ordering::Relaxed), 3, "nobody was in the way");
    bench.db.execute_unprepared("UPDATE counters SET value = value + 10").await.unwrap();
    assert_eq!(handle.call(Add { counter_id, amount: 1 }).await, Ok(14));
    assert_eq!(bench.batches.load(Ordering::Relaxed), 5, "the fourth was decided twice");
    assert_eq!(handle.call(Add { counter_id, amount: 1 }).await, Ok(15));
    assert_eq!(bench.number("SELECT value FROM counters").await, 15);
}

#[tokio::test]
async fn who_changes_nothing_because_of_what_is_known_is_right_about_it() {
    let bench = Bench::new().await;
    let handle = bench.start(Remembering::of(bench.counters())).await;
    let counter_id = Uuid::now_v7();
    assert_eq!(handle.call(Add { counter_id, amount: 1 }).await, Ok(1));
    assert_eq!(handle.call(Add { counter_id, amount: 0 }).await, Ok(1));
    assert_eq!(bench.batches.load(Ordering::Relaxed), 2);
    bench.db.execute_unprepared("UPDATE counters SET value = value + 10").await.unwrap();
    assert_eq!(handle.call(Add { counter_id, amount: 0 }).await, Ok(11));
    assert_eq!(bench.batches.load(Ordering::Relaxed), 4, "it was decided twice");
}

#[tokio::test]
async fn a_row_that_came_between_reading_and_writing_is_met() {
    let bench = Bench::new().await;
    let handle = bench.start(Remembering::of(bench.counters())).await;
    let counter_id = Uuid::now_v7();
    let other = bench.db.begin().await.unwrap();
    other.execute_unprepared(&format!("INSERT INTO counters VALUES ('{counter_id}', 10)")).await.unwrap();
    let call = tokio::spawn(async move { handle.call(Add { counter_id, amount: 1 }).await });
    eventually(Duration::from_secs(10), "the call to wait for the other's commit", async || {
        let waiting = "SELECT count(*) FROM pg_stat_activity WHERE wait_event_type = 'Lock' \
                       AND datname = current_database()";
        (bench.number(waiting).await == 1).then_some(())
    })
    .await;
    other.commit().await.unwrap();
    assert_eq!(call.await.unwrap(), Ok(11));
}

#[tokio::test]
async fn processes_that_share_their_rows_lose_nothing() {
    const PROCESSES: usize = 3;
    const CALLS: usize = 150;
    let bench = Bench::new().await;
    let counters: Vec<Uuid> = (0..4).map(|_| Uuid::now_v7()).collect();
    let mut calls = Vec::new();
    for _ in 0..PROCESSES {
        let handle = bench.start(Remembering::of(bench.counters())).await;
        for index in 0..CALLS {
            let (handle, counter_id) = (handle.clone(), counters[index % counters.len()]);
            calls.push(async move { handle.call(Add { counter_id, amount: 1 }).await });
        }
    }
    let answers = futures::future::join_all(calls).await;
    assert!(answers.iter().all(Result::is_ok), "{answers:?}");
    let sum = bench.number("SELECT sum(value)::bigint FROM counters").await;
    assert_eq!(sum, i64::try_from(PROCESSES * CALLS).unwrap());
}

#[tokio::test]
async fn of_a_batch_that_fails_nothing_is_written_and_nothing_remembered() {
    let bench = Bench::new().await;
    let handle = bench.start(Remembering::of(bench.counters())).await;
    let counter_id = Uuid::now_v7();
    assert_eq!(handle.call(Add { counter_id, amount: 1 }).await, Ok(1));
    for amount in [UNLUCKY, -2] {
        assert_eq!(handle.call(Add { counter_id, amount }).await, Err(CallError::Failed));
        assert_eq!(handle.call(Add { counter_id, amount: 0 }).await, Ok(1));
    }
    assert_eq!(bench.number("SELECT value FROM counters").await, 1);
}

#[tokio::test]
async fn a_transaction_without_locks_writes_all_of_its_tables_or_none() {
    let bench = Bench::new().await;
    let pool = bench.db.get_postgres_connection_pool();
    let [there, gone] = [1, 2].map(Uuid::from_u128);
    let sql = format!("INSERT INTO counters VALUES ('{there}', 1), ('{gone}', 1)");
    bench.db.execute_unprepared(&sql).await.unwrap();
    let mut tx = Transaction::Optimistic(pool.clone());
    let mut rows: Rows<CounterRow> = Rows::load(&mut tx, &[there, gone], Hold::Locked).await.unwrap();
    for key in [there, gone] {
        rows.get_mut(key).unwrap().value = 2;
    }
    rows.insert(CounterRow { counter_id: Uuid::from_u128(3), value: 3 });
    bench.db.execute_unprepared(&format!("DELETE FROM counters WHERE counter_id = '{gone}'")).await.unwrap();
    let mut changes = Changes::of(&tx);
    changes.save(&rows);
    let error = changes.run(&mut tx).await.unwrap_err();
    assert!(matches!(&error, BatchError::Conflict(why) if why.contains("counters: 1 rows")), "{error}");
    assert_eq!(bench.number("SELECT sum(value)::bigint FROM counters").await, 1);
}
