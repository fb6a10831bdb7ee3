//! Reads a whole stream, in order, and stays with it. Whatever ends the reading (consumer or stream
//! deleted, NATS away, a gap), it begins again from the stream's beginning: such a stream is small, and
//! a reader that went on where it stopped would miss what is told again after a loss.

use std::time::Duration;

use async_nats::jetstream::consumer::{AckPolicy, DeliverPolicy, PullConsumer, pull};
use async_nats::jetstream::{self, stream::Stream};
use futures::StreamExt;
use tokio::time::Instant;
use trace::seldom::Seldom;

use crate::bus::Bus;
use crate::envelope::{self, Item};
use crate::runtime::Runtime;
use crate::topology::{SESSION_SUBJECTS, covers};

/// Messages asked for in one go.
const PULLED_AHEAD: usize = 256;
/// A pull request stands this long before it is renewed.
const PULL_EXPIRES: Duration = Duration::from_secs(30);
/// The server's sign of life while nothing arrives: two missed ones and the reading begins again.
const HEARTBEAT: Duration = Duration::from_millis(500);
/// The server forgets a reader that was not seen for so long.
const FORGOTTEN_AFTER: Duration = Duration::from_secs(30);
/// A server that answers no question in this time is asked again.
const ANSWER_WITHIN: Duration = Duration::from_secs(2);
const PAUSE_MIN: Duration = Duration::from_millis(20);
const PAUSE_MAX: Duration = Duration::from_millis(250);
/// A stream that was not read for so long is told of: who makes it, or NATS, may just be starting.
const TOLD_AFTER: Duration = Duration::from_secs(5);

/// What a listener hears. Every item may come again, also long after.
#[derive(Debug)]
pub enum Heard<'a> {
    /// The next item.
    Item(&'a Item<'a>),
    /// All that the stream held when this reading of it began was heard. Said once a reading.
    Everything,
    /// NATS is there, and yet the stream could not be read for some seconds, with why. Said again and again until
    /// [`Heard::Everything`].
    Unreadable(&'a str),
}

/// Starts to read the stream called `stream` for this process alone, until it stops.
pub fn listen(
    bus: Bus,
    stream: &'static str,
    hear: impl FnMut(Heard<'_>) + Send + 'static,
    runtime: &Runtime,
) {
    let shutdown = runtime.shutdown.clone();
    let listener =
        Listener { bus, stream, hear, unreadable: Seldom::default(), put_aside: Seldom::default() };
    runtime.tasks.spawn(async move {
        shutdown.run_until_cancelled(listener.run()).await;
    });
}

struct Listener<H> {
    bus: Bus,
    stream: &'static str,
    hear: H,
    unreadable: Seldom,
    /// Messages that say nothing.
    put_aside: Seldom,
}

type Refused = Box<dyn std::error::Error + Send + Sync>;

impl<H: FnMut(Heard<'_>)> Listener<H> {
    async fn run(mut self) {
        let mut pause = PAUSE_MIN;
        let mut read_at = Instant::now();
        loop {
            let began = Instant::now();
            let consumer = tokio::time::timeout(ANSWER_WITHIN, consumer_of(&self.bus, self.stream)).await;
            let missed = match consumer.unwrap_or_else(|_| Err("NATS does not answer".into())) {
                Ok(consumer) => self.read(&consumer).await,
                Err(error) => Err(error),
            };
            match missed {
                Ok(()) => read_at = Instant::now(),
                Err(why) => self.miss(read_at, &why.to_string()),
            }
            // A reading that ended at once, whatever the reason, is no reason to hurry.
            pause = if began.elapsed() > PAUSE_MAX { PAUSE_MIN } else { (pause * 2).min(PAUSE_MAX) };
            tokio::time::sleep(pause).await;
        }
    }

    /// It could not be read, and was last read then. That NATS is away is told by the connection.
    fn miss(&mut self, read_at: Instant, why: &str) {
        let stream = self.stream;
        tracing::debug!(stream, error = why, "the stream cannot be read yet");
        if read_at.elapsed() < TOLD_AFTER || !self.bus.is_connected() {
            return;
        }
        (self.hear)(Heard::Unreadable(why));
        if let Some(unsaid) = self.unreadable.again(std::time::Instant::now()) {
            tracing::warn!(stream, error = why, unsaid, "the stream cannot be read");
        }
    }

    /// Reads until something is wrong. Whether all of it was heard before that.
    async fn read(&mut self, consumer: &PullConsumer) -> Result<(), Refused> {
        let messages = consumer
            .stream()
            .max_messages_per_batch(PULLED_AHEAD)
            .expires(PULL_EXPIRES)
            .heartbeat(HEARTBEAT)
            .messages()
            .await;
        let mut messages = messages?;
        let mut reading = Reading { heard: 0, to_hear: consumer.cached_info().num_pending, told: false };
        reading.tell_if_all(0, &mut self.hear);
        while let Some(next) = messages.next().await {
            match next {
                Ok(message) if self.take(&message, &mut reading) => {}
                Ok(_) => {
                    tracing::info!(stream = self.stream, "a gap; the stream is read again");
                    break;
                }
                Err(error) => {
                    tracing::info!(stream = self.stream, %error, "the stream is read again");
                    break;
                }
            }
        }
        if reading.told { Ok(()) } else { Err("a reading ended before its end was reached".into()) }
    }

    /// Whoever floods the stream must not flood the log as well.
    fn put_aside(&self, subject: &str, why: &str) {
        if let Some(unsaid) = self.put_aside.again(std::time::Instant::now()) {
            tracing::warn!(stream = self.stream, subject, why, unsaid, "a message says nothing");
        }
    }

    /// Whether this was the next message.
    fn take(&mut self, message: &jetstream::Message, reading: &mut Reading) -> bool {
        let Ok(info) = message.info() else { return false };
        reading.heard += 1;
        if info.consumer_sequence != reading.heard {
            return false;
        }
        // See `Source::takes`; nobody but auth may publish these.
        let is_own =
            covers(SESSION_SUBJECTS, &message.subject) && !envelope::was_copied(message.headers.as_ref());
        if !is_own {
            self.put_aside(&message.subject, "it is not the stream's own");
            reading.tell_if_all(info.pending, &mut self.hear);
            return true;
        }
        for found in envelope::open(&message.payload, message.headers.as_ref()) {
            match found.item {
                Ok(item) => (self.hear)(Heard::Item(&item)),
                Err(error) => self.put_aside(&message.subject, &error),
            }
        }
        reading.tell_if_all(info.pending, &mut self.hear);
        true
    }
}

/// A consumer of this reading alone: in the server's memory, from the stream's beginning.
async fn consumer_of(bus: &Bus, stream: &str) -> Result<PullConsumer, Refused> {
    let stream: Stream = bus.jetstream().get_stream(stream).await?;
    let config = pull::Config {
        ack_policy: AckPolicy::None,
        deliver_policy: DeliverPolicy::All,
        inactive_threshold: FORGOTTEN_AFTER,
        memory_storage: true,
        num_replicas: 1,
        ..pull::Config::default()
    };
    Ok(stream.create_consumer(config).await?)
}

/// How far a reading has come.
struct Reading {
    heard: u64,
    /// What was there when it began.
    to_hear: u64,
    told: bool,
}

impl Reading {
    /// Messages may grow too old before they are delivered, so what is `pending` counts as well.
    fn tell_if_all(&mut self, pending: u64, hear: &mut impl FnMut(Heard<'_>)) {
        let all = self.heard >= self.to_hear || (self.heard > 0 && pending == 0);
        if all && !self.told {
            self.told = true;
            hear(Heard::Everything);
        }
    }
}
