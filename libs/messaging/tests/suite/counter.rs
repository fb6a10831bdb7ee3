//! A service that owns counters: add to one by message or by call, panic or break a rule on demand.

use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::Duration;

use contracts::{Command, Never, Reply, ReplyData, Timestamp};
use messaging::rows::{Changes, Hold, Rows, Transaction};
use messaging::{
    BatchError, Bus, Decided, Decider, DecodeError, Handle, Item, LoopLimits, Pools, Publisher, Runtime,
    Source, record,
};
use sandbox::Nats;
use sea_orm::{ConnectOptions, ConnectionTrait, Database, DatabaseConnection, Statement};
use serde::{Deserialize, Serialize};
use testkit::Road;
use tokio::sync::Semaphore;
use uuid::Uuid;

/// Add to a counter. 13 panics, 5 can wait; a sum below zero breaks the table's CHECK.
#[derive(Debug, Clone, Serialize, Deserialize)]
pub(crate) struct Add {
    pub(crate) counter_id: Uuid,
    pub(crate) amount: i64,
}

impl Command for Add {
    const TYPE: &'static str = "cmd.counter.add.v1";
    const PARTICIPANT: &'static str = "counter";
    type Done = i64;
    type Refusal = Never;
}

record! {
    pub(crate) struct CounterRow in "counters" {
        counter_id: Uuid,
        changing { value: i64 }
    }
}

pub(crate) const UNLUCKY: i64 = 13;
pub(crate) const PATIENT: i64 = 5;

/// Counts its batches.
pub(crate) struct Counters {
    pub(crate) batches: Arc<AtomicUsize>,
    /// Rows come when the test lets them; always where there is none.
    pub(crate) gate: Option<Arc<Semaphore>>,
}

impl Decider for Counters {
    const SERVICE: &'static str = "counter";
    type Input = Add;
    type Answer = i64;
    type Set = Rows<CounterRow>;

    fn decode(&self, item: &Item<'_>) -> Result<Add, DecodeError> {
        if item.item_type != Add::TYPE {
            return Err(DecodeError::UnknownType(item.item_type.to_string()));
        }
        Ok(serde_json::from_str(item.data.get())?)
    }

    fn can_wait(&self, add: &Add) -> bool {
        add.amount == PATIENT
    }

    async fn load(&self, tx: &mut Transaction, inputs: &[&Add]) -> Result<Self::Set, BatchError> {
        if let Some(gate) = &self.gate {
            let _let = gate.acquire().await;
        }
        self.batches.fetch_add(1, Ordering::Relaxed);
        let keys: Vec<Uuid> = inputs.iter().map(|add| add.counter_id).collect();
        Ok(Rows::load(tx, &keys, Hold::Locked).await?)
    }

    fn decide(&self, set: &mut Self::Set, add: &Add, _: Timestamp) -> Decided<i64> {
        assert_ne!(add.amount, UNLUCKY, "unlucky");
        let value = match set.get_mut(add.counter_id) {
            Some(counter) => {
                counter.value += add.amount;
                counter.value
            }
            None => {
                set.insert(CounterRow { counter_id: add.counter_id, value: add.amount });
                add.amount
            }
        };
        Decided {
            answer: messaging::Answer::Reply(ReplyData::from(Reply::<Add>::Done(value))),
            ..Decided::nothing()
        }
    }

    fn save(&self, set: &Self::Set, changes: &mut Changes) {
        changes.save(set);
    }
}

/// The same, answering callers.
pub(crate) struct Called(pub(crate) Counters);

impl Decider for Called {
    const SERVICE: &'static str = "counter";
    type Input = Add;
    type Answer = i64;
    type Set = Rows<CounterRow>;

    fn decode(&self, item: &Item<'_>) -> Result<Add, DecodeError> {
        self.0.decode(item)
    }

