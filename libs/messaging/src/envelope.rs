//! CloudEvents 1.0 in JSON: one item, and a batch of items of one subject
//! (`application/cloudevents-batch+json`), which is what one NATS message carries.
//!
//! A single event in binary mode (`ce-` headers) is read too, so that `nats pub` and simple
//! participants can take part.

use std::borrow::Cow;
use std::sync::Arc;

use async_nats::header::{HeaderMap, HeaderName, NATS_STREAM};
use bytes::Bytes;
use contracts::{Direction, Timestamp};
use serde::{Deserialize, Serialize};
use serde_json::value::RawValue;
use uuid::Uuid;

use crate::dead_letters::headers_json;
use crate::decider::DecodeError;

/// The most items in one message: those of a batch. A message costs NATS a sync, however many are in it.
pub const MAX_ITEMS: usize = 256;
/// The largest message, in bytes.
pub const MAX_MESSAGE_BYTES: usize = 256 * 1024;
/// The content type of a batch.
pub const BATCH_CONTENT_TYPE: &str = "application/cloudevents-batch+json";
/// What the server says of a message that a stream takes from another one. One that a stream publishes again names it in
/// [`NATS_STREAM`].
const STREAM_SOURCE: HeaderName = HeaderName::from_static("Nats-Stream-Source");

/// One CloudEvent with our extensions. `subject` is the saga or what the event is about.
#[derive(Debug, Clone, Serialize, Deserialize)]
pub struct Item<'a, T = &'a RawValue> {
    /// Always `1.0`.
    #[serde(borrow)]
    pub specversion: Cow<'a, str>,
    /// The command id, or the event's own id.
    pub id: Uuid,
    /// Name and version: the NATS subject too.
    #[serde(rename = "type", borrow)]
    pub item_type: Cow<'a, str>,
    /// Who wrote it.
    #[serde(borrow)]
    pub source: Cow<'a, str>,
    /// The saga of a command or reply; what an event is about.
    pub subject: Uuid,
    /// When it was written, RFC 3339: see [`Item::written_at`].
    #[serde(borrow)]
    pub time: Cow<'a, str>,
    /// W3C trace context.
    #[serde(default, skip_serializing_if = "Option::is_none", borrow)]
    pub traceparent: Option<Cow<'a, str>>,
    /// The saga's step.
    #[serde(default, skip_serializing_if = "Option::is_none", borrow)]
    pub step: Option<Cow<'a, str>>,
    /// Do or undo.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub direction: Option<Direction>,
    /// Which asking this is or answers; 1 is the first.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub attempt: Option<u32>,
    /// The subject on which the reply is awaited.
    #[serde(default, skip_serializing_if = "Option::is_none", borrow)]
    pub replyto: Option<Cow<'a, str>>,
    /// The command that a reply answers.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub commandid: Option<Uuid>,
    /// The payload.
    pub data: T,
}

impl<'a, T> Item<'a, T> {
    /// An event: a fact for anybody, which answers nothing and wants no answer.
    pub fn of_event(
        source: &'a str,
        event_type: &'a str,
        id: Uuid,
        about: Uuid,
        time: &'a str,
        data: T,
    ) -> Self {
        Self {
            specversion: "1.0".into(),
            id,
            item_type: event_type.into(),
            source: source.into(),
            subject: about,
            time: time.into(),
            traceparent: None,
            step: None,
            direction: None,
            attempt: None,
            replyto: None,
            commandid: None,
            data,
        }
    }
}

impl Item<'_> {
    /// When it was written. Few ask, so it is read only then.
    ///
    /// # Errors
    /// It is no time.
    pub fn written_at(&self) -> Result<Timestamp, DecodeError> {
        self.time.parse().map_err(|_| DecodeError::Missing("time"))
    }
}

/// An item as it came, found again in its message when it has to be buried: hardly ever.
#[derive(Debug, Clone)]
pub(crate) struct Raw {
    message: Bytes,
    /// Which item of the message; none where it cannot be taken apart.
    index: Option<usize>,
    /// Of a message that is one thing as a whole.
    headers: Option<Arc<HeaderMap>>,
}

impl Raw {
    /// The message's headers as JSON; none of an item of a batch.
    pub(crate) fn headers_json(&self) -> Option<String> {
        self.index.is_none().then(|| headers_json(self.headers.as_deref()))
    }

    pub(crate) fn bytes(&self) -> Bytes {
        let items = self.index.and_then(|index| Some((index, raw_items(&self.message).ok()?)));
        match items.and_then(|(index, items)| items.get(index).copied()) {
            Some(item) => self.message.slice_ref(item.get().as_bytes()),
            None => self.message.clone(),
        }
    }
}

