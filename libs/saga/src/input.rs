//! What can happen to a saga. History keeps inputs as they came, so a replay needs nothing else.

use std::fmt;

use contracts::{Direction, ReplyData};
use serde::{Deserialize, Serialize};
use serde_json::value::RawValue;

/// One thing that happened to a saga.
#[derive(Debug, Clone, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Input {
    /// It was created; its first input, but for a pause.
    Begin,
    /// A participant answered.
    Reply {
        /// The step's name; with the direction it says which command was answered.
        step: String,
        /// Whether the step was to be done or undone.
        direction: Direction,
        /// Which asking was answered: kept for history and metrics, and used for nothing else, for
        /// the answer to the first asking is as good as to the third.
        attempt: u32,
        /// The answer.
        reply: ReplyData,
    },
    /// Its wake time is reached.
    Wake,
    /// Its user wants it undone.
    Cancel,
    /// An operator does something to it.
    Operator {
        /// What.
        action: Action,
        /// Who.
        by: String,
        /// Why.
        reason: String,
    },
}

/// What an operator can do to a saga.
#[derive(Debug, Clone, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Action {
    /// Ask again now.
    Retry,
    /// Take a step for done without its participant. A skipped step is still undone on turning back.
    Skip {
        /// Which; may be left out when only one is waited for.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        step: Option<String>,
        /// What its participant would have answered, checked against the reply's type. May be left
        /// out where the saga learns nothing from it: at an undo and after the pivot.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        result: Option<Box<RawValue>>,
    },
    /// Turn back, as [`Input::Cancel`] does.
    Cancel,
    /// Stop where it is, undoing nothing.
    Abandon,
    /// Let its time stand still: answers are learned, nothing is sent.
    Pause(PausedBy),
    /// Let its time go on from where it stopped, if this is what paused it.
    Resume(PausedBy),
}

/// What a saga was paused by, and so what resumes it. As a word: `saga`, `workflow`,
/// `participant <name>`.
#[derive(Debug, Clone, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum PausedBy {
    /// An operator paused this very saga.
    Saga,
    /// Its workflow is paused.
    Workflow,
    /// Whom it waits for is paused.
    Participant(String),
}

impl fmt::Display for PausedBy {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Saga => f.write_str("saga"),
            Self::Workflow => f.write_str("workflow"),
            Self::Participant(name) => write!(f, "participant {name}"),
        }
    }
}

impl Action {
    /// The word of the API.
    pub const fn as_str(&self) -> &'static str {
        match self {
            Self::Retry => "retry",
            Self::Skip { .. } => "skip",
            Self::Cancel => "cancel",
            Self::Abandon => "abandon",
            Self::Pause(_) => "pause",
            Self::Resume(_) => "resume",
        }
    }
}
