//! What the manager has to carry out after an input was decided.

use contracts::{Direction, EventData};
use serde::{Deserialize, Serialize};
use serde_json::value::RawValue;
use thiserror::Error;
use uuid::Uuid;

use crate::{Decision, Outcome};

/// One thing to carry out. When to wake the saga is no effect: it stands in its state.
#[derive(Debug, Clone)]
pub enum Effect {
    /// Send a command.
    Send(Send),
    /// Publish an event.
    Publish(EventData),
    /// Its fate is known: the pivot is passed, or it turns back. Once in a saga's life at most (an
    /// abandoned one may never decide).
    Decided(Decision),
    /// It ended: nothing will happen to it any more. The last effect of a saga.
    Finished(Outcome),
    /// Alert: a step that has to succeed does not. It is still asked.
    Stuck {
        /// Which step.
        step: &'static str,
        /// Whether it is to be done or undone.
        direction: Direction,
        /// Why.
        why: StuckWhy,
    },
    /// No step is stuck any more.
    Healed,
    /// The input changed nothing; always the only effect, and the input is no part of history.
    Ignored(IgnoredWhy),
}

/// A command to send.
#[derive(Debug, Clone)]
pub struct Send {
    /// The step's name.
    pub step: &'static str,
    /// Whether the step is to be done or undone.
    pub direction: Direction,
    /// Which asking this is, from 1.
    pub attempt: u32,
    /// The same for every attempt; see [`contracts::command_id`].
    pub command_id: Uuid,
    /// See [`contracts::Command::TYPE`].
    pub command_type: &'static str,
    /// Who is to answer.
    pub participant: &'static str,
    /// The command.
    pub data: Box<RawValue>,
}

/// Why a step is stuck.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum StuckWhy {
    /// It was asked [`crate::Pace::stuck_after_attempts`] times without an answer that helps.
    Unanswered,
    /// It must not be refused, and was, with this code.
    Refused(String),
}

/// Why an input changed nothing.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Error)]
pub enum IgnoredWhy {
    /// The saga has not begun.
    #[error("the saga has not begun")]
    NotBegun,
    /// The saga has begun already.
    #[error("the saga has begun already")]
    AlreadyBegun,
    /// The saga has ended.
    #[error("the saga has ended")]
    Final,
    /// No step of its definition has this name.
    #[error("no step has this name")]
    UnknownStep,
    /// Another step is waited for, this one was answered earlier.
    #[error("the saga does not wait for this step")]
    OtherStep,
    /// The step is waited for, but in the other direction.
    #[error("the saga waits for this step in the other direction")]
    OtherDirection,
    /// This asking was answered with the same failure already.
    #[error("this asking was answered already")]
    AlreadyAnswered,
    /// The wake time lies ahead.
    #[error("the wake time lies ahead")]
    NotDue,
    /// It makes no sense here.
    #[error(transparent)]
    NotAllowed(#[from] NotAllowed),
}

impl IgnoredWhy {
    /// A word for metrics.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::NotBegun => "not_begun",
            Self::AlreadyBegun => "already_begun",
            Self::Final => "final",
            Self::UnknownStep => "unknown_step",
            Self::OtherStep => "other_step",
            Self::OtherDirection => "other_direction",
            Self::AlreadyAnswered => "already_answered",
            Self::NotDue => "not_due",
            Self::NotAllowed(_) => "not_allowed",
        }
    }
}

/// Why a user or an operator cannot do this now.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Error)]
pub enum NotAllowed {
    /// Cancelling after the pivot.
    #[error("the saga has passed its pivot, it can only go forward")]
    PivotPassed,
    /// Cancelling what is asked until it is answered, or skipping it.
    #[error("the answer to this step alone decides: it can be neither cancelled nor skipped")]
    MustBeAnswered,
    /// Cancelling what is being undone.
    #[error("the saga is turning back already")]
    TurningBack,
    /// Skipping an undo or a step after the pivot that may yet be answered.
    #[error("only a stuck step can be skipped here")]
    NotStuck,
    /// Skipping without a name while several steps are waited for.
    #[error("several steps are waited for: name one")]
    StepNotNamed,
    /// Skipping a step that is not waited for.
    #[error("this step is not waited for")]
    StepNotWaiting,
    /// Pausing what is paused by the same.
    #[error("the saga is paused already")]
    Paused,
    /// Resuming what was paused by something else.
    #[error("its workflow, or the participant it waits for, is paused: resume that")]
    PausedByAnother,
    /// Resuming what is not paused.
    #[error("the saga is not paused")]
    NotPaused,
    /// Asking again while nothing may be sent.
    #[error("the saga is paused: resume it first")]
    NothingIsSent,
    /// Skipping with a result that is not of the reply's type.
    #[error("the stated result does not fit the step's reply")]
    ResultDoesNotFit,
}

/// Why the input that had these effects changed nothing; none when it did.
pub fn ignored(effects: &[Effect]) -> Option<IgnoredWhy> {
    match effects {
        [Effect::Ignored(why)] => Some(*why),
        _ => None,
    }
}
