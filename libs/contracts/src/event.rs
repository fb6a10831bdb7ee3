//! Facts for anybody who listens. An event waits for no answer.

use std::fmt;

use serde::Serialize;
use serde::de::DeserializeOwned;
use serde_json::value::RawValue;
use uuid::Uuid;

/// Something that happened.
pub trait Event: Serialize + DeserializeOwned + fmt::Debug + Clone + Send + Sync + 'static {
    /// Name and version in one; also the subject: `<service>.<what_happened>.v<N>`.
    const TYPE: &'static str;
    /// The id of what it is about (an order, a user); the `subject` of the message.
    fn about(&self) -> Uuid;
}

/// An event whose payload is already encoded: what the outbox keeps and the publisher sends.
#[derive(Debug, Clone)]
pub struct EventData {
    /// See [`Event::TYPE`].
    pub event_type: &'static str,
    /// See [`Event::about`].
    pub about: Uuid,
    /// W3C trace context, where it is another than that of the input which it follows from.
    pub traceparent: Option<String>,
    /// The payload.
    pub data: Box<RawValue>,
}

impl<E: Event> From<E> for EventData {
    fn from(event: E) -> Self {
        let data = serde_json::value::to_raw_value(&event).expect(
            "an event is a plain struct of strings, numbers, lists and options, which all have a JSON form",
        );
        Self { event_type: E::TYPE, about: event.about(), traceparent: None, data }
    }
}
