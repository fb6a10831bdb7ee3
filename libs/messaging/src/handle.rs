//! The way into the loop: what an input is on its way, who waits for its answer and how long, and the
//! handle by which HTTP handlers and timers reach the loop.

use std::time::Duration;

use bytes::Bytes;
use tokio::sync::{mpsc, oneshot};
use tokio::time::Instant;
use trace::{About, TraceContext};

use crate::decider::Decider;
use crate::receiver::{Envelope, Receipt};

/// Bounds of a loop.
#[derive(Debug, Clone, Copy)]
pub struct LoopLimits {
    /// Inputs decided in one transaction. Above 256 nothing is gained (docs/performance.md).
    pub batch_inputs_max: usize,
    /// The same of messages that [can wait](crate::Decider::can_wait): the more of what a saga waits for comes
    /// together, the fewer rows and messages it costs; but others wait meanwhile for rows that are locked.
    pub patient_inputs_max: usize,
    /// Calls that may wait; more are told to come later.
    pub calls_waiting_max: usize,
    /// A call not begun within this is given up, and has changed nothing.
    pub call_wait_max: Duration,
    /// How long a message that can wait gathers others. Under load 50 ms nearly fill a batch
    /// (docs/performance.md); without load nobody notices them.
    pub gather_max: Duration,
    /// The least time between the beginnings of two batches of what somebody waits for, while they are small: a
    /// batch costs the machine as much as dozens of inputs. Zero: each begins as soon as the one before it is over.
    pub pace: Duration,
    /// How long calls wait for a publisher that has no room: NATS is slow for a moment, and what they lead to would
    /// have to be asked again after seconds. What lasts longer holds up nobody: NATS is away, and they wait no more.
    pub stall_max: Duration,
}

impl Default for LoopLimits {
    fn default() -> Self {
        Self {
            batch_inputs_max: 256,
            patient_inputs_max: 512,
            calls_waiting_max: 4_096,
            call_wait_max: Duration::from_secs(5),
            gather_max: Duration::from_millis(50),
            pace: Duration::ZERO,
            stall_max: Duration::from_secs(1),
        }
    }
}

/// An input and where it came from.
pub(crate) struct Arrived<D: Decider> {
    pub(crate) input: D::Input,
    pub(crate) origin: Origin<D::Answer>,
    /// A commit that covers it went unanswered: it may be done, and nobody may be told that it is not.
    pub(crate) in_doubt: bool,
}

impl<D: Decider> Arrived<D> {
    /// What it is about, as far as its message or request says so.
    pub(crate) fn about(&self) -> About<'_> {
        match &self.origin {
            Origin::Message { envelope, .. } => envelope.about(),
            Origin::Call { request, .. } => About { request: *request, ..About::default() },
            Origin::Own => About::default(),
        }
    }

    /// As it came, if it came as a message.
    pub(crate) fn raw(&self) -> Option<Bytes> {
        match &self.origin {
            Origin::Message { envelope, .. } => Some(envelope.raw.bytes()),
            Origin::Call { .. } | Origin::Own => None,
        }
    }
}

pub(crate) enum Origin<A> {
    Message {
        envelope: Box<Envelope>,
        receipt: Receipt,
    },
    Call {
        caller: oneshot::Sender<Result<A, CallError>>,
        give_up_at: Instant,
        /// The place in a trace of the request that calls.
        request: Option<TraceContext>,
    },
    Own,
}

/// Why an HTTP handler got no answer.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum CallError {
    /// Too many wait already; nothing was changed.
    #[error("too many requests are waiting")]
    Busy,
    /// The database did not come back in time; nothing was changed.
    #[error("the database is not available")]
    Unavailable,
    /// This input cannot be processed; nothing was changed.
    #[error("the request cannot be processed")]
    Failed,
    /// The process is stopping.
    #[error("the service is stopping")]
    Stopping,
}

/// The way into a loop for HTTP handlers and timers. The loop ends when the process stops and the last
/// handle is gone.
pub struct Handle<D: Decider> {
    calls: mpsc::Sender<Arrived<D>>,
    call_wait_max: Duration,
}

impl<D: Decider> Clone for Handle<D> {
    fn clone(&self) -> Self {
        Self { calls: self.calls.clone(), call_wait_max: self.call_wait_max }
    }
}

impl<D: Decider> Handle<D> {
    pub(crate) fn new(calls: mpsc::Sender<Arrived<D>>, call_wait_max: Duration) -> Self {
        Self { calls, call_wait_max }
    }

    /// Puts an input through the loop and returns what was decided, after its commit.
    ///
    /// The effect row of the input must carry an id that the caller made: where a commit's outcome is
    /// unknown the input is decided again, and must be recognised.
    ///
    /// # Errors
    /// See [`CallError`].
    pub async fn call(&self, input: D::Input) -> Result<D::Answer, CallError> {
        let (caller, answer) = oneshot::channel();
        let give_up_at = Instant::now() + self.call_wait_max;
        let origin = Origin::Call { caller, give_up_at, request: trace::current() };
        self.calls.try_send(Arrived { input, origin, in_doubt: false }).map_err(|error| match error {
            mpsc::error::TrySendError::Full(_) => CallError::Busy,
            mpsc::error::TrySendError::Closed(_) => CallError::Stopping,
        })?;
        answer.await.unwrap_or(Err(CallError::Stopping))
    }

    /// Puts an input of the service's own clock through the loop; waits for room, not for the outcome.
    pub async fn submit(&self, input: D::Input) {
        // A closed loop is a stopping process; its clock goes on in the next one.
        let _ = self.calls.send(Arrived { input, origin: Origin::Own, in_doubt: false }).await;
    }
}
