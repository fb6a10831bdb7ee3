//! What a committed batch leaves for the publisher, and the form it has on the wire. It is encoded by
//! the publisher: the loop has better things to do.

use chrono::SecondsFormat;
use contracts::{ReplyData, Timestamp};
use serde::Serialize;
use trace::Span;

use crate::decider::OutgoingCommand;
use crate::envelope::{Batch, BatchWriter, Item};
use crate::outbox::StoredEvents;
use crate::receiver::{Envelope, Receipt};

/// What goes out together.
pub(crate) struct Outgoing {
    pub(crate) commands: Vec<OutgoingCommand>,
    /// Each with the command it answers.
    pub(crate) replies: Vec<(Box<Envelope>, ReplyData)>,
    /// Of the inputs that caused it: acknowledged once everything is with the streams.
    pub(crate) receipts: Vec<Receipt>,
    pub(crate) stored: Option<StoredEvents>,
    /// When it was decided.
    pub(crate) now: Timestamp,
    /// Of the commands and replies, until the streams have them; none where they are not recorded.
    pub(crate) spans: Vec<Span>,
}

impl Outgoing {
    pub(crate) fn new(now: Timestamp, stored: Option<StoredEvents>) -> Self {
        Self {
            commands: Vec::new(),
            replies: Vec::new(),
            receipts: Vec::new(),
            stored,
            now,
            spans: Vec::new(),
        }
    }

    pub(crate) fn is_empty(&self) -> bool {
        self.items_count() == 0 && self.receipts.is_empty()
    }

    pub(crate) fn items_count(&self) -> usize {
        let events = self.stored.as_ref().map_or(0, |stored| stored.items.len());
        self.commands.len() + self.replies.len() + events
    }

    /// Encodes everything into messages, in the order in which it was decided.
    pub(crate) fn pack(&self, service: &'static str, packer: &mut Packer) {
        let now = rfc3339(self.now);
        for command in &self.commands {
            packer.add(&command_item(service, command, &now));
        }
        for (command, reply) in &self.replies {
            if let Some(item) = reply_item(service, command, reply, &now) {
                packer.add(&item);
            }
        }
        for event in self.stored.iter().flat_map(|stored| &stored.items) {
            packer.add_encoded(&event.subject, &event.text);
        }
    }
}

/// A time as it goes on the wire.
pub(crate) fn rfc3339(time: Timestamp) -> String {
    time.to_rfc3339_opts(SecondsFormat::AutoSi, true)
}

/// An item that is encoded already, and where it goes.
#[derive(Debug, Clone)]
pub(crate) struct EncodedItem {
    pub(crate) subject: String,
    pub(crate) text: String,
}

/// A message that is packed and not yet acknowledged by its stream.
#[derive(Debug)]
pub(crate) struct Packed {
    pub(crate) subject: String,
    pub(crate) batch: Batch,
}

/// Packs items into messages of one subject each, in the order in which they come.
#[derive(Debug, Default)]
pub(crate) struct Packer {
    open: Vec<(String, BatchWriter)>,
    full: Vec<Packed>,
}

impl Packer {
    /// Adds an item; its type is its subject.
    pub(crate) fn add<T: Serialize>(&mut self, item: &Item<'_, T>) {
        // An `Item` is strings, numbers and plain data.
        self.push(&item.item_type, |buffer| {
            serde_json::to_writer(buffer, item).expect("an item always has a JSON form");
        });
    }

    pub(crate) fn add_encoded(&mut self, subject: &str, text: &str) {
        self.push(subject, |buffer| buffer.extend_from_slice(text.as_bytes()));
    }

    fn push(&mut self, subject: &str, write: impl FnOnce(&mut Vec<u8>)) {
        let index = self.open.iter().position(|(open, _)| open == subject).unwrap_or_else(|| {
            self.open.push((subject.to_owned(), BatchWriter::new()));
            self.open.len() - 1
        });
        if let Some(batch) = self.open[index].1.push(write) {
            self.full.push(Packed { subject: subject.to_owned(), batch });
        }
    }

    pub(crate) fn finish(self) -> Vec<Packed> {
        let Self { open, mut full } = self;
        full.extend(open.into_iter().map(|(subject, writer)| Packed { subject, batch: writer.finish() }));
        full
    }
}

fn command_item<'a>(service: &'static str, command: &'a OutgoingCommand, now: &'a str) -> Item<'a> {
    Item {
        specversion: "1.0".into(),
        id: command.command_id,
        item_type: command.command_type.into(),
        source: service.into(),
        subject: command.saga,
        time: now.into(),
        traceparent: command.traceparent.as_deref().map(Into::into),
        step: Some(command.step.into()),
        direction: Some(command.direction),
        attempt: Some(command.attempt),
        replyto: Some(command.reply_to.as_ref().into()),
        commandid: None,
        data: &command.data,
    }
}

/// A reply goes where its command says; a command that names no place wants none.
fn reply_item<'a>(
    service: &'static str,
    command: &'a Envelope,
    reply: &'a ReplyData,
    now: &'a str,
) -> Option<Item<'a, &'a ReplyData>> {
    Some(Item {
        specversion: "1.0".into(),
        id: command.id,
        item_type: command.reply_to.as_deref()?.into(),
        source: service.into(),
        subject: command.saga,
        time: now.into(),
        traceparent: command.traceparent.as_deref().map(Into::into),
        step: command.step.as_deref().map(Into::into),
        direction: command.direction,
        attempt: command.attempt,
        replyto: None,
        commandid: Some(command.id),
        data: reply,
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn items_travel_together_by_subject_and_at_most_256_a_message() {
        let mut packer = Packer::default();
        for i in 0..514 {
            packer.add_encoded(if i % 2 == 0 { "a" } else { "b" }, "{}");
        }
        let mut packed: Vec<(String, u64)> =
            packer.finish().into_iter().map(|packed| (packed.subject, packed.batch.items)).collect();
        packed.sort();
        assert_eq!(packed, [("a".into(), 1), ("a".into(), 256), ("b".into(), 1), ("b".into(), 256)]);
    }
}
