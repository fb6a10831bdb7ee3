//! A workflow as data: its steps in their order, and how patiently they are asked. Made by
//! [`crate::Saga`]; read by [`crate::advance`].

pub mod builder;

use std::time::Duration;

use contracts::{Command, Direction, EventData, ReplyData, Timestamp};
use serde::{Deserialize, Serialize};
use serde_json::value::{RawValue, to_raw_value};

use crate::instance::NEVER;
use crate::{Cause, Decision, Phase};

/// A declared workflow over the data `D`. A running saga keeps its definition's version: a change
/// of steps is a new version, and the old one stays while any saga uses it.
pub struct Definition<D> {
    name: &'static str,
    version: u32,
    /// None where it is asked until it is answered.
    deadline: Option<Duration>,
    pace: Pace,
    pub(crate) steps: Vec<CompensatableStep<D>>,
    pub(crate) pivot: Pivot<D>,
    pub(crate) joy: Vec<TailStep<D, ()>>,
    /// None where a rejection is told to nobody.
    pub(crate) rejected: Option<EventOf<D, Cause>>,
    pub(crate) sorrow: Vec<TailStep<D, Cause>>,
}

/// How patiently unanswered steps are asked again.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Pace {
    /// The wait after the first asking, in milliseconds; it doubles with every asking. Up to a fifth
    /// is taken off by chance, so that sagas that began together do not ask together for ever.
    pub first_wait_ms: u32,
    /// The wait never grows above this, in milliseconds.
    pub max_wait_ms: u32,
    /// After so many askings a step that has to succeed is marked stuck; it is still asked.
    pub stuck_after_attempts: u32,
}

impl Default for Pace {
    fn default() -> Self {
        Self { first_wait_ms: 5_000, max_wait_ms: 60_000, stuck_after_attempts: 10 }
    }
}

/// A step as it is listed.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct StepInfo {
    /// Unique in its definition.
    pub name: &'static str,
    /// What sort of step.
    pub kind: StepKind,
    /// Whether it belongs to the tail of a rejection.
    pub on_rejection: bool,
    /// Who does it; none for the pivot.
    pub participant: Option<&'static str>,
    /// Who undoes it; none where there is nothing to undo.
    pub undone_by: Option<&'static str>,
}

/// What sort of step.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum StepKind {
    /// May be refused and can be undone.
    Compensatable,
    /// The decision to go forward.
    Pivot,
    /// After the decision: cannot be refused, is asked until it is done.
    Tail,
}

/// The name under which the pivot is listed; no step may have it.
pub(crate) const PIVOT: &str = "pivot";

type Learn<D> = Box<dyn Fn(&mut D, &ReplyData) -> Result<(), serde_json::Error> + Send + Sync>;
type Encode<D, A> = Box<dyn Fn(&D, &A) -> Box<RawValue> + Send + Sync>;
type EventOf<D, A> = Box<dyn Fn(&D, &A) -> EventData + Send + Sync>;

pub(crate) struct CompensatableStep<D> {
    pub(crate) name: &'static str,
    pub(crate) when: Option<fn(&D) -> bool>,
    pub(crate) command: CommandOf<D, ()>,
    pub(crate) learn: Learn<D>,
    pub(crate) undo: Option<CommandOf<D, ()>>,
}

pub(crate) struct Pivot<D> {
    pub(crate) pivot_while: Option<fn(&D, Timestamp) -> bool>,
    pub(crate) confirmed: EventOf<D, ()>,
}

/// `A` is what a command of this tail may know besides the data: the cause, after a rejection.
pub(crate) struct TailStep<D, A> {
    pub(crate) name: &'static str,
    pub(crate) when: Option<fn(&D) -> bool>,
    pub(crate) command: CommandOf<D, A>,
}

/// How a step's command is made.
pub(crate) struct CommandOf<D, A> {
    pub(crate) kind: CommandKind,
    pub(crate) encode: Encode<D, A>,
}

/// What is known of a command without its type.
pub(crate) struct CommandKind {
    pub(crate) command_type: &'static str,
    pub(crate) participant: &'static str,
    /// Whether a `done` has a body of the command's type.
    pub(crate) check: fn(&ReplyData) -> Result<(), serde_json::Error>,
}

