//! Who makes which stream, and what is counted of it: what was missing, and only then, for somebody is called for it.

use std::time::Duration;

use async_nats::jetstream::stream::{Config, Republish};
use async_nats::jetstream::{self, context::Context};
use contracts::{Command, Direction, Timestamp};
use messaging::rows::{Changes, Transaction};
use messaging::{
    BatchError, Bus, Decided, Decider, DecodeError, Handle, Item, LoopLimits, OutgoingCommand, Pools,
    Publisher, Runtime, StreamSpec, topology, watch,
};
use metrics_exporter_prometheus::{PrometheusBuilder, PrometheusHandle};
use testkit::eventually;
use uuid::Uuid;

use crate::counter::{Add, Bench};

const WITHIN: Duration = Duration::from_secs(20);
const STREAM: &str = "CMD_COUNTER";

/// What a counter of a service has come to.
fn counted(metrics: &PrometheusHandle, name: &str, service: &str) -> u64 {
    let (text, series) = (metrics.render(), format!("{name}{{service=\"{service}\"}} "));
    let line = text.lines().find_map(|line| line.strip_prefix(series.as_str()));
    line.map_or(0, |number| number.parse().unwrap())
}

async fn jetstream_of(bench: &Bench) -> Context {
    jetstream::new(async_nats::connect(bench.nats.url()).await.unwrap())
}

/// On one thread, whose metrics are this test's own.
#[tokio::test]
async fn only_a_consumer_that_was_missing_counts_as_made() {
    let recorder = PrometheusBuilder::new().build_recorder();
    let metrics = recorder.handle();
    let _until_its_end = metrics::set_default_local_recorder(&recorder);
    let made = || counted(&metrics, "rondo_topology_healed_total", "counter");
    let bench = Bench::new().await;
    let jetstream = jetstream_of(&bench).await;
    // Whoever reads it has a pull request waiting there.
    let is_read = async || {
        eventually(WITHIN, "the consumer to be read", async || {
            let stream = jetstream.get_stream(STREAM).await.ok()?;
            (stream.consumer_info("counter").await.ok()?.num_waiting > 0).then_some(())
        })
        .await;
    };

    let first = Runtime::default();
    let handle = bench.start_in(&first, bench.counters(), LoopLimits::default()).await;
    bench.road.make_stream_of("counter").await;
    is_read().await;
    assert_eq!(made(), 1, "the consumer; its stream is others' to make");
    drop(handle);
    first.shutdown.cancel();
    first.tasks.close();
    first.tasks.wait().await;

    // It is there, and has had nothing to deliver.
    let _handle = bench.start(bench.counters()).await;
    let said = bench.road.ask(&Add { counter_id: Uuid::now_v7(), amount: 1 }).await;
    assert_eq!(said.done::<Add>(), 1, "{}", Add::TYPE);
    assert_eq!(made(), 1, "nothing was missing");

    jetstream.get_stream(STREAM).await.unwrap().delete_consumer("counter").await.unwrap();
    is_read().await;
    assert_eq!(made(), 2, "the consumer was");
}

/// Asks the counters for whatever it is called for.
struct Asking;

impl Decider for Asking {
    const SERVICE: &'static str = "asker";
    type Input = Add;
    type Answer = ();
    type Set = ();

    fn decode(&self, item: &Item<'_>) -> Result<Add, DecodeError> {
        Err(DecodeError::UnknownType(item.item_type.to_string()))
    }

    async fn load(&self, _: &mut Transaction, _: &[&Add]) -> Result<(), BatchError> {
        Ok(())
    }

    fn decide(&self, (): &mut (), add: &Add, _: Timestamp) -> Decided<()> {
        let command = OutgoingCommand {
            command_id: Uuid::now_v7(),
            command_type: Add::TYPE,
            saga: Uuid::now_v7(),
            step: "add",
            direction: Direction::Do,
            attempt: 1,
            reply_to: "reply.asker.v1".into(),
            traceparent: None,
            can_wait: false,
            data: serde_json::value::to_raw_value(add).unwrap(),
        };
        Decided { commands: vec![command], ..Decided::answer(()) }
    }

    fn save(&self, (): &(), _: &mut Changes) {}
}

