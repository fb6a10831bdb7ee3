//! What a committed batch leaves for the publisher, and the form it has on the wire. It is encoded by
//! the publisher: the loop has better things to do.

use std::borrow::Cow;

use contracts::{ReplyData, Timestamp};

use crate::decider::OutgoingCommand;
use crate::envelope::Item;
use crate::outbox::StoredEvents;
use crate::receiver::{Envelope, Receipt};

/// An item as it goes on the wire, and where.
#[derive(Debug, Clone)]
pub(crate) struct OutgoingItem {
    pub(crate) subject: String,
    pub(crate) text: String,
}

impl OutgoingItem {
    /// Encodes an item; its type is its subject.
    pub(crate) fn encode(item: &Item<'_>) -> Self {
        Self::encode_for(item.item_type.to_string(), item)
    }

    /// Encodes an item for another subject than its type.
    pub(crate) fn encode_for(subject: String, item: &Item<'_>) -> Self {
        // An `Item` is strings, numbers and JSON that already is JSON.
        let text = serde_json::to_string(item).expect("an item always has a JSON form");
        Self { subject, text }
    }

    /// An item that was encoded earlier.
    pub(crate) fn from_encoded(text: &str) -> Result<Self, serde_json::Error> {
        let item: Item<'_> = serde_json::from_str(text)?;
        Ok(Self { subject: item.item_type.into_owned(), text: text.to_owned() })
    }
}

/// What one batch leaves behind.
pub(crate) struct Outgoing {
    pub(crate) commands: Vec<OutgoingCommand>,
    /// Each with the command it answers.
    pub(crate) replies: Vec<(Box<Envelope>, ReplyData)>,
    /// Of the inputs that caused it: acknowledged once everything is with the streams.
    pub(crate) receipts: Vec<Receipt>,
    pub(crate) stored: Option<StoredEvents>,
    /// When it was decided.
    pub(crate) now: Timestamp,
}

impl Outgoing {
    pub(crate) fn new(now: Timestamp, stored: Option<StoredEvents>) -> Self {
        Self { commands: Vec::new(), replies: Vec::new(), receipts: Vec::new(), stored, now }
    }

    pub(crate) fn is_empty(&self) -> bool {
        self.items_count() == 0 && self.receipts.is_empty()
    }

    pub(crate) fn items_count(&self) -> usize {
        let events = self.stored.as_ref().map_or(0, |stored| stored.items.len());
        self.commands.len() + self.replies.len() + events
    }

    /// Everything in it that is not encoded yet, in the order in which it was decided.
    pub(crate) fn encode(&self, service: &'static str) -> Vec<OutgoingItem> {
        let commands = self.commands.iter().map(|command| command_item(service, command, self.now));
        let replies =
            self.replies.iter().filter_map(|(command, reply)| reply_item(service, command, reply, self.now));
        commands.chain(replies).collect()
    }
}

fn command_item(service: &'static str, command: &OutgoingCommand, now: Timestamp) -> OutgoingItem {
    OutgoingItem::encode(&Item {
        specversion: "1.0".into(),
        id: command.command_id,
        item_type: command.command_type.into(),
        source: service.into(),
        subject: command.saga,
        time: now,
        traceparent: command.traceparent.as_deref().map(Into::into),
        step: Some(command.step.into()),
        direction: Some(command.direction),
        attempt: Some(command.attempt),
        replyto: Some(command.reply_to.into()),
        commandid: None,
        data: Cow::Borrowed(&command.data),
    })
}

/// A reply goes where its command says; a command that names no place wants none.
fn reply_item(
    service: &'static str,
    command: &Envelope,
    reply: &ReplyData,
    now: Timestamp,
) -> Option<OutgoingItem> {
    let subject = command.reply_to.clone()?;
    let data = serde_json::value::to_raw_value(reply).ok()?;
    let item = Item {
        specversion: "1.0".into(),
        id: command.id,
        item_type: subject.as_str().into(),
        source: service.into(),
        subject: command.saga,
        time: now,
        traceparent: command.traceparent.as_deref().map(Into::into),
        step: command.step.as_deref().map(Into::into),
        direction: command.direction,
        attempt: command.attempt,
        replyto: None,
        commandid: Some(command.id),
        data: Cow::Owned(data),
    };
    Some(OutgoingItem::encode(&item))
}
