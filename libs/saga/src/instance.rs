//! One running saga: where it is, what it may have done, when it has to be woken.

use std::ops::Deref;

use chrono::serde::{ts_microseconds, ts_microseconds_option};
use chrono::{SubsecRound, TimeDelta};
use contracts::{Direction, Timestamp};
use serde::{Deserialize, Serialize};
use serde_json::Value;
use uuid::Uuid;

use crate::{Definition, PausedBy, StepSet};

/// One running saga. A row: `state` and `data` are columns of JSON; reads as its state.
#[derive(Debug, Clone, PartialEq)]
pub struct Instance<D> {
    /// Its id.
    pub id: Uuid,
    /// The version of its definition.
    pub version: u32,
    /// Where it is.
    pub state: State,
    /// What the workflow knows; of no meaning to the saga itself.
    pub data: D,
}

/// The deadline of what has none: the end of the year 9999. Later where the saga was paused.
pub(crate) const NEVER: Timestamp = Timestamp::from_timestamp(253_402_300_799, 0).expect("it is a time");

/// Everything about a saga that is not the workflow's own data. Its times are stored as microseconds
/// since 1970: it is read and written at every step, and text costs ten times as much.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct State {
    /// Where it is.
    pub phase: Phase,
    /// The compensatable steps that were asked for and neither refused nor undone: what turning
    /// back has to undo. The step of unknown outcome is in.
    pub possibly_done: StepSet,
    /// How often what is waited for was asked for; 0 before the beginning.
    pub attempt: u32,
    /// How many inputs were decided: the number of its latest history row; 0 before the beginning.
    pub seq: u32,
    /// Until when it may go forward.
    #[serde(with = "ts_microseconds")]
    pub deadline_at: Timestamp,
    /// When to give it [`crate::Input::Wake`]; none before the beginning and after the end.
    #[serde(with = "ts_microseconds_option", default, skip_serializing_if = "Option::is_none")]
    pub wake_at: Option<Timestamp>,
    /// Since when a step that has to succeed does not.
    #[serde(with = "ts_microseconds_option", default, skip_serializing_if = "Option::is_none")]
    pub stuck_since: Option<Timestamp>,
    /// Which of the steps waited for are stuck; empty exactly when `stuck_since` is none.
    #[serde(default, skip_serializing_if = "is_empty")]
    pub stuck: StepSet,
    /// Which of the steps waited for answered the current asking with a failure: a repeated
    /// failure costs no history row.
    #[serde(default, skip_serializing_if = "is_empty")]
    pub failed: StepSet,
    /// Its time stands still.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub paused: Option<Pause>,
    /// How long its time stood still in pauses that are over, in microseconds.
    #[serde(default, skip_serializing_if = "is_zero")]
    pub stood_still_us: i64,
}

/// A pause. Nothing is sent, answers are learned; what was moved to in the meantime has `attempt` 0.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Pause {
    /// When its time stopped.
    #[serde(with = "ts_microseconds")]
    pub since: Timestamp,
    /// What resumes it.
    pub by: PausedBy,
}

impl Pause {
    /// Never negative: replicas' clocks may differ.
    fn until(&self, now: Timestamp) -> TimeDelta {
        (now - self.since).max(TimeDelta::zero())
    }
}

#[expect(clippy::trivially_copy_pass_by_ref, reason = "serde asks by reference")]
fn is_zero(number: &i64) -> bool {
    *number == 0
}

#[expect(clippy::trivially_copy_pass_by_ref, reason = "serde asks by reference")]
fn is_empty(set: &StepSet) -> bool {
    set.is_empty()
}

/// Where a saga is. Indexes are those of the definition's compensatable steps, or of the steps of
/// the tail that the decision leads to.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Phase {
    /// Going forward: this step is waited for.
    Forward(usize),
    /// Turning back: the undo of this step is waited for.
    Undoing(usize, Cause),
    /// Nothing can go wrong any more: these steps are waited for, all at once.
    Tail(Decision, StepSet),
    /// Ended.
    Final(Outcome),
}

/// What became of a saga at its turning point.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Decision {
    /// The pivot was passed.
    Confirmed,
    /// It turned back, for this cause.
    TurnedBack(Cause),
}

/// How a saga ended.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Outcome {
    /// Everything was done.
    Completed,
    /// Everything was undone; rejected or cancelled, see [`Cause::is_cancel`].
    TurnedBack(Cause),
    /// An operator stopped it where it was.
    Abandoned,
}

/// Why a saga turned back.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Cause {
    /// The refusal's code; [`Cause::TIMED_OUT`] or [`Cause::CANCELLED`] when it was the saga itself.
    pub code: String,
    /// Whose refusal it was; none when it was the saga itself.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub step: Option<String>,
    /// What explains the refusal: its body.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub detail: Option<Value>,
}

impl Outcome {
    /// The ending as one word.
    pub fn status(&self) -> Status {
        match self {
            Self::Completed => Status::Completed,
            Self::TurnedBack(cause) if cause.is_cancel() => Status::Cancelled,
            Self::TurnedBack(_) => Status::Rejected,
            Self::Abandoned => Status::Abandoned,
        }
    }
}

impl Cause {
    /// The code of a saga that was cancelled in time.
    pub const CANCELLED: &str = "cancelled";
    /// The code of a saga that did not reach its pivot in time.
    pub const TIMED_OUT: &str = "timed_out";

    pub(crate) fn cancelled() -> Self {
        Self { code: Self::CANCELLED.to_owned(), step: None, detail: None }
    }

    pub(crate) fn timed_out() -> Self {
        Self { code: Self::TIMED_OUT.to_owned(), step: None, detail: None }
    }

