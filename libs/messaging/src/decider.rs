//! What a service gives to the loop: how to load, decide and save; nothing of how inputs come or
//! outputs leave.

use std::future::Future;
use std::sync::Arc;

use contracts::{Direction, EventData, ReplyData, Timestamp};
use serde_json::value::RawValue;
use uuid::Uuid;

use crate::envelope::Item;
use crate::failure::BatchError;
use crate::rows::{Changes, Transaction, Version};

/// A service's rules over its rows.
pub trait Decider: Send + Sync + 'static {
    /// The service's name: in metrics, as the source of messages, and as its durable consumers' name.
    const SERVICE: &'static str;
    /// A command, an event, or what an HTTP handler asks for.
    type Input: Send + Sync + 'static;
    /// Whether the rows of a batch are seldom anybody else's, so that it is worth to load them without locks and
    /// to write them only if nobody has in between; a batch that meets somebody is loaded again, with locks.
    const IS_OPTIMISTIC: bool = false;
    /// Whether its two loops often want the same rows: then their batches take turns, for without locks the later
    /// one would be decided twice.
    const TAKES_TURNS: bool = false;
    /// What an HTTP handler is told.
    type Answer: Send + 'static;
    /// The rows that a batch touches.
    type Set: Send;

    /// What a message's item asks for.
    ///
    /// # Errors
    /// The item is of no known type or its payload not of that type: it becomes a dead letter.
    fn decode(&self, item: &Item<'_>) -> Result<Self::Input, DecodeError>;

    /// Whether nobody waits for what this message leads to, so that it may gather others for a moment
    /// ([`gather_max`](crate::LoopLimits::gather_max)): fewer commits, and a row that several of them change is
    /// written once.
    fn can_wait(&self, _input: &Self::Input) -> bool {
        false
    }

    /// Locks the parent rows that these inputs touch, in the order of their keys, then reads the rest.
    fn load(
        &self,
        tx: &mut Transaction,
        inputs: &[&Self::Input],
    ) -> impl Future<Output = Result<Self::Set, BatchError>> + Send;

    /// Decides one input against the working set. Pure and total: whatever comes has an answer.
    fn decide(&self, set: &mut Self::Set, input: &Self::Input, now: Timestamp) -> Decided<Self::Answer>;

    /// Says what is to be written, parents first.
    fn save(&self, set: &Self::Set, changes: &mut Changes);

    /// Hears of the rows of a batch after its commit, before anybody is answered; and as which version those are
    /// there that were written, if there were any.
    fn committed(&self, _set: Self::Set, _version: Option<Version>) {}
}

/// An item that cannot be an input.
#[derive(Debug, thiserror::Error)]
pub enum DecodeError {
    /// Nobody here knows this type.
    #[error("unknown type {0}")]
    UnknownType(String),
    /// An attribute that this type needs is missing, or not what it should be.
    #[error("the attribute {0} is missing or malformed")]
    Missing(&'static str),
    /// The payload is not of the type.
    #[error("{0}")]
    Payload(#[from] serde_json::Error),
}

/// What one input leads to.
#[derive(Debug)]
pub struct Decided<A> {
    /// For the one who asked.
    pub answer: Answer<A>,
    /// For participants.
    pub commands: Vec<OutgoingCommand>,
    /// For anybody.
    pub events: Vec<EventData>,
}

/// The answer to an input, by how it came.
#[derive(Debug)]
pub enum Answer<A> {
    /// To a command.
    Reply(ReplyData),
    /// To an HTTP handler.
    Caller(A),
    /// To nobody: an event, a reply, a timer.
    Nobody,
    /// None: this process cannot decide it, another one can. A message comes again after a while.
    NotHere,
}

impl<A> Decided<A> {
    /// Nothing follows.
    pub fn nothing() -> Self {
        Self { answer: Answer::Nobody, commands: Vec::new(), events: Vec::new() }
    }

    /// Left to another process.
    pub fn not_here() -> Self {
        Self { answer: Answer::NotHere, ..Self::nothing() }
    }

    /// A command's reply.
    pub fn reply(reply: impl Into<ReplyData>) -> Self {
        Self { answer: Answer::Reply(reply.into()), ..Self::nothing() }
    }

    /// An HTTP handler's answer.
    pub fn answer(answer: A) -> Self {
        Self { answer: Answer::Caller(answer), ..Self::nothing() }
    }
}

/// A command on its way to a participant.
#[derive(Debug)]
pub struct OutgoingCommand {
    /// See [`contracts::command_id`].
    pub command_id: Uuid,
    /// Type and subject.
    pub command_type: &'static str,
    /// Who asks.
    pub saga: Uuid,
    /// For which step.
    pub step: &'static str,
    /// Do or undo.
    pub direction: Direction,
    /// 1 for the first asking.
    pub attempt: u32,
    /// The subject of the reply.
    pub reply_to: Arc<str>,
    /// W3C trace context.
    pub traceparent: Option<String>,
    /// Whether nobody waits for what it leads to, so that it may gather others for a moment.
    pub can_wait: bool,
    /// The payload.
    pub data: Box<RawValue>,
}
