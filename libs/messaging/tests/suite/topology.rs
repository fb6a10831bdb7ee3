//! What is made in NATS is counted when it was missing, and only then: somebody is called for it.

use std::time::Duration;

use contracts::Command;
use messaging::{LoopLimits, Runtime};
use metrics_exporter_prometheus::PrometheusBuilder;
use testkit::eventually;
use uuid::Uuid;

use crate::counter::{Add, Bench};

const WITHIN: Duration = Duration::from_secs(20);
const STREAM: &str = "CMD_COUNTER";

/// On one thread, whose metrics are this test's own.
#[tokio::test]
async fn only_a_consumer_that_was_missing_counts_as_made() {
    let recorder = PrometheusBuilder::new().build_recorder();
    let metrics = recorder.handle();
    let _until_its_end = metrics::set_default_local_recorder(&recorder);
    let made = || {
        let text = metrics.render();
        let line = text.lines().find(|line| line.starts_with("rondo_topology_healed_total{"));
        line.map_or(0, |line| line.rsplit_once(' ').unwrap().1.parse::<u64>().unwrap())
    };
    let bench = Bench::new().await;
    let jetstream = async_nats::jetstream::new(async_nats::connect(bench.nats.url()).await.unwrap());
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
    is_read().await;
    assert_eq!(made(), 2, "the stream and its consumer");
    drop(handle);
    first.shutdown.cancel();
    first.tasks.close();
    first.tasks.wait().await;

    // It is there, and has had nothing to deliver.
    let _handle = bench.start(bench.counters()).await;
    let said = bench.road.ask(&Add { counter_id: Uuid::now_v7(), amount: 1 }).await;
    assert_eq!(said.done::<Add>(), 1, "{}", Add::TYPE);
    assert_eq!(made(), 2, "nothing was missing");

    jetstream.get_stream(STREAM).await.unwrap().delete_consumer("counter").await.unwrap();
    is_read().await;
    assert_eq!(made(), 3, "the consumer was");
}