    /// Whether somebody asked for it. A participant's refusal with the code `cancelled` (it saw the
    /// undo before the do) is a refusal like any other.
    pub fn is_cancel(&self) -> bool {
        self.step.is_none() && self.code == Self::CANCELLED
    }
}

/// What a saga is doing, as one word.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Status {
    /// Going forward.
    Running,
    /// Turning back.
    Compensating,
    /// Decided; its last steps are waited for.
    Tail,
    /// Ended with everything done.
    Completed,
    /// Ended with everything undone, because of a refusal or the time.
    Rejected,
    /// Ended with everything undone, because somebody asked for it.
    Cancelled,
    /// Stopped by an operator.
    Abandoned,
}

impl Status {
    /// Whether nothing happens to it any more.
    pub const fn is_final(self) -> bool {
        matches!(self, Self::Completed | Self::Rejected | Self::Cancelled | Self::Abandoned)
    }

    /// The word.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Running => "running",
            Self::Compensating => "compensating",
            Self::Tail => "tail",
            Self::Completed => "completed",
            Self::Rejected => "rejected",
            Self::Cancelled => "cancelled",
            Self::Abandoned => "abandoned",
        }
    }
}

/// A command that a saga waits for.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Waiting {
    /// The step's name.
    pub step: &'static str,
    /// Whether it is to be done or undone.
    pub direction: Direction,
    /// Who is to answer.
    pub participant: &'static str,
}

impl<D> Instance<D> {
    /// A saga that is yet to be given [`crate::Input::Begin`]; its deadline counts from there.
    pub fn new(definition: &Definition<D>, id: Uuid, data: D, now: Timestamp) -> Self {
        let state = State {
            phase: Phase::Forward(0),
            possibly_done: StepSet::default(),
            attempt: 0,
            seq: 0,
            deadline_at: definition.deadline_after(whole_microseconds(now)),
            wake_at: None,
            stuck_since: None,
            stuck: StepSet::default(),
            failed: StepSet::default(),
            paused: None,
            stood_still_us: 0,
        };
        Self { id, version: definition.version(), state, data }
    }

    /// The commands it waits for: the ones that its row stands for in place of an outbox.
    pub fn waiting(&self, definition: &Definition<D>) -> impl Iterator<Item = Waiting> {
        let steps = if self.state.has_begun() { self.state.waiting_steps() } else { StepSet::default() };
        steps.iter().filter_map(move |index| definition.command_at(&self.state.phase, index)).map(
            |(step, command)| {
                let direction = self.state.phase.direction();
                Waiting { step, direction, participant: command.participant }
            },
        )
    }
}

/// A saga's fields are its state's.
impl<D> Deref for Instance<D> {
    type Target = State;
    fn deref(&self) -> &State {
        &self.state
    }
}

impl State {
    /// What it is doing, as one word.
    pub fn status(&self) -> Status {
        match &self.phase {
            Phase::Forward(_) => Status::Running,
            Phase::Undoing(..) => Status::Compensating,
            Phase::Tail(..) => Status::Tail,
            Phase::Final(outcome) => outcome.status(),
        }
    }

    /// Whether it has ended.
    pub const fn is_final(&self) -> bool {
        matches!(self.phase, Phase::Final(_))
    }

    /// Whether it was given [`crate::Input::Begin`].
    pub const fn has_begun(&self) -> bool {
        self.wake_at.is_some() || self.is_final()
    }

    /// Whether its steps are asked until they are answered; see
    /// [`Steps::until_answered`](crate::definition::builder::Steps::until_answered).
    pub(crate) fn is_until_answered(&self) -> bool {
        self.deadline_at >= NEVER
    }

    /// How long its time has stood still until now, in all its pauses together.
    pub fn stood_still(&self, now: Timestamp) -> TimeDelta {
        let still = self.paused.as_ref().map_or(TimeDelta::zero(), |pause| pause.until(now));
        TimeDelta::microseconds(self.stood_still_us) + still
    }

    /// Its time goes on: for how long it stood still.
    pub(crate) fn go_on(&mut self, now: Timestamp) -> TimeDelta {
        let still = self.paused.take().map_or(TimeDelta::zero(), |pause| pause.until(now));
        self.stood_still_us += still.num_microseconds().unwrap_or_default();
        still
    }

    /// Whether its fate is known: the pivot is passed, it is turning back, or it has ended.
    pub const fn decided(&self) -> bool {
        !matches!(self.phase, Phase::Forward(_))
    }

    /// Why it turned back, if it did.
    pub const fn cause(&self) -> Option<&Cause> {
        match &self.phase {
            Phase::Undoing(_, cause)
            | Phase::Tail(Decision::TurnedBack(cause), _)
            | Phase::Final(Outcome::TurnedBack(cause)) => Some(cause),
            _ => None,
        }
    }

    /// The steps it waits for, as indexes within its phase.
    pub(crate) fn waiting_steps(&self) -> StepSet {
        match self.phase {
            Phase::Forward(step) | Phase::Undoing(step, _) => StepSet::from_iter([step]),
            Phase::Tail(_, waiting) => waiting,
            Phase::Final(_) => StepSet::default(),
        }
    }
}

impl Phase {
    /// Which way commands of this phase go.
    pub(crate) const fn direction(&self) -> Direction {
        if matches!(self, Self::Undoing(..)) { Direction::Undo } else { Direction::Do }
    }
}

/// Times are counted in whole microseconds, as Postgres keeps them: a history read back from there
/// replays to exactly the same state.
pub(crate) fn whole_microseconds(time: Timestamp) -> Timestamp {
    time.trunc_subsecs(6)
}
