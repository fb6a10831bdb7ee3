//! What a batch decided goes out: packed by subject, published together, all acknowledgements
//! awaited together, then the inputs that caused it are acknowledged.
//!
//! A task of its own behind a short queue, so that publishing overlaps the next transaction. Nothing
//! here is the only copy of anything: sagas ask again, participants answer again, the outbox remembers.

use std::sync::{Arc, OnceLock};
use std::time::Duration;

use async_nats::HeaderMap;
use async_nats::jetstream::context::{PublishAckFuture, PublishErrorKind};
use bytes::Bytes;
use contracts::Timestamp;
use sea_orm::DatabaseConnection;
use tokio::sync::{Notify, mpsc};
use tokio::time::Instant;
use tokio_util::sync::CancellationToken;
use trace::seldom::Seldom;
use uuid::Uuid;

use crate::bus::Bus;
use crate::crash::{self, Point};
use crate::envelope::BATCH_CONTENT_TYPE;
use crate::gathered::{Gathered, HandedOver};
use crate::loop_metrics::PublishMetrics;
use crate::outbox::{Reached, StoredEvents, Unmarked, Witness, Witnesses};
use crate::outgoing::{Outgoing, Packed, Packer};
use crate::runtime::Runtime;
use crate::silence::heard;
use crate::spans;
use crate::topology::{EVENTS, StreamSpec};

/// Batches that may wait for the publisher.
const QUEUE_BATCHES: usize = 8;
/// With less room than this nothing is pulled: the loops of a service, four at most, may all have a batch in
/// flight that is handed over next. What the outbox sends again leaves as much.
const ROOM_MIN: usize = 4;
/// Tries for a message whose stream is missing: it is made again in well under a second, by us or by its maker.
const NO_STREAM_TRIES: u32 = 4;
/// A stream that is not made within this is not waited for: a server whose stream has no leader does not answer, and others'
/// messages wait here.
const MADE_WITHIN: Duration = Duration::from_millis(300);
/// The longest pause between two tries.
const PAUSE_MAX: Duration = Duration::from_secs(1);
/// How long a stopping process waits for NATS to get rid of what is in hand.
const LAST_WORDS: Duration = Duration::from_secs(3);

/// The way out of a service. Cheap to clone; ends when the last clone is gone.
#[derive(Clone)]
pub struct Publisher {
    queue: mpsc::Sender<HandedOver>,
    /// Told whenever the queue was emptied. Nobody waits on the queue itself: who does takes places that others
    /// were promised.
    emptied: Arc<Notify>,
    witnesses: Witnesses,
    metrics: PublishMetrics,
}

impl Publisher {
    /// Starts the publisher of a service.
    pub fn start(service: &'static str, bus: Bus, db: DatabaseConnection, runtime: &Runtime) -> Self {
        Self::start_making(Vec::new(), service, bus, db, runtime)
    }

    /// Starts the publisher of a service that makes these streams, which others read: one that is missing when something
    /// is sent there is made before the next try.
    pub fn start_making(
        streams: Vec<StreamSpec>,
        service: &'static str,
        bus: Bus,
        db: DatabaseConnection,
        runtime: &Runtime,
    ) -> Self {
        let (queue, queued) = mpsc::channel(QUEUE_BATCHES);
        let (witnesses, emptied) = (Witnesses::default(), Arc::default());
        let shutdown = runtime.shutdown.clone();
        let mut headers = HeaderMap::new();
        headers.insert("content-type", BATCH_CONTENT_TYPE);
        let metrics = PublishMetrics::new(service);
        let task = Task {
            service,
            metrics: metrics.clone(),
            bus,
            db,
            shutdown,
            last_words_until: OnceLock::new(),
            emptied: Arc::clone(&emptied),
            witnesses: witnesses.clone(),
            headers,
            streams,
            unpublished: Seldom::default(),
        };
        runtime.tasks.spawn(task.run(queued));
        Self { queue, emptied, witnesses, metrics }
    }

    /// Sends events that a committed transaction stored. Where there is no room they wait in the outbox.
    pub async fn events(&self, stored: StoredEvents) {
        if tokio::time::timeout(PAUSE_MAX, self.room_above(ROOM_MIN)).await.is_ok() {
            let _ = self.queue.try_send(HandedOver::new(Timestamp::default(), Some(stored), true));
        }
    }

    /// Whether there is room for a batch that begins now, and for those that others have begun.
    pub(crate) fn has_room(&self) -> bool {
        self.queue.capacity() >= ROOM_MIN
    }

    /// Resolves when there is.
    pub(crate) async fn room(&self) {
        self.room_above(ROOM_MIN - 1).await;
    }

    async fn room_above(&self, places: usize) {
        loop {
            let emptied = self.emptied.notified();
            if self.queue.capacity() > places {
                return;
            }
            emptied.await;
        }
    }

    /// Hands over what a batch decided. Without room it is dropped: everything in it is asked again.
    pub(crate) fn hand_over(&self, handed_over: HandedOver) {
        if let Err(refused) = self.queue.try_send(handed_over) {
            let lost = refused.into_inner();
            self.metrics.skipped.increment(lost.items_count() as u64);
            spans::end_sent(lost.prompt.spans.into_iter().chain(lost.patient.spans), false);
        }
    }