/// Starts it, without what looks at the streams now and then.
async fn asker(bench: &Bench) -> (Bus, Handle<Asking>) {
    let bus = Bus::connect(&bench.nats.url(), "asker").await.unwrap();
    let streams = vec![topology::commands_of("counter")];
    let publisher = Publisher::start_making(streams, "asker", bus.clone(), bench.db.clone(), &bench.runtime);
    let pools = Pools { writer: &bench.db, reader: &bench.db };
    let limits = LoopLimits::default();
    let handle = messaging::start(Asking, pools, &bus, &publisher, Vec::new(), limits, &bench.runtime);
    (bus, handle)
}

async fn counter_is(bench: &Bench, counter_id: Uuid, value: i64) {
    let there =
        format!("SELECT count(*) FROM counters WHERE counter_id = '{counter_id}' AND value = {value}");
    eventually(WITHIN, "the counter", async || (bench.number(&there).await == 1).then_some(())).await;
}

#[tokio::test]
async fn the_first_command_after_its_stream_was_deleted_makes_it_and_arrives() {
    let bench = Bench::new().await;
    let _counters = bench.start(bench.counters()).await;
    let (_, asker) = asker(&bench).await;
    let counter_id = Uuid::now_v7();
    asker.call(Add { counter_id, amount: 1 }).await.unwrap();
    counter_is(&bench, counter_id, 1).await;
    for value in 2..5 {
        testkit::delete_stream(&bench.nats.url(), STREAM).await;
        asker.call(Add { counter_id, amount: 1 }).await.unwrap();
        // Nobody asks again here.
        counter_is(&bench, counter_id, value).await;
    }
}

#[tokio::test]
async fn a_participants_stream_that_cannot_be_made_is_no_reason_not_to_be_ready() {
    let recorder = PrometheusBuilder::new().build_recorder();
    let metrics = recorder.handle();
    let _until_its_end = metrics::set_default_local_recorder(&recorder);
    let bench = Bench::new().await;
    // Of the 64 GB that the server may use all but half a one is promised: too little for a stream of 512 MiB.
    let everything = StreamSpec { bytes_max: 61_300_000_000, ..topology::commands_of("everything") };
    bench.bus.ensure_stream("other", &everything).await.unwrap();
    let (bus, asker) = asker(&bench).await;
    let counter_id = Uuid::now_v7();
    asker.call(Add { counter_id, amount: 1 }).await.unwrap();
    eventually(WITHIN, "four tries", async || {
        (counted(&metrics, "rondo_publish_failures_total", "asker") >= 4).then_some(())
    })
    .await;
    assert!(jetstream_of(&bench).await.get_stream(STREAM).await.is_err(), "there is no room for it");
    assert!(bus.missing_roads().is_empty(), "{:?}", bus.missing_roads());

    testkit::delete_stream(&bench.nats.url(), &everything.name).await;
    let _counters = bench.start(bench.counters()).await;
    asker.call(Add { counter_id, amount: 1 }).await.unwrap();
    counter_is(&bench, counter_id, 1).await;
}

#[tokio::test]
async fn who_asks_makes_what_is_missing_and_counts_what_is_not_as_it_should_be() {
    let recorder = PrometheusBuilder::new().build_recorder();
    let metrics = recorder.handle();
    let _until_its_end = metrics::set_default_local_recorder(&recorder);
    let bench = Bench::new().await;
    let jetstream = jetstream_of(&bench).await;
    let republish =
        Republish { source: ">".to_owned(), destination: "cmd.counter.>".to_owned(), headers_only: false };
    let thief = Config {
        name: "CMD_THIEF".to_owned(),
        subjects: vec!["cmd.thief.>".to_owned()],
        republish: Some(republish),
        ..Config::default()
    };
    jetstream.create_stream(thief).await.unwrap();
    watch::participants("asker", ["thief", "counter"], &bench.bus, &bench.runtime);
    let made = async || jetstream.get_stream(STREAM).await.ok();
    let made = eventually(WITHIN, "the stream to be made", made).await;
    assert_eq!(made.cached_info().config.subjects, ["cmd.counter.>"]);
    assert_eq!(counted(&metrics, "rondo_topology_healed_total", "asker"), 1);
    assert_eq!(counted(&metrics, "rondo_topology_mismatch_total", "asker"), 1);
    let left = jetstream.get_stream("CMD_THIEF").await.unwrap();
    assert!(left.cached_info().config.republish.is_some(), "it is reported and left");
}
