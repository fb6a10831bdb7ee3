//! The loop in small, on tables in memory, for simulation: the same load, decide, save and commit, the same
//! packing of what follows. Who takes what and when, what gets lost and who dies is the simulator's.

use bytes::Bytes;
use contracts::Timestamp;
use trace::About;
use uuid::Uuid;

use crate::batch;
use crate::decider::{Answer, Decided, Decider};
use crate::envelope;
use crate::failure::BatchError;
use crate::outbox::{self, StoredEvents};
use crate::outgoing::{Outgoing, Packed, Packer};
use crate::receiver::Envelope;
use crate::rows::memory::{Session, Tables};
use crate::rows::{Changes, Transaction, Version};

/// A message on the road.
#[derive(Debug, Clone)]
pub struct Message {
    /// Where it goes.
    pub subject: String,
    /// A batch of items; see [`crate::BATCH_CONTENT_TYPE`].
    pub payload: Bytes,
    /// How many items.
    pub items: u64,
}

/// An input on its way through a loop.
pub struct Given<D: Decider> {
    input: D::Input,
    /// Of the item that it came as, if it did.
    envelope: Option<Box<Envelope>>,
}

/// A batch that is decided and saved, and not yet committed.
pub struct Ready<D: Decider> {
    tx: Transaction,
    set: D::Set,
    version: Option<Version>,
    decided: Vec<Decided<D::Answer>>,
    stored: Option<StoredEvents>,
    now: Timestamp,
}

/// What a committed batch leads to.
#[derive(Debug)]
pub struct Outcome<A> {
    /// For each input, what its caller is told, if it has one.
    pub answers: Vec<Option<A>>,
    /// For each input, whether it is left to another process.
    pub left: Vec<bool>,
    /// Commands, replies and events, as the publisher packs them.
    pub messages: Vec<Message>,
    /// The row of the outbox that holds the events.
    pub outbox_row: Option<Uuid>,
}

impl<D: Decider> Given<D> {
    /// Of a caller, or of the service's own clock.
    pub fn own(input: D::Input) -> Self {
        Self { input, envelope: None }
    }

    /// The id of the item as which it came.
    pub fn item_id(&self) -> Option<Uuid> {
        self.envelope.as_ref().map(|envelope| envelope.id)
    }

    /// What is asked for.
    pub fn input(&self) -> &D::Input {
        &self.input
    }
}

/// Takes a message apart, as the receiver does. What cannot be decoded is an error of its own.
pub fn open<D: Decider>(decider: &D, payload: &Bytes) -> Vec<Result<Given<D>, String>> {
    let found = envelope::open(payload, None);
    let given = |found: envelope::Found<'_>| {
        let item = found.item?;
        let input = decider.decode(&item).map_err(|error| error.to_string())?;
        Ok(Given { input, envelope: Some(Box::new(Envelope::of(item, found.raw))) })
    };
    found.into_iter().map(given).collect()
}

/// Loads, decides and saves a batch. Pending while it waits for others' rows, and where the session gives
/// others a turn.
///
/// # Errors
/// The batch is to be loaded again.
pub async fn decide<D: Decider>(
    decider: &D,
    session: Session,
    batch: &[Given<D>],
    now: impl Fn() -> Timestamp + Send,
    new_id: impl FnMut() -> Uuid + Send,
) -> Result<Ready<D>, BatchError> {
    let mut tx = Transaction::Memory(session);
    let inputs: Vec<&D::Input> = batch.iter().map(|given| &given.input).collect();
    let mut set = decider.load(&mut tx, &inputs).await?;
    let now = now();
    let done = batch::decide(decider, &mut set, &inputs, |_| About::default(), Changes::of(&tx), now, new_id);
    let version = done.changes.run(&mut tx).await?;
    Ok(Ready { tx, set, version, decided: done.decided, stored: done.stored, now })
}

impl<D: Decider> Ready<D> {
    /// Commits the batch. Pending while it waits for others' rows.
    ///
    /// # Errors
    /// The batch is to be loaded again: nothing was written.
    pub async fn commit(self, decider: &D, batch: &[Given<D>]) -> Result<Outcome<D::Answer>, BatchError> {
        let Self { tx, set, version, decided, stored, now } = self;
        tx.commit().await?;
        decider.committed(set, version);
        let outbox_row = stored.as_ref().map(|stored| stored.row_id);
        let mut outgoing = Outgoing::new(now, stored);
        let (mut answers, mut left) = (Vec::new(), Vec::new());
        for (given, decided) in batch.iter().zip(decided) {
            outgoing.commands.extend(decided.commands);
            left.push(matches!(decided.answer, Answer::NotHere));
            let (answer, reply) = match decided.answer {
                Answer::Caller(answer) => (Some(answer), None),
                Answer::Reply(reply) => (None, given.envelope.clone().zip(Some(reply))),
                Answer::Nobody | Answer::NotHere => (None, None),
            };
            answers.push(answer);
            outgoing.replies.extend(reply);
        }
        let mut packer = Packer::default();
        outgoing.pack(D::SERVICE, &mut packer);
        Ok(Outcome {
            answers,
            left,
            messages: packer.finish().into_iter().map(message).collect(),
            outbox_row,
        })
    }
}

/// The rows of an outbox, each with when it was written.
pub fn outbox_rows(tables: &Tables) -> impl Iterator<Item = (Uuid, Timestamp)> {
    outbox::rows_in(tables)
}

/// The events of a row of an outbox, as the relay sends them again.
pub fn events_again(tables: &Tables, row_id: Uuid) -> Vec<Message> {
    let mut packer = Packer::default();
    for event in outbox::events_in(tables, row_id) {
        packer.add_encoded(&event.subject, &event.text);
    }
    packer.finish().into_iter().map(message).collect()
}

fn message(packed: Packed) -> Message {
    let Packed { subject, batch } = packed;
    Message { subject, payload: batch.payload, items: batch.items }
}
