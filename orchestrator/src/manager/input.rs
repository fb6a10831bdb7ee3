//! What a manager's loop is given, and what it tells whoever asked.

use uuid::Uuid;

use super::NewSaga;
use super::act::{Act, ActRefused, Acted};

/// What may happen to the sagas of a workflow.
#[derive(Debug)]
pub enum Input<D> {
    /// A saga is to begin.
    Begin(Box<NewSaga<D>>),
    /// Something happened to a saga.
    Advance(Uuid, saga::Input),
    /// Somebody wants something done to a saga.
    Act(Box<Act>),
    /// An event about the row with this key.
    Heard(Uuid, &'static str),
}

/// What a caller is told.
#[derive(Debug)]
pub enum Told<R> {
    /// Of what was to begin.
    Begin(Answer<R>),
    /// Of an act.
    Act(Result<Acted, ActRefused>),
}

/// What the one who begins a saga is told.
#[derive(Debug)]
pub enum Answer<R> {
    /// It began; this is its row, if it made one.
    Begun(Option<R>),
    /// The same request began it earlier, under this key.
    Earlier(Uuid),
    /// The idempotency key came with another body before.
    KeyReused,
}
