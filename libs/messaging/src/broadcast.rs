//! Words for every process: a stream that each of them reads whole, from its beginning, for itself.
//!
//! The one who tells keeps what counts in a database and tells it again when the stream is new or has
//! lost it; [`Told`] and [`StreamState`] say which. The readers are in [`listen`].

mod listener;

use std::sync::{Arc, Mutex, PoisonError};
use std::time::{Duration, Instant};

use chrono::Utc;
use contracts::{Event, Timestamp};
use metrics::counter;
use trace::seldom::Seldom;
use uuid::Uuid;

use crate::bus::Bus;
use crate::envelope::{BATCH_CONTENT_TYPE, Item, MAX_ITEMS};
use crate::metric_names;
use crate::outgoing::rfc3339;
use crate::topology::{StreamSpec, TopologyError};

pub use listener::{Heard, listen};

/// A stream that was there and is missing is made again after this. A server that is still deleting it, with all its
/// readers, would remove the files of the new one with those of the old (NATS 2.15 does).
const MADE_AGAIN_AFTER: Duration = Duration::from_secs(3);

/// The way to tell everybody; it makes the stream where that is missing.
#[derive(Debug, Clone)]
pub struct Broadcast {
    service: &'static str,
    bus: Bus,
    stream: StreamSpec,
    presence: Arc<Mutex<Presence>>,
    untold: Arc<Seldom>,
}

/// What is known of the stream's being there.
#[derive(Debug, Default)]
struct Presence {
    was_there: bool,
    gone_since: Option<Instant>,
}

impl Presence {
    /// Whether it was there lately, as far as we know, and is not to be made again yet.
    fn may_be_going(&mut self, is_missing: bool, now: Instant) -> bool {
        if !is_missing {
            *self = Self { was_there: true, gone_since: None };
            return false;
        }
        let since = *self.gone_since.get_or_insert(now);
        self.was_there && now.duration_since(since) < MADE_AGAIN_AFTER
    }
}

/// Where something was told.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Told {
    /// When the stream was made that it was told to.
    pub stream_created_at: Timestamp,
    /// Its place there.
    pub sequence: u64,
}

/// What a stream holds.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct StreamState {
    /// When it was made; a stream that was deleted and made again has another time.
    pub created_at: Timestamp,
    /// The sequence of its first message.
    pub first_sequence: u64,
    /// The sequence of its last message.
    pub last_sequence: u64,
}

impl StreamState {
    /// Whether this is still there.
    pub fn has(&self, told: Told) -> bool {
        told.stream_created_at == self.created_at
            && (self.first_sequence..=self.last_sequence).contains(&told.sequence)
    }
}

