//! CloudEvents 1.0 in JSON: one item, and a batch of items of one subject
//! (`application/cloudevents-batch+json`), which is what one NATS message carries.
//!
//! A single event in binary mode (`ce-` headers) is read too, so that `nats pub` and simple
//! participants can take part.

use std::borrow::Cow;

use async_nats::HeaderMap;
use bytes::Bytes;
use contracts::{Direction, Timestamp};
use serde::{Deserialize, Serialize};
use serde_json::value::RawValue;
use uuid::Uuid;

/// The most items in one message.
pub const MAX_ITEMS: usize = 64;
/// The largest message, in bytes.
pub const MAX_MESSAGE_BYTES: usize = 256 * 1024;
/// The content type of a batch.
pub const BATCH_CONTENT_TYPE: &str = "application/cloudevents-batch+json";

/// One CloudEvent with our extensions. `subject` is the saga or what the event is about.
#[derive(Debug, Clone, Serialize, Deserialize)]
pub struct Item<'a> {
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
    /// When it was written.
    pub time: Timestamp,
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
    #[serde(borrow)]
    pub data: Cow<'a, RawValue>,
}

/// An item of a message: where it stands in the payload, and whether it can be read.
pub(crate) struct Found<'a> {
    pub(crate) raw: Bytes,
    pub(crate) item: Result<Item<'a>, String>,
}

/// Takes a message apart. Items are read one by one: a bad one does not hide its neighbours.
pub(crate) fn open<'a>(payload: &'a Bytes, headers: Option<&'a HeaderMap>) -> Vec<Found<'a>> {
    if let Some(headers) = headers.filter(|headers| headers.get("ce-id").is_some()) {
        return vec![Found { raw: payload.clone(), item: open_binary(payload, headers) }];
    }
    match serde_json::from_slice::<Vec<&RawValue>>(payload) {
        Ok(items) => items.into_iter().map(|raw| open_item(payload, raw)).collect(),
        Err(error) => {
            vec![Found { raw: payload.clone(), item: Err(format!("not a batch of events: {error}")) }]
        }
    }
}

fn open_item<'a>(payload: &Bytes, raw: &'a RawValue) -> Found<'a> {
    let item = serde_json::from_str::<Item<'a>>(raw.get()).map_err(|error| error.to_string());
    Found { raw: payload.slice_ref(raw.get().as_bytes()), item }
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
    let time = text("ce-time").and_then(|value| value.parse().ok()).unwrap_or_default();
    Ok(Item {
        specversion: need("ce-specversion")?,
        id: uuid("ce-id")?,
        item_type: need("ce-type")?,
        source: need("ce-source")?,
        subject: uuid("ce-subject")?,
        time,
        traceparent: text("ce-traceparent").or_else(|| text("traceparent")),
        step: text("ce-step"),
        direction,
        attempt: attempt.transpose()?,
        replyto: text("ce-replyto"),
        commandid: optional_uuid("ce-commandid")?,
        data: Cow::Borrowed(serde_json::from_slice(payload).map_err(|error| format!("data: {error}"))?),
    })
}

/// A batch under construction: items of one subject within the bounds of a message.
#[derive(Debug)]
pub(crate) struct BatchWriter {
    buffer: Vec<u8>,
    items: usize,
}

impl BatchWriter {
    pub(crate) fn new() -> Self {
        Self { buffer: vec![b'['], items: 0 }
    }

    /// Whether one more item of this size still fits. A first item always does.
    pub(crate) fn has_room_for(&self, bytes: usize) -> bool {
        self.items == 0 || (self.items < MAX_ITEMS && self.buffer.len() + bytes + 2 <= MAX_MESSAGE_BYTES)
    }

    pub(crate) fn push(&mut self, encoded: &[u8]) {
        if self.items > 0 {
            self.buffer.push(b',');
        }
        self.buffer.extend_from_slice(encoded);
        self.items += 1;
    }

    pub(crate) fn finish(mut self) -> Bytes {
        self.buffer.push(b']');
        self.buffer.into()
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
        assert_eq!(found[1].raw, Bytes::from_static(b"{\"id\":7}"));
    }

    #[test]
    fn what_is_no_batch_is_one_bad_item() {
        let payload = Bytes::from_static(b"hello");
        assert!(open(&payload, None)[0].item.is_err());
    }

    #[test]
    fn a_written_batch_reads_back() {
        let mut writer = BatchWriter::new();
        writer.push(item(1).as_bytes());
        writer.push(item(2).as_bytes());
        let payload = writer.finish();
        let ids: Vec<Uuid> = open(&payload, None).into_iter().map(|f| f.item.unwrap().id).collect();
        assert_eq!(ids, [Uuid::from_u128(1), Uuid::from_u128(2)]);
    }

    #[test]
    fn a_batch_is_bounded_by_items_and_bytes() {
        let mut writer = BatchWriter::new();
        assert!(writer.has_room_for(MAX_MESSAGE_BYTES * 2), "one item alone is never refused here");
        writer.push(b"{}");
        assert!(!writer.has_room_for(MAX_MESSAGE_BYTES));
        for _ in 1..MAX_ITEMS {
            assert!(writer.has_room_for(2));
            writer.push(b"{}");
        }
        assert!(!writer.has_room_for(2));
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