/// Whether the server copied a message from another stream: nobody published it where it lies.
pub(crate) fn was_copied(headers: Option<&HeaderMap>) -> bool {
    headers.is_some_and(|headers| headers.get(NATS_STREAM).is_some() || headers.get(STREAM_SOURCE).is_some())
}

/// An item of a message, and whether it can be read.
pub(crate) struct Found<'a> {
    pub(crate) raw: Raw,
    pub(crate) item: Result<Item<'a>, String>,
}

/// Takes a message apart, in one go where all its items are good.
pub(crate) fn open<'a>(payload: &'a Bytes, headers: Option<&'a HeaderMap>) -> Vec<Found<'a>> {
    let whole = Raw { message: payload.clone(), index: None, headers: None };
    let with_headers = || Raw { headers: headers.cloned().map(Arc::new), ..whole.clone() };
    if let Some(headers) = headers.filter(|headers| headers.get("ce-id").is_some()) {
        return vec![Found { raw: with_headers(), item: open_binary(payload, headers) }];
    }
    let items = match serde_json::from_slice::<Vec<Item<'a>>>(payload) {
        Ok(items) => items.into_iter().map(Ok).collect(),
        Err(_) => match open_one_by_one(payload) {
            Ok(items) => items,
            Err(error) => {
                return vec![Found {
                    raw: with_headers(),
                    item: Err(format!("not a batch of events: {error}")),
                }];
            }
        },
    };
    let raw = |index| Raw { index: Some(index), ..whole.clone() };
    items.into_iter().enumerate().map(|(index, item)| Found { raw: raw(index), item }).collect()
}

/// A bad item does not hide its neighbours.
fn open_one_by_one(payload: &[u8]) -> Result<Vec<Result<Item<'_>, String>>, serde_json::Error> {
    let items = raw_items(payload)?.into_iter().map(|raw| serde_json::from_str(raw.get()));
    Ok(items.map(|item| item.map_err(|error| error.to_string())).collect())
}

fn raw_items(payload: &[u8]) -> Result<Vec<&RawValue>, serde_json::Error> {
    serde_json::from_slice(payload)
}

fn open_binary<'a>(payload: &'a Bytes, headers: &'a HeaderMap) -> Result<Item<'a>, String> {
    let text = |name: &str| headers.get(name).map(|value| Cow::Borrowed(value.as_str()));
    let need = |name: &str| text(name).ok_or_else(|| format!("the header {name} is missing"));
    let uuid = |name: &str| need(name)?.parse::<Uuid>().map_err(|error| format!("{name}: {error}"));
    let optional_uuid = |name: &str| text(name).map(|_| uuid(name)).transpose();
    let direction = match text("ce-direction").as_deref() {
        None => None,
        Some("do") => Some(Direction::Do),
        Some("undo") => Some(Direction::Undo),
        Some(other) => return Err(format!("ce-direction: {other:?} is neither do nor undo")),
    };
    let attempt =
        text("ce-attempt").map(|value| value.parse::<u32>().map_err(|e| format!("ce-attempt: {e}")));
    Ok(Item {
        specversion: need("ce-specversion")?,
        id: uuid("ce-id")?,
        item_type: need("ce-type")?,
        source: need("ce-source")?,
        subject: uuid("ce-subject")?,
        time: text("ce-time").unwrap_or_else(|| "1970-01-01T00:00:00Z".into()),
        traceparent: text("ce-traceparent").or_else(|| text("traceparent")),
        step: text("ce-step"),
        direction,
        attempt: attempt.transpose()?,
        replyto: text("ce-replyto"),
        commandid: optional_uuid("ce-commandid")?,
        data: serde_json::from_slice(payload).map_err(|error| format!("data: {error}"))?,
    })
}

/// A message under construction: items of one subject within the bounds of a message.
#[derive(Debug)]
pub(crate) struct BatchWriter {
    buffer: Vec<u8>,
    items: usize,
}

/// A finished message.
#[derive(Debug, PartialEq, Eq)]
pub(crate) struct Batch {
    pub(crate) payload: Bytes,
    pub(crate) items: u64,
}

impl BatchWriter {
    pub(crate) fn new() -> Self {
        let mut buffer = Vec::with_capacity(8 * 1024);
        buffer.push(b'[');
        Self { buffer, items: 0 }
    }