    /// What the stream of events must still have.
    pub(crate) fn witnesses(&self) -> &Witnesses {
        &self.witnesses
    }
}

struct Task {
    service: &'static str,
    metrics: PublishMetrics,
    bus: Bus,
    db: DatabaseConnection,
    shutdown: CancellationToken,
    /// Known once the process is stopping.
    last_words_until: OnceLock<Instant>,
    emptied: Arc<Notify>,
    witnesses: Witnesses,
    headers: HeaderMap,
    /// What it makes for others.
    streams: Vec<StreamSpec>,
    /// A stream that is missing or full is that to every message.
    unpublished: Seldom,
}

/// What became of the messages of one delivery.
#[derive(Default)]
struct Delivered {
    all: bool,
    /// The last of the events, with their stream's sequence.
    events: Option<(u64, Bytes)>,
    /// The connection by which all of it was tried; none where there were several.
    epoch: Option<u64>,
}

impl Task {
    async fn run(self, mut queued: mpsc::Receiver<HandedOver>) {
        let (mut gathered, mut unmarked) = (Gathered::default(), Unmarked::default());
        loop {
            let batches = tokio::select! {
                biased;
                () = unmarked.due() => {
                    self.mark(&mut unmarked, false).await;
                    continue;
                }
                first = queued.recv() => {
                    let Some(first) = first else { break };
                    let mut batches = gathered.add(first);
                    while let Ok(more) = queued.try_recv() {
                        batches.extend(gathered.add(more));
                    }
                    self.emptied.notify_waiters();
                    batches
                }
                batches = gathered.due() => batches,
            };
            self.deliver(batches, &mut unmarked).await;
        }
        self.deliver(gathered.take(), &mut unmarked).await;
        self.mark(&mut unmarked, true).await;
    }

    /// Not while it is in doubt whether the stream still has them: they would hide what it has lost.
    async fn mark(&self, unmarked: &mut Unmarked, last: bool) {
        if self.witnesses.are_in_doubt() && !last {
            return unmarked.later();
        }
        let (doubted, lost) = (self.witnesses.are_in_doubt(), self.witnesses.losses());
        unmarked.keep(|reached| !doubted && reached.losses == lost);
        if let Err(error) = heard(unmarked.mark(&self.db)).await {
            tracing::debug!(service = self.service, %error, "the outbox will send these events again");
        }
    }

    /// Publishes and acknowledges; the rows of the outbox that arrived are to be marked.
    async fn deliver(&self, batches: Vec<Outgoing>, unmarked: &mut Unmarked) {
        if !batches.is_empty()
            && let Some(reached) = self.publish(batches).await
        {
            unmarked.add(reached);
        }
    }

    async fn publish(&self, mut batches: Vec<Outgoing>) -> Option<Reached> {
        // Read before publishing: a stream made anew afterwards must not pass for the one that was
        // published to.
        let losses = self.witnesses.losses();
        let events_stream = self.witnesses.stream_created_at();
        let began = Instant::now();
        let mut packer = Packer::default();
        batches.iter().for_each(|outgoing| outgoing.pack(self.service, &mut packer));
        let delivered = self.publish_until_done(packer.finish()).await;
        let sent = batches.iter_mut().flat_map(|outgoing| std::mem::take(&mut outgoing.spans));
        spans::end_sent(sent, delivered.all);
        if !delivered.all {
            return None; // The inputs come again, and the outbox remembers.
        }
        self.metrics.seconds.record(began.elapsed());
        crash::reach(self.service, Point::AfterPublishBeforeAck);
        let rows: Vec<Uuid> =
            batches.iter().filter_map(|outgoing| Some(outgoing.stored.as_ref()?.row_id)).collect();
        for receipt in batches.into_iter().flat_map(|outgoing| outgoing.receipts) {
            receipt.done().await;
        }
        let (stream_created_at, (sequence, message)) = (events_stream?, delivered.events?);
        // To which server each of them went is not known otherwise: they are sent again.
        let epoch = delivered.epoch.filter(|epoch| *epoch == self.bus.epoch())?;
        self.witnesses.published(Witness { epoch, stream_created_at, sequence, said: vec![message] });
        (!rows.is_empty()).then_some(Reached { rows, stream_created_at, sequence, losses })
    }