impl<D, A> CommandOf<D, A> {
    fn new<C: Command>(make: impl Fn(&D, &A) -> C + Send + Sync + 'static) -> Self {
        let kind = CommandKind {
            command_type: C::TYPE,
            participant: C::PARTICIPANT,
            check: |reply| reply.done::<C>().map(drop),
        };
        let encode = move |data: &D, also: &A| {
            to_raw_value(&make(data, also))
                .expect("a command is a plain struct, which always has a JSON form")
        };
        Self { kind, encode: Box::new(encode) }
    }
}

impl<D> Definition<D> {
    /// The workflow's name.
    pub fn name(&self) -> &'static str {
        self.name
    }

    /// The version.
    pub fn version(&self) -> u32 {
        self.version
    }

    /// How long a saga may go forward.
    pub fn deadline(&self) -> Option<Duration> {
        self.deadline
    }

    /// The deadline of a saga that begins now.
    pub(crate) fn deadline_after(&self, now: Timestamp) -> Timestamp {
        self.deadline.map_or(NEVER, |deadline| now + deadline)
    }

    /// How patiently its steps are asked.
    pub fn pace(&self) -> Pace {
        self.pace
    }

    /// All its steps, as declared: compensatable, pivot, tail, tail of a rejection.
    pub fn steps(&self) -> impl Iterator<Item = StepInfo> {
        let compensatable = self.steps.iter().map(|step| StepInfo {
            name: step.name,
            kind: StepKind::Compensatable,
            on_rejection: false,
            participant: Some(step.command.kind.participant),
            undone_by: step.undo.as_ref().map(|undo| undo.kind.participant),
        });
        let pivot = StepInfo {
            name: PIVOT,
            kind: StepKind::Pivot,
            on_rejection: false,
            participant: None,
            undone_by: None,
        };
        let joy = self.joy.iter().map(|step| step.info(false));
        let sorrow = self.sorrow.iter().map(|step| step.info(true));
        compensatable.chain([pivot]).chain(joy).chain(sorrow)
    }

    /// Everybody who is sent commands, each once.
    pub fn participants(&self) -> Vec<&'static str> {
        let mut all: Vec<_> =
            self.steps().flat_map(|step| [step.participant, step.undone_by]).flatten().collect();
        all.sort_unstable();
        all.dedup();
        all
    }

    /// Whether a step comes after the decision, whichever that is.
    pub fn is_tail(&self, name: &str) -> bool {
        self.joy.iter().any(|step| step.name == name) || self.sorrow.iter().any(|step| step.name == name)
    }

    /// A step's command, or its undo's, by name.
    pub(crate) fn command(&self, name: &str, direction: Direction) -> Option<&CommandKind> {
        let compensatable = self.steps.iter().find(|step| step.name == name);
        match (compensatable, direction) {
            (Some(step), Direction::Do) => Some(&step.command.kind),
            (Some(step), Direction::Undo) => step.undo.as_ref().map(|undo| &undo.kind),
            (None, _) => {
                let joy = self.joy.iter().map(|step| (step.name, &step.command.kind));
                let sorrow = self.sorrow.iter().map(|step| (step.name, &step.command.kind));
                joy.chain(sorrow).find(|(step, _)| *step == name).map(|(_, command)| command)
            }
        }
    }

    /// Name and command of a step, by its index within a phase; none where the phase has no such command.
    pub(crate) fn command_at(&self, phase: &Phase, index: usize) -> Option<(&'static str, &CommandKind)> {
        match phase {
            Phase::Forward(_) => self.steps.get(index).map(|step| (step.name, &step.command.kind)),
            Phase::Undoing(..) => {
                let step = self.steps.get(index)?;
                step.undo.as_ref().map(|undo| (step.name, &undo.kind))
            }
            Phase::Tail(Decision::Confirmed, _) => {
                self.joy.get(index).map(|step| (step.name, &step.command.kind))
            }
            Phase::Tail(Decision::TurnedBack(_), _) => {
                self.sorrow.get(index).map(|step| (step.name, &step.command.kind))
            }
            Phase::Final(_) => None,
        }
    }
}

impl<D> CompensatableStep<D> {
    pub(crate) fn is_needed(&self, data: &D) -> bool {
        self.when.is_none_or(|when| when(data))
    }
}

impl<D, A> TailStep<D, A> {
    pub(crate) fn is_needed(&self, data: &D) -> bool {
        self.when.is_none_or(|when| when(data))
    }

    fn info(&self, on_rejection: bool) -> StepInfo {
        StepInfo {
            name: self.name,
            kind: StepKind::Tail,
            on_rejection,
            participant: Some(self.command.kind.participant),
            undone_by: None,
        }
    }
}