    /// Adds what `write` appends: one item. What was there before is finished first where both do not
    /// fit into one message; a single item always does.
    pub(crate) fn push(&mut self, write: impl FnOnce(&mut Vec<u8>)) -> Option<Batch> {
        let before = self.buffer.len();
        if self.items > 0 {
            self.buffer.push(b',');
        }
        let start = self.buffer.len();
        write(&mut self.buffer);
        self.items += 1;
        let fits = self.items <= MAX_ITEMS && self.buffer.len() < MAX_MESSAGE_BYTES;
        if self.items == 1 || fits {
            return None;
        }
        let mut next = Self::new();
        next.buffer.extend_from_slice(&self.buffer[start..]);
        next.items = 1;
        self.buffer.truncate(before);
        self.items -= 1;
        Some(std::mem::replace(self, next).finish())
    }

    pub(crate) fn finish(mut self) -> Batch {
        self.buffer.push(b']');
        Batch { payload: self.buffer.into(), items: self.items as u64 }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn item(id: u128) -> String {
        format!(
            r#"{{"specversion":"1.0","id":"{}","type":"t","source":"/s","subject":"{}","time":"2026-01-02T03:04:05Z","data":{{"a":1}}}}"#,
            Uuid::from_u128(id),
            Uuid::nil()
        )
    }

    #[test]
    fn a_bad_item_does_not_hide_its_neighbours() {
        let payload = Bytes::from(format!("[{},{{\"id\":7}},{}]", item(1), item(2)));
        let found = open(&payload, None);
        assert_eq!(found.iter().map(|f| f.item.is_ok()).collect::<Vec<_>>(), [true, false, true]);
        assert_eq!(found[1].raw.bytes(), Bytes::from_static(b"{\"id\":7}"));
        assert_eq!(found[2].raw.bytes(), item(2));
    }

    #[test]
    fn what_is_no_batch_is_one_bad_item() {
        let payload = Bytes::from_static(b"hello");
        let found = open(&payload, None);
        assert!(found[0].item.is_err());
        assert_eq!(found[0].raw.bytes(), payload);
    }

    #[test]
    fn a_written_batch_reads_back() {
        let mut writer = BatchWriter::new();
        for id in [1, 2] {
            assert_eq!(writer.push(|buffer| buffer.extend_from_slice(item(id).as_bytes())), None);
        }
        let Batch { payload, items } = writer.finish();
        let ids: Vec<Uuid> = open(&payload, None).into_iter().map(|f| f.item.unwrap().id).collect();
        assert_eq!(ids, [Uuid::from_u128(1), Uuid::from_u128(2)]);
        assert_eq!(items, 2);
    }

    #[test]
    fn a_batch_is_bounded_by_items() {
        let mut writer = BatchWriter::new();
        for _ in 0..MAX_ITEMS {
            assert_eq!(writer.push(|buffer| buffer.extend_from_slice(b"{}")), None);
        }
        let full = writer.push(|buffer| buffer.extend_from_slice(b"7")).unwrap();
        assert_eq!((full.items, full.payload.len()), (256, 2 + 256 * 2 + 255));
        assert_eq!(writer.finish(), Batch { payload: Bytes::from_static(b"[7]"), items: 1 });
    }

    #[test]
    fn a_batch_is_bounded_by_bytes_but_a_single_item_never_refused() {
        let large = vec![b'1'; MAX_MESSAGE_BYTES];
        let mut writer = BatchWriter::new();
        assert_eq!(writer.push(|buffer| buffer.extend_from_slice(&large)), None);
        assert_eq!(writer.push(|buffer| buffer.push(b'2')).unwrap().payload.len(), large.len() + 2);
        let small = writer.push(|buffer| buffer.extend_from_slice(&large)).unwrap();
        assert_eq!(small, Batch { payload: Bytes::from_static(b"[2]"), items: 1 });
        assert_eq!(writer.finish().payload.len(), large.len() + 2);
    }

    #[test]
    fn a_single_event_in_binary_mode_is_read() {
        let mut headers = HeaderMap::new();
        for (name, value) in [
            ("ce-specversion", "1.0"),
            ("ce-id", "00000000-0000-0000-0000-000000000001"),
            ("ce-type", "t"),
            ("ce-source", "/cli"),
            ("ce-subject", "00000000-0000-0000-0000-000000000002"),
            ("ce-direction", "undo"),
        ] {
            headers.insert(name, value);
        }
        let payload = Bytes::from_static(b"{\"a\":1}");
        let found = open(&payload, Some(&headers));
        let item = found[0].item.as_ref().unwrap();
        assert_eq!((item.id, item.direction), (Uuid::from_u128(1), Some(Direction::Undo)));
    }
}