    /// Publishes until every message is acknowledged, its stream does not exist, or the process stops.
    async fn publish_until_done(&self, mut pending: Vec<Packed>) -> Delivered {
        let mut delivered = Delivered { all: true, ..Delivered::default() };
        let mut tries = 0;
        while !pending.is_empty() {
            tries += 1;
            let stopping = self.wait_for_nats().await;
            let epoch = self.bus.epoch();
            delivered.epoch = (tries == 1 || delivered.epoch == Some(epoch)).then_some(epoch);
            let failed = self.publish_once(pending, &mut delivered).await;
            let missing = self.missing(&failed);
            pending = Vec::new();
            for (message, kind) in failed {
                self.metrics.failures.increment(1);
                let gives_up =
                    stopping || (kind == PublishErrorKind::StreamNotFound && tries >= NO_STREAM_TRIES);
                if let Some(unsaid) = self.unpublished.again(std::time::Instant::now()) {
                    let (service, subject) = (self.service, &message.subject);
                    let then = if gives_up { "it is asked again" } else { "it is tried again" };
                    tracing::warn!(service, subject, ?kind, unsaid, "not published; {then}");
                }
                if gives_up {
                    delivered.all = false;
                } else {
                    pending.push(message);
                }
            }
            if !pending.is_empty() {
                tokio::join!(self.make(missing), tokio::time::sleep(pause_after(tries)));
            }
        }
        delivered
    }

    /// The streams that are ours to make and were not there for these.
    fn missing(&self, failed: &[(Packed, PublishErrorKind)]) -> Vec<&StreamSpec> {
        let found_none = |stream: &StreamSpec| {
            let has_none = |kind| kind == PublishErrorKind::StreamNotFound;
            failed.iter().any(|(message, kind)| has_none(*kind) && stream.takes(&message.subject))
        };
        self.streams.iter().filter(|stream| found_none(stream)).collect()
    }

    async fn make(&self, missing: Vec<&StreamSpec>) {
        let made =
            missing.into_iter().map(|it| self.bus.ensure_stream_of_other(self.service, it, MADE_WITHIN));
        futures::future::join_all(made).await;
    }

    /// Waits while NATS is away; tells whether the process is stopping and this was the last chance.
    async fn wait_for_nats(&self) -> bool {
        let last_words = async {
            self.shutdown.cancelled().await;
            let until = self.last_words_until.get_or_init(|| Instant::now() + LAST_WORDS);
            tokio::time::sleep_until(*until).await;
        };
        tokio::select! {
            biased;
            () = self.bus.connected() => self.shutdown.is_cancelled(),
            () = last_words => true,
        }
    }

    /// Sends all, then awaits all acknowledgements.
    async fn publish_once(
        &self,
        messages: Vec<Packed>,
        delivered: &mut Delivered,
    ) -> Vec<(Packed, PublishErrorKind)> {
        let mut sent: Vec<(Packed, PublishAckFuture)> = Vec::with_capacity(messages.len());
        let mut failed = Vec::new();
        for message in messages {
            let (subject, payload) = (message.subject.clone(), message.batch.payload.clone());
            match self.bus.jetstream().publish_with_headers(subject, self.headers.clone(), payload).await {
                Ok(ack) => sent.push((message, ack)),
                Err(error) => failed.push((message, error.kind())),
            }
        }
        for (message, ack) in sent {
            match ack.await {
                Ok(ack) => {
                    self.metrics.messages.increment(1);
                    self.metrics.items.increment(message.batch.items);
                    if ack.stream == EVENTS {
                        let message = (ack.sequence, message.batch.payload);
                        delivered.events = delivered.events.take().max(Some(message));
                    }
                }
                Err(error) => failed.push((message, error.kind())),
            }
        }
        failed
    }
}

fn pause_after(tries: u32) -> Duration {
    (Duration::from_millis(25) * 2_u32.saturating_pow(tries.min(6))).min(PAUSE_MAX)
}

#[cfg(test)]
pub(crate) mod tests {
    use std::pin::pin;

    use super::*;

    /// A publisher whose NATS is slow: what it is handed waits, until the test takes it.
    pub(crate) struct Slow {
        pub(crate) publisher: Publisher,
        queued: mpsc::Receiver<HandedOver>,
    }

    impl Slow {
        pub(crate) fn new() -> Self {
            let (queue, queued) = mpsc::channel(QUEUE_BATCHES);
            let publisher = Publisher {
                queue,
                emptied: Arc::default(),
                witnesses: Witnesses::default(),
                metrics: PublishMetrics::new("test"),
            };
            Self { publisher, queued }
        }

        pub(crate) fn fill(&self) {
            while self.publisher.has_room() {
                self.hand_over();
            }
        }

        fn hand_over(&self) {
            self.publisher.hand_over(HandedOver::new(Timestamp::default(), None, true));
        }

        pub(crate) fn take_all(&mut self) {
            while self.queued.try_recv().is_ok() {}
            self.publisher.emptied.notify_waiters();
        }
    }

    #[tokio::test]
    async fn whoever_waits_for_room_takes_none_from_batches_that_have_begun() {
        let mut slow = Slow::new();
        slow.fill();
        let publisher = slow.publisher.clone();
        let mut waiting = pin!(publisher.room());
        assert!(futures::poll!(&mut waiting).is_pending());
        for _ in 1..ROOM_MIN {
            slow.hand_over();
        }
        assert_eq!(slow.queued.len(), QUEUE_BATCHES, "every batch that had begun was taken");

        slow.take_all();
        assert!(futures::poll!(&mut waiting).is_ready());
    }

    #[test]
    fn pauses_double_up_to_a_bound() {
        assert_eq!(pause_after(1), Duration::from_millis(50));
        assert_eq!(pause_after(60), PAUSE_MAX);
    }
}