/// It was not told; it may be on the stream all the same.
#[derive(Debug, thiserror::Error)]
pub enum BroadcastError {
    /// There is no stream, or no NATS.
    #[error(transparent)]
    Topology(#[from] TopologyError),
    /// The stream did not take it.
    #[error("not published: {0}")]
    Publish(#[from] async_nats::jetstream::context::PublishError),
    /// It was deleted a moment ago.
    #[error("{0} was deleted; it is made again soon")]
    Going(String),
    /// It has no JSON form.
    #[error("not encoded: {0}")]
    Encode(#[from] serde_json::Error),
}

impl Broadcast {
    /// The way to this stream; `service` makes it.
    pub fn new(service: &'static str, bus: Bus, stream: StreamSpec) -> Self {
        // From the beginning, so that the first increase is seen as one.
        counter!(metric_names::PUBLISH_FAILURES, "service" => service).increment(0);
        Self { service, bus, stream, presence: Arc::default(), untold: Arc::default() }
    }

    /// Whether anything can be told now.
    pub fn is_possible(&self) -> bool {
        self.bus.is_connected()
    }

    /// What the stream holds; it is made if it is missing.
    ///
    /// # Errors
    /// NATS is away or refuses, or the stream was deleted a moment ago.
    pub async fn state(&self) -> Result<StreamState, BroadcastError> {
        let found = self.bus.find_stream(self.service, &self.stream).await?;
        let may_be_going = {
            let mut presence = self.presence.lock().unwrap_or_else(PoisonError::into_inner);
            presence.may_be_going(found.is_none(), Instant::now())
        };
        let stream = match found {
            Some(stream) => stream,
            None if may_be_going => return Err(BroadcastError::Going(self.stream.name.clone())),
            None => self.bus.ensure_stream(self.service, &self.stream).await?,
        };
        let info = stream.cached_info();
        // Postgres keeps microseconds: a finer time would never be equal again.
        let micros = info.created.unix_timestamp_nanos() / 1_000;
        let created_at = i64::try_from(micros).ok().and_then(Timestamp::from_timestamp_micros);
        Ok(StreamState {
            created_at: created_at.unwrap_or_default(),
            first_sequence: info.state.first_sequence,
            last_sequence: info.state.last_sequence,
        })
    }

    /// Tells events in one message, so at most [`MAX_ITEMS`] of them; its sequence on the stream.
    ///
    /// # Errors
    /// The stream did not say that it has them.
    pub async fn tell<E: Event>(&self, events: &[E]) -> Result<u64, BroadcastError> {
        debug_assert!(events.len() <= MAX_ITEMS, "a message has a bound");
        let now = rfc3339(Utc::now());
        let items: Vec<Item<'_, &E>> = events.iter().map(|event| self.item(event, &now)).collect();
        let payload = serde_json::to_vec(&items)?;
        let mut headers = async_nats::HeaderMap::new();
        headers.insert("content-type", BATCH_CONTENT_TYPE);
        let publish = async {
            self.bus.jetstream().publish_with_headers(E::TYPE, headers, payload.into()).await?.await
        };
        let ack = publish.await.inspect_err(|_| {
            counter!(metric_names::PUBLISH_FAILURES, "service" => self.service).increment(1);
        })?;
        counter!(metric_names::PUBLISHED_MESSAGES, "service" => self.service).increment(1);
        counter!(metric_names::PUBLISHED_ITEMS, "service" => self.service).increment(items.len() as u64);
        Ok(ack.sequence)
    }

    /// Says now and then that others do not know yet what is to be told.
    pub fn warn_of(&self, error: &BroadcastError) {
        if let Some(unsaid) = self.untold.again(Instant::now()) {
            let (service, stream) = (self.service, &self.stream.name);
            tracing::warn!(service, stream, %error, unsaid, "cannot be told now; other processes do not know of it yet");
        }
    }

    fn item<'a, E: Event>(&self, event: &'a E, now: &'a str) -> Item<'a, &'a E> {
        Item::of_event(self.service, E::TYPE, Uuid::now_v7(), event.about(), now, event)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_stream_that_was_deleted_is_given_time_to_go_and_one_that_was_never_there_is_not() {
        let (mut presence, began) = (Presence::default(), Instant::now());
        let at = |seconds| began + Duration::from_secs(seconds);
        assert!(!presence.may_be_going(true, at(0)), "never seen");
        assert!(!presence.may_be_going(false, at(1)));
        assert!(presence.may_be_going(true, at(2)) && presence.may_be_going(true, at(4)));
        assert!(!presence.may_be_going(true, at(5)));
        assert!(!presence.may_be_going(false, at(6)) && presence.may_be_going(true, at(7)), "each time anew");
    }

    #[test]
    fn what_another_stream_had_or_lies_outside_of_this_one_is_lost() {
        let at = |seconds| Timestamp::from_timestamp(seconds, 0).unwrap();
        let state = StreamState { created_at: at(7), first_sequence: 3, last_sequence: 5 };
        let has = |seconds, sequence| state.has(Told { stream_created_at: at(seconds), sequence });
        assert!(has(7, 3) && has(7, 5));
        assert!(!has(7, 2) && !has(7, 6) && !has(8, 4));
    }
}
