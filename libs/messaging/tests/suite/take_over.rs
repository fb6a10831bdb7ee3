//! Replies to one process of several: it has them alone while it is there, and others have them when it is not.

use std::sync::{Arc, Mutex};
use std::time::Duration;

use async_nats::jetstream::{self, consumer::PullConsumer};
use contracts::Timestamp;
use messaging::rows::{Changes, Transaction};
use messaging::{
    BatchError, Decided, Decider, DecodeError, Handle, Item, LoopLimits, Pools, Publisher, Runtime, Source,
    topology,
};
use serde_json::{Value, json};
use testkit::eventually;
use uuid::Uuid;

use crate::counter::Bench;

const WITHIN: Duration = Duration::from_secs(20);

/// Keeps the sagas of whose steps it hears.
struct Hearing(Arc<Mutex<Vec<Uuid>>>);

impl Decider for Hearing {
    const SERVICE: &'static str = "asker";
    type Input = Uuid;
    type Answer = ();
    type Set = ();

    fn decode(&self, item: &Item<'_>) -> Result<Uuid, DecodeError> {
        item.step.as_ref().map(|_| item.subject).ok_or(DecodeError::Missing("step"))
    }

    async fn load(&self, _: &mut Transaction, _: &[&Uuid]) -> Result<(), BatchError> {
        Ok(())
    }

    fn decide(&self, (): &mut (), saga: &Uuid, _: Timestamp) -> Decided<()> {
        self.0.lock().unwrap().push(*saga);
        Decided::nothing()
    }

    fn save(&self, (): &(), _: &mut Changes) {}
}

/// A process that reads what is said to it, and what it has heard.
struct Process {
    runtime: Runtime,
    heard: Arc<Mutex<Vec<Uuid>>>,
    _handle: Handle<Hearing>,
}

impl Process {
    async fn start(bench: &Bench, name: &str) -> Self {
        let (runtime, heard) = (Runtime::default(), Arc::default());
        let publisher = Publisher::start("asker", bench.bus.clone(), bench.db.clone(), &runtime);
        let pools = Pools { writer: &bench.db, reader: &bench.db };
        let sources = vec![Source::replies_to("asker", name)];
        let (hearing, limits) = (Hearing(Arc::clone(&heard)), LoopLimits::default());
        let handle = messaging::start(hearing, pools, &bench.bus, &publisher, sources, limits, &runtime);
        consumer(bench, name).await;
        Self { runtime, heard, _handle: handle }
    }

    fn heard(&self) -> Vec<Uuid> {
        let mut heard = self.heard.lock().unwrap().clone();
        heard.sort();
        heard
    }

    async fn hears(&self, sagas: &[Uuid]) {
        eventually(WITHIN, "it to be heard", async || (self.heard() == sagas).then_some(())).await;
    }

    /// Stops it; on return the server knows that it takes no more.
    async fn stop(self, bench: &Bench, name: &str) {
        let Self { runtime, heard, _handle } = self;
        drop((heard, _handle));
        runtime.shutdown.cancel();
        runtime.tasks.close();
        runtime.tasks.wait().await;
        eventually(WITHIN, "its last question to be over", async || {
            (consumer(bench, name).await.cached_info().num_waiting == 0).then_some(())
        })
        .await;
    }
}

/// A process' consumer, once it is there.
async fn consumer(bench: &Bench, process: &str) -> PullConsumer {
    let jetstream = jetstream::new(async_nats::connect(bench.nats.url()).await.unwrap());
    let name = format!("asker-{process}");
    eventually(WITHIN, "its consumer", async || {
        jetstream.get_consumer_from_stream(&name, topology::REPLIES).await.ok()
    })
    .await
}

/// Says of so many sagas that a step is done, each in a message of its own.
async fn say(bench: &Bench, process: &str, many: usize) -> Vec<Uuid> {
    let sagas: Vec<Uuid> = (0..many).map(|_| Uuid::now_v7()).collect();
    let subject = topology::reply_subject_of("asker", process);
    for saga in &sagas {
        bench.road.send(&subject, &[reply(&subject, *saga)]).await;
    }
    sagas
}

fn reply(subject: &str, saga: Uuid) -> Value {
    json!({
        "specversion": "1.0", "id": Uuid::now_v7(), "type": subject, "source": "counter", "subject": saga,
        "time": "2026-11-22T00:00:00Z", "step": "add", "direction": "do", "attempt": 1,
        "data": { "outcome": "done", "body": 1 },
    })
}

#[tokio::test]
async fn who_asked_hears_the_replies_and_what_is_left_of_it_is_heard_by_another() {
    let bench = Bench::new().await;
    let (one, other) = (Process::start(&bench, "one").await, Process::start(&bench, "other").await);
    let to_one = say(&bench, "one", 40).await;
    one.hears(&to_one).await;
    assert!(other.heard().is_empty());

    one.stop(&bench, "one").await;
    let left = say(&bench, "one", 40).await;
    other.hears(&left).await;
    // It looks on as long as there may be some, and hears its own besides.
    let (late, own) = (say(&bench, "one", 3).await, say(&bench, "other", 3).await);
    other.hears(&[left, late, own].concat()).await;
}

#[tokio::test]
async fn a_process_that_comes_later_hears_what_was_said_to_one_that_is_gone() {
    let bench = Bench::new().await;
    Process::start(&bench, "one").await.stop(&bench, "one").await;
    let left = say(&bench, "one", 3).await;
    Process::start(&bench, "other").await.hears(&left).await;
}

#[tokio::test]
async fn a_consumer_of_a_process_goes_after_it_and_a_dead_letter_of_it_is_read_by_all() {
    let bench = Bench::new().await;
    let _one = Process::start(&bench, "one").await;
    let config = consumer(&bench, "one").await.cached_info().config.clone();
    assert_eq!(config.inactive_threshold, Duration::from_secs(600), "{config:?}");

    let subject = topology::reply_subject_of("asker", "one");
    let mut item = reply(&subject, Uuid::now_v7());
    item.as_object_mut().unwrap().remove("step");
    bench.road.send(&subject, &[item]).await;
    let sql = "SELECT count(*) FROM dead_letters WHERE subject = 'reply.asker.v1'";
    eventually(WITHIN, "the letter", async || (bench.number(sql).await == 1).then_some(())).await;
}
