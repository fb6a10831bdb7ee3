//! What is looked at now and then rather than counted as it happens: consumers and streams, dead letters, the
//! connection to NATS. Slow ticks, so that it costs the same whether anybody reads it or not.

use std::sync::atomic::Ordering;
use std::time::Duration;

use async_nats::jetstream::{consumer::PullConsumer, stream::Stream};
use metrics::{counter, gauge};
use sea_orm::{ConnectionTrait, DatabaseBackend, DatabaseConnection, DbErr, Statement};
use tokio::time::MissedTickBehavior;

use crate::bus::Bus;
use crate::buses::Buses;
use crate::metric_names as names;
use crate::runtime::Runtime;
use crate::silence::heard;
use crate::topology::Source;

/// How often NATS is asked.
const LOOK_EVERY: Duration = Duration::from_secs(10);
/// How often tables are counted that hardly change.
const COUNT_EVERY: Duration = Duration::from_secs(15);
/// A server that does not answer within this is asked again at the next tick.
const ANSWER_WITHIN: Duration = Duration::from_secs(2);

/// Looks now and then, from now on until the process stops.
pub fn every<F: Future<Output = ()> + Send>(
    period: Duration,
    runtime: &Runtime,
    mut look: impl FnMut() -> F + Send + 'static,
) {
    let shutdown = runtime.shutdown.clone();
    runtime.tasks.spawn(async move {
        let mut ticks = tokio::time::interval(period);
        ticks.set_missed_tick_behavior(MissedTickBehavior::Delay);
        while shutdown.run_until_cancelled(ticks.tick()).await.is_some() {
            if shutdown.run_until_cancelled(look()).await.is_none() {
                return;
            }
        }
    });
}

/// Watches what a service reads, and what it has put aside.
pub(crate) fn service(
    service: &'static str,
    sources: &[Source],
    db: &DatabaseConnection,
    bus: &Bus,
    runtime: &Runtime,
) {
    // From the beginning, so that their first increase is seen as one.
    let counted =
        [names::DEAD_LETTERS, names::DEAD_LETTERS_NOT_KEPT, names::TOPOLOGY_HEALED, names::TOPOLOGY_MISMATCH];
    for name in counted {
        counter!(name, "service" => service).increment(0);
    }
    let (looked_at, sources) = (bus.clone(), sources.to_vec());
    every(LOOK_EVERY, runtime, move || {
        let (bus, sources) = (looked_at.clone(), sources.clone());
        async move {
            for source in &sources {
                if !bus.is_connected() {
                    return;
                }
                let look = async {
                    let stream = bus.jetstream().get_stream(&source.stream.name).await.ok()?;
                    if source.is_maker {
                        bus.compare(service, &source.stream, &stream.cached_info().config);
                    }
                    look_at(&stream, source).await
                };
                // What cannot be told is told the next time.
                let _ = tokio::time::timeout(ANSWER_WITHIN, look).await;
            }
        }
    });
    let db = db.clone();
    every(COUNT_EVERY, runtime, move || {
        let db = db.clone();
        async move {
            if let Ok(letters) = heard(count_letters(&db)).await {
                gauge!(names::DEAD_LETTERS_WAITING, "service" => service).set(letters as f64);
            }
        }
    });
}

/// Watches those whom a service asks: who is down does not tell how far it is behind. Their streams are made where they are
/// missing, as soon as NATS is there.
pub fn participants(
    service: &'static str,
    names: impl IntoIterator<Item = &'static str>,
    bus: &Bus,
    runtime: &Runtime,
) {
    let asked: Vec<Source> = names.into_iter().map(Source::commands).collect();
    let bus = bus.clone();
    every(LOOK_EVERY, runtime, move || {
        let (bus, asked) = (bus.clone(), asked.clone());
        async move {
            bus.connected().await;
            for source in &asked {
                let made = bus.ensure_stream_of_other(service, &source.stream, ANSWER_WITHIN).await;
                if let Some(stream) = made {
                    let _ = tokio::time::timeout(ANSWER_WITHIN, look_at(&stream, source)).await;
                }
            }
        }
    });
}

/// What cannot be told now stays as it was: a consumer that is gone is made again.
async fn look_at(stream: &Stream, source: &Source) -> Option<()> {
    let (name, label) = (&source.stream.name, source.consumer.label());
    let of_stream = |metric| gauge!(metric, "stream" => name.clone());
    of_stream(names::STREAM_MESSAGES).set(stream.cached_info().state.messages as f64);
    of_stream(names::STREAM_BYTES).set(stream.cached_info().state.bytes as f64);
    let consumer: PullConsumer = stream.get_consumer(&source.consumer.durable).await.ok()?;
    let info = consumer.cached_info();
    let of_consumer = |metric| gauge!(metric, "stream" => name.clone(), "consumer" => label.clone());
    of_consumer(names::CONSUMER_PENDING).set(info.num_pending as f64);
    of_consumer(names::CONSUMER_ACK_PENDING).set(info.num_ack_pending as f64);
    Some(())
}

async fn count_letters(db: &DatabaseConnection) -> Result<i64, DbErr> {
    let count = Statement::from_string(DatabaseBackend::Postgres, "SELECT count(*) FROM dead_letters");
    db.query_one_raw(count).await?.map_or(Ok(0), |row| row.try_get_by_index(0))
}

/// Watches the process' connections to NATS, together: one is as good as missing when a service has none.
pub fn connections(buses: &Buses, runtime: &Runtime) {
    let buses = buses.clone();
    every(LOOK_EVERY, runtime, move || {
        let buses = buses.clone();
        async move {
            let (mut connects, mut sent, mut received) = (0, 0, 0);
            let all = buses.all();
            for bus in &all {
                let statistics = bus.client().statistics();
                connects += statistics.connects.load(Ordering::Relaxed);
                sent += statistics.out_bytes.load(Ordering::Relaxed);
                received += statistics.in_bytes.load(Ordering::Relaxed);
            }
            counter!(names::NATS_CONNECTS).absolute(connects);
            counter!(names::NATS_SENT_BYTES).absolute(sent);
            counter!(names::NATS_RECEIVED_BYTES).absolute(received);
            gauge!(names::NATS_CONNECTED).set(f64::from(u8::from(buses.are_connected())));
            let Some(bus) = all.first().filter(|bus| bus.is_connected()) else { return };
            let account = tokio::time::timeout(ANSWER_WITHIN, bus.jetstream().query_account()).await;
            if let Ok(Ok(account)) = account {
                gauge!(names::JETSTREAM_STORAGE_BYTES).set(account.storage as f64);
            }
        }
    });
}