    async fn load(&self, tx: &mut Transaction, inputs: &[&Add]) -> Result<Self::Set, BatchError> {
        self.0.load(tx, inputs).await
    }

    fn decide(&self, set: &mut Self::Set, add: &Add, now: Timestamp) -> Decided<i64> {
        let _ = self.0.decide(set, add, now);
        Decided::answer(set.get(add.counter_id).map_or(0, |counter| counter.value))
    }

    fn save(&self, set: &Self::Set, changes: &mut Changes) {
        changes.save(set);
    }
}

/// A database with counters, a NATS, and the way to both.
pub(crate) struct Bench {
    pub(crate) nats: Nats,
    pub(crate) road: Road,
    pub(crate) bus: Bus,
    pub(crate) url: String,
    pub(crate) db: DatabaseConnection,
    pub(crate) runtime: Runtime,
    pub(crate) batches: Arc<AtomicUsize>,
}

pub(crate) const TABLES: &str = "
    CREATE TABLE counters (counter_id uuid PRIMARY KEY, value bigint NOT NULL CHECK (value >= 0));
    CREATE TABLE dead_letters (letter_id uuid PRIMARY KEY, subject text NOT NULL, item_type text, about uuid,
        error text NOT NULL, payload bytea NOT NULL, count integer NOT NULL, first_at timestamptz NOT NULL,
        last_at timestamptz NOT NULL, headers text, group_id uuid NOT NULL);
    CREATE TABLE outbox (row_id uuid PRIMARY KEY, created_at timestamptz NOT NULL, events text NOT NULL,
        stream_created_at timestamptz, sequence bigint);
";

impl Bench {
    pub(crate) async fn new() -> Self {
        let (nats, url) = tokio::join!(testkit::nats(), testkit::database("messaging"));
        let db = connect(&url).await;
        db.execute_unprepared(TABLES).await.unwrap();
        let road = Road::connect(&nats.url()).await;
        let bus = Bus::connect(&nats.url(), "counter").await.unwrap();
        Self { nats, road, bus, url, db, runtime: Runtime::default(), batches: Arc::default() }
    }

    pub(crate) fn counters(&self) -> Counters {
        Counters { batches: Arc::clone(&self.batches), gate: None }
    }

    /// Starts a loop, with connections of its own as every service has.
    pub(crate) async fn start<D: Decider>(&self, decider: D) -> Handle<D> {
        self.start_within(decider, LoopLimits::default()).await
    }

    pub(crate) async fn start_within<D: Decider>(&self, decider: D, limits: LoopLimits) -> Handle<D> {
        self.start_in(&self.runtime, decider, limits).await
    }

    /// Starts a loop that ends when this runtime does.
    pub(crate) async fn start_in<D: Decider>(
        &self,
        runtime: &Runtime,
        decider: D,
        limits: LoopLimits,
    ) -> Handle<D> {
        let db = connect(&self.url).await;
        let publisher = Publisher::start("counter", self.bus.clone(), db.clone(), runtime);
        let sources = vec![Source::commands("counter")];
        let pools = Pools { writer: &db, reader: &self.db };
        messaging::start(decider, pools, &self.bus, &publisher, sources, limits, runtime)
    }

    pub(crate) async fn number(&self, sql: &str) -> i64 {
        let statement = Statement::from_string(sea_orm::DatabaseBackend::Postgres, sql);
        self.db.query_one_raw(statement).await.unwrap().unwrap().try_get_by_index(0).unwrap()
    }
}

/// With the lock timeout that every session of ours has.
async fn connect(url: &str) -> DatabaseConnection {
    let mut options = ConnectOptions::new(url);
    options
        .max_connections(messaging::LOOP_CONNECTIONS)
        .sqlx_logging(false)
        .acquire_timeout(Duration::from_secs(1));
    options.map_sqlx_postgres_opts(|session| session.options([("lock_timeout", "300ms")]));
    Database::connect(options).await.unwrap()
}
