//! Pulls messages of one consumer, takes them apart and queues their items for the loop. Whatever
//! ends the consumer (deleted, its stream deleted, NATS away), it is made again.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::time::Duration;

use async_nats::jetstream::consumer::PullConsumer;
use async_nats::jetstream::{self, AckKind};
use contracts::{Direction, Timestamp};
use futures::{FutureExt, StreamExt};
use tokio::sync::mpsc::{self, error::TrySendError};
use tokio::time::{Instant, timeout_at};
use tokio_util::sync::CancellationToken;
use trace::About;
use trace::seldom::Seldom;
use uuid::Uuid;

use crate::bus::Bus;
use crate::dead_letters::{DeadLetter, DeadLetters, without_values};
use crate::decider::Decider;
use crate::envelope::{self, Item, Raw};
use crate::handle::{Arrived, Origin};
use crate::step_times::{Passage, StepTimes};
use crate::topology::{Source, without_process};

/// Messages pulled ahead: what is in hand is done well inside the ack wait.
const PULLED_AHEAD: usize = 8;
/// A pull request stands this long before it is renewed: whatever became of it where the leader of a consumer died, it is
/// over soon after the election.
const PULL_EXPIRES: Duration = Duration::from_secs(5);
/// When a message comes again that this process left to another.
const AGAIN_AFTER: Duration = Duration::from_millis(500);
/// When a message comes again that a stopping process gives back: the server knows by then that it takes no more.
const GIVEN_BACK_AFTER: Duration = Duration::from_millis(50);
/// A stopping process goes on so long with the replies to what it asked, which nobody else awaits: most sagas that it
/// has under way are over then.
const LAST_REPLIES: Duration = Duration::from_millis(500);
/// The server's sign of life while nothing arrives.
const HEARTBEAT: Duration = Duration::from_secs(2);
/// What is said of a message that lies in the stream without having been published there.
const STRAY: &str = "published on a subject that is not ours, or in another stream, and brought here";
const PAUSE_MIN: Duration = Duration::from_millis(50);
const PAUSE_MAX: Duration = Duration::from_secs(1);

/// The right to acknowledge a message once all its items are done.
#[derive(Clone)]
pub(crate) struct Receipt(Arc<Unacknowledged>);

struct Unacknowledged {
    message: jetstream::Message,
    passage: Passage,
    open: AtomicUsize,
    /// Whether any of its items is left to another process.
    comes_again: AtomicBool,
}

impl Receipt {
    fn new(message: jetstream::Message, passage: Passage, items: usize) -> Self {
        let (open, comes_again) = (AtomicUsize::new(items), AtomicBool::new(false));
        Self(Arc::new(Unacknowledged { message, passage, open, comes_again }))
    }

    /// One item was decided at this time, and that is committed.
    pub(crate) fn decided(&self, now: Timestamp) {
        self.0.passage.decided(now);
    }

    /// An item is left to another process: the whole message comes again, for repeats change nothing.
    pub(crate) fn comes_again(&self) {
        self.0.comes_again.store(true, Ordering::Release);
    }

    /// One item is done; the last one acknowledges the message. A lost acknowledgement costs a repeat.
    pub(crate) async fn done(&self) {
        if self.0.open.fetch_sub(1, Ordering::AcqRel) == 1 {
            let again = self.0.comes_again.load(Ordering::Acquire);
            if !again {
                self.0.passage.done();
            }
            let kind = if again { AckKind::Nak(Some(AGAIN_AFTER)) } else { AckKind::Ack };
            let _ = self.0.message.ack_with(kind).await;
        }
    }
}

/// What is kept of an item besides its input: enough to answer it, and to bury it.
#[derive(Clone)]
pub(crate) struct Envelope {
    pub(crate) id: Uuid,
    pub(crate) item_type: String,
    pub(crate) saga: Uuid,
    pub(crate) step: Option<String>,
    pub(crate) direction: Option<Direction>,
    pub(crate) attempt: Option<u32>,
    pub(crate) reply_to: Option<String>,
    pub(crate) traceparent: Option<String>,
    pub(crate) raw: Raw,
}

impl Envelope {
    pub(crate) fn of(item: Item<'_>, raw: Raw) -> Self {
        Self {
            id: item.id,
            item_type: item.item_type.into_owned(),
            saga: item.subject,
            step: item.step.map(Into::into),
            direction: item.direction,
            attempt: item.attempt,
            reply_to: item.replyto.map(Into::into),
            traceparent: item.traceparent.map(Into::into),
            raw,
        }
    }

    pub(crate) fn about(&self) -> About<'_> {
        About {
            saga: Some(self.saga),
            step: self.step.as_deref(),
            traceparent: self.traceparent.as_deref(),
            request: None,
        }
    }
}

pub(crate) struct Receiver<D: Decider> {
    pub(crate) bus: Bus,
    pub(crate) source: Source,
    pub(crate) decider: Arc<D>,
    /// To the loop for what somebody waits for.
    pub(crate) prompt: mpsc::Sender<Arrived<D>>,
    /// To the loop for what [can wait](Decider::can_wait).
    pub(crate) patient: mpsc::Sender<Arrived<D>>,
    pub(crate) dead_letters: DeadLetters,
    pub(crate) shutdown: CancellationToken,
}

impl<D: Decider> Receiver<D> {
    /// One that does the same with what another source has.
    pub(crate) fn of_source(&self, source: Source, shutdown: CancellationToken) -> Self {
        Self {
            bus: self.bus.clone(),
            source,
            decider: Arc::clone(&self.decider),
            prompt: self.prompt.clone(),
            patient: self.patient.clone(),
            dead_letters: self.dead_letters.clone(),
            shutdown,
        }
    }

