//! A service in the simulation, as the world sees it: of each of its processes two loops, which go on when the
//! world lets them.

mod loops;

use std::any::Any;

use bytes::Bytes;
use contracts::Timestamp;
use messaging::FailureKind;
use messaging::rows::memory::Database;
use messaging::simulation::{self, Message};
use uuid::Uuid;

pub(super) use loops::Loops;

/// Of each service.
pub(super) const PROCESSES: usize = 2;
/// The loop for what somebody waits for.
pub(super) const PROMPT: usize = 0;
/// The loop for what can wait.
pub(super) const PATIENT: usize = 1;
/// Of each process.
pub(super) const LOOPS: usize = 2;

/// Where a loop is: of which process, and which of its two.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Lane {
    pub(super) process: usize,
    pub(super) patience: usize,
}

/// Where an input came from.
#[derive(Debug, Clone, Copy)]
pub(super) enum Origin {
    /// An item of a delivery.
    Message { receipt: usize },
    /// Somebody who is told what became of it.
    Caller(u64),
    /// The service's own clock.
    Own,
}

/// What came of letting a loop go on.
pub(super) enum Progress {
    /// It waits for somebody else's rows, or gave others a turn.
    Waits,
    /// Its batch is saved and can be committed.
    Saved,
    /// Its batch is committed.
    Committed(Committed),
    /// Its batch was not committed, and will be tried again.
    Failed(FailureKind, String),
}

/// What a committed batch leads to.
#[derive(Debug, Default)]
pub(super) struct Committed {
    /// What its batch was known by.
    pub(super) about: u64,
    pub(super) messages: Vec<Message>,
    /// The row of the outbox with the events among them.
    pub(super) outbox_row: Option<Uuid>,
    /// What became of every input, and whether it is left to another process.
    pub(super) done: Vec<(Origin, bool)>,
    /// What callers are told.
    pub(super) answers: Vec<(u64, Heard)>,
}

/// What a caller is told, as far as the simulation cares.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Heard {
    Done,
    Refused,
}

/// A service of any kind.
pub(super) trait Service {
    fn name(&self) -> &'static str;
    fn database(&self) -> &Database;
    /// Puts a message's items before the loops of a process. Returns how many there are.
    fn take_in(&mut self, process: usize, receipt: usize, payload: &Bytes) -> Result<usize, String>;
    /// Puts an input of the service's own type before a prompt loop.
    fn put(&mut self, process: usize, origin: Origin, about: u64, input: Box<dyn Any>);
    fn is_busy(&self, lane: Lane) -> bool;
    fn has_inputs(&self, lane: Lane) -> bool;
    /// Makes a batch of what waits.
    fn begin(&mut self, lane: Lane, inputs_max: usize);
    /// While the batch in hand is loaded, after so many statements, others have a turn.
    fn give_turn(&mut self, lane: Lane, after: u32);
    /// What the batch in hand is known by.
    fn about(&self, lane: Lane) -> u64;
    /// Loads, decides and saves; or commits, where that is done.
    fn go_on(&mut self, lane: Lane) -> Progress;
    /// Rolls the batch in hand back, which is loaded anew.
    fn roll_back(&mut self, lane: Lane);
    /// The batch in hand is done with.
    fn release(&mut self, lane: Lane);
    /// The rows of its outbox, each with when it was written.
    fn outbox(&self) -> Vec<(Uuid, Timestamp)> {
        self.database().look(|tables| simulation::outbox_rows(tables).collect())
    }
    /// A mistake that tests plant: messages are acknowledged as they come.
    #[cfg(test)]
    fn acknowledges_early(&self) -> bool {
        false
    }
    /// The process dies.
    fn die(&mut self, process: usize);
}
