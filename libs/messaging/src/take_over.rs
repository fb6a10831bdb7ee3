//! What is left of a process that is gone: the replies to what it asked are read by others, so that its sagas go on
//! without asking again. Nobody tells who is gone. It shows: messages wait in a consumer, and none is delivered. A process
//! that stands still, or whose database does, looks the same, and if it goes on, both read, which is what replicas do
//! elsewhere.

use std::collections::HashMap;
use std::time::Duration;

use async_nats::jetstream::consumer::{Info, PullConsumer};
use futures::TryStreamExt;
use tokio::task::JoinHandle;
use tokio::time::{MissedTickBehavior, interval, timeout};
use tokio_util::sync::DropGuard;
use tokio_util::task::TaskTracker;

use crate::decider::Decider;
use crate::receiver::Receiver;
use crate::topology::Source;

/// How often a process looks after the others: what waits at a look and at the next one is left.
const LOOK_EVERY: Duration = Duration::from_secs(1);
/// A server that does not answer within this is asked again at the next look.
const ANSWER_WITHIN: Duration = Duration::from_secs(2);

pub(crate) struct TakeOver<D: Decider> {
    /// Of the replies to this process.
    own: Receiver<D>,
    tasks: TaskTracker,
    /// By consumer, how much of it was delivered at the last look.
    delivered: HashMap<String, u64>,
    /// Those that are read here, until nothing waits in them.
    reading: HashMap<String, (JoinHandle<()>, DropGuard)>,
}

/// What a look finds of another process' consumer.
struct Found {
    source: Source,
    /// Messages, each as often as it was delivered.
    delivered: u64,
    /// Messages that were not delivered yet.
    pending: u64,
}

impl Found {
    fn name(&self) -> &str {
        &self.source.consumer.durable
    }

    /// Whether nobody reads it, where so much of it was delivered at the look before.
    fn is_left(&self, delivered_before: Option<u64>) -> bool {
        self.pending > 0 && delivered_before == Some(self.delivered)
    }
}

impl<D: Decider> TakeOver<D> {
    pub(crate) fn new(own: Receiver<D>, tasks: TaskTracker) -> Self {
        Self { own, tasks, delivered: HashMap::new(), reading: HashMap::new() }
    }

    pub(crate) async fn run(mut self) {
        let shutdown = self.own.shutdown.clone();
        let mut ticks = interval(LOOK_EVERY);
        ticks.set_missed_tick_behavior(MissedTickBehavior::Delay);
        while shutdown.run_until_cancelled(ticks.tick()).await.is_some() {
            if !self.own.bus.is_connected() {
                continue;
            }
            let found = shutdown.run_until_cancelled(timeout(ANSWER_WITHIN, self.look())).await;
            if let Some(Ok(Some(found))) = found {
                self.read_what_is_left(&found);
            }
        }
    }

    /// The others' consumers; `None` where they cannot be told.
    async fn look(&self) -> Option<Vec<Found>> {
        let stream = self.own.bus.jetstream().get_stream_no_info(&self.own.source.stream.name).await.ok()?;
        let all: Vec<Info> = stream.consumers().try_collect().await.ok()?;
        let found = all.into_iter().filter_map(|info| {
            let source = self.own.source.of_other(&info.name)?;
            Some(Found { source, delivered: info.delivered.consumer_sequence, pending: info.num_pending })
        });
        Some(found.collect())
    }

    fn read_what_is_left(&mut self, found: &[Found]) {
        let waits = |name: &String| found.iter().any(|other| other.name() == name && other.pending > 0);
        self.reading.retain(|name, (task, _)| waits(name) && !task.is_finished());
        for other in found {
            let is_left = other.is_left(self.delivered.get(other.name()).copied());
            if is_left && !self.reading.contains_key(other.name()) {
                self.read(other);
            }
        }
        self.delivered = found.iter().map(|other| (other.name().to_owned(), other.delivered)).collect();
    }

    fn read(&mut self, other: &Found) {
        let (service, consumer, waiting) = (D::SERVICE, other.name().to_owned(), other.pending);
        tracing::info!(
            service,
            consumer,
            waiting,
            "reading what waits for another process and is not delivered to it"
        );
        let until = self.own.shutdown.child_token();
        let receiver = self.own.of_source(other.source.clone(), until.clone());
        let task = self.tasks.spawn(async move {
            let stream = receiver.source.stream.name.clone();
            let asked = receiver.bus.jetstream().get_consumer_from_stream(&consumer, stream);
            let found: Result<Result<PullConsumer, _>, _> = timeout(ANSWER_WITHIN, asked).await;
            if let Ok(Ok(found)) = found {
                receiver.read(&found).await;
            }
        });
        self.reading.insert(other.name().to_owned(), (task, until.drop_guard()));
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_consumer_is_left_when_something_waits_and_nothing_was_delivered_since_the_last_look() {
        let found = |delivered, pending| {
            let source = Source::replies_to("order", "b");
            Found { source, delivered, pending }
        };
        assert!(found(7, 1).is_left(Some(7)));
        assert!(!found(7, 1).is_left(None), "seen for the first time");
        assert!(!found(8, 1).is_left(Some(7)), "somebody reads it");
        assert!(!found(7, 0).is_left(Some(7)), "it is at rest");
    }
}