    /// Takes what a consumer that is there has, until it ends or the process stops.
    pub(crate) async fn read(&self, consumer: &PullConsumer) {
        let mut times = StepTimes::new(D::SERVICE, &self.source.consumer.stream);
        self.pump(consumer, &mut times).await;
    }

    pub(crate) async fn run(self) {
        let mut pause = PAUSE_MIN;
        let no_consumer = Seldom::default();
        let mut times = StepTimes::new(D::SERVICE, &self.source.consumer.stream);
        loop {
            let consumer = self.bus.ensure_source(D::SERVICE, &self.source);
            match self.shutdown.run_until_cancelled(consumer).await {
                None => return,
                Some(Ok(consumer)) => {
                    pause = PAUSE_MIN;
                    self.pump(&consumer, &mut times).await;
                }
                Some(Err(error)) => {
                    // That NATS is away is said elsewhere.
                    if self.bus.is_connected()
                        && let Some(unsaid) = no_consumer.again(std::time::Instant::now())
                    {
                        tracing::info!(service = D::SERVICE, %error, unsaid, "no consumer yet; trying again");
                    }
                    pause = (pause * 2).min(PAUSE_MAX);
                }
            }
            if self.shutdown.run_until_cancelled(tokio::time::sleep(pause)).await.is_none() {
                return;
            }
        }
    }

    /// Takes messages until the consumer ends or the process stops. What was pulled ahead goes back then, or is taken where
    /// it is the process' own: else nobody would have it before the ack wait is over.
    async fn pump(&self, consumer: &PullConsumer, times: &mut StepTimes) {
        let stream = consumer
            .stream()
            .max_messages_per_batch(PULLED_AHEAD)
            .expires(PULL_EXPIRES)
            .heartbeat(HEARTBEAT)
            .messages()
            .await;
        let Ok(mut messages) = stream else { return };
        while let Some(Some(next)) = self.shutdown.run_until_cancelled(messages.next()).await {
            match next {
                Ok(message) => self.take(message, times).await,
                Err(error) => {
                    tracing::info!(service = D::SERVICE, %error, "the consumer ended; it is made again");
                    return;
                }
            }
        }
        if self.source.consumer.of_process.is_some() {
            let until = Instant::now() + LAST_REPLIES;
            while let Ok(Some(Ok(message))) = timeout_at(until, messages.next()).await {
                self.take(message, times).await;
            }
            while let Some(Some(Ok(message))) = messages.next().now_or_never() {
                self.take(message, times).await;
            }
            return;
        }
        let mut ahead = Vec::new();
        while let Some(Some(Ok(message))) = messages.next().now_or_never() {
            ahead.push(message);
        }
        drop(messages);
        for message in ahead {
            let _ = message.ack_with(AckKind::Nak(Some(GIVEN_BACK_AFTER))).await;
        }
    }

    async fn take(&self, message: jetstream::Message, times: &mut StepTimes) {
        let payload = message.payload.clone();
        let headers = message.headers.clone();
        let found = envelope::open(&payload, headers.as_ref());
        if found.is_empty() {
            let _ = message.ack_with(AckKind::Ack).await;
            return;
        }
        let subject = message.subject.to_string();
        let passage = times.arrived(&message, &found);
        let receipt = Receipt::new(message, passage, found.len());
        let is_own = self.source.takes(&subject) && !envelope::was_copied(headers.as_ref());
        let stray = (!is_own).then(|| STRAY.to_owned());
        for envelope::Found { raw, item } in found {
            let arrived = stray
                .clone()
                .map_or(item, Err)
                .map_err(|error| (None, error))
                .and_then(|item| self.arrived(item, raw.clone(), receipt.clone()));
            match arrived {
                Ok(arrived) => {
                    let arrived = if self.decider.can_wait(&arrived.input) {
                        // Where too many wait already, it must not hold up what is behind it here.
                        self.patient.try_send(arrived).err().map(TrySendError::into_inner)
                    } else {
                        Some(arrived)
                    };
                    if let Some(arrived) = arrived {
                        // A closed queue is a stopping process: the message comes again.
                        let _ = self.prompt.send(arrived).await;
                    }
                }
                Err((envelope, error)) => {
                    let letter = letter(&subject, envelope.as_deref(), &error, &raw);
                    if self.dead_letters.keep(&letter).await {
                        receipt.done().await;
                    }
                }
            }
        }
    }

    fn arrived(
        &self,
        item: Item<'_>,
        raw: Raw,
        receipt: Receipt,
    ) -> Result<Arrived<D>, (Option<Box<Envelope>>, String)> {
        let decoded = self.decider.decode(&item);
        let envelope = Box::new(Envelope::of(item, raw));
        match decoded {
            Ok(input) => {
                Ok(Arrived { input, origin: Origin::Message { envelope, receipt }, in_doubt: false })
            }
            Err(error) => Err((Some(envelope), error.to_string())),
        }
    }
}

/// What is kept of an item that cannot be processed.
pub(crate) fn letter(subject: &str, envelope: Option<&Envelope>, error: &str, raw: &Raw) -> DeadLetter {
    DeadLetter {
        // Sent again it is to be read, whoever is gone by then.
        subject: without_process(subject).to_owned(),
        item_id: envelope.map(|envelope| envelope.id),
        item_type: envelope.map(|envelope| envelope.item_type.clone()),
        about: envelope.map(|envelope| envelope.saga),
        step: envelope.and_then(|envelope| envelope.step.clone()),
        context: envelope.and_then(|envelope| envelope.about().context()),
        error: without_values(error),
        headers: raw.headers_json(),
        raw: raw.bytes(),
    }
}
