//! What goes wrong in a run: the course it takes, and one trouble on the way.

use std::fmt;

use contracts::Direction;

/// A command within a saga.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub(super) struct CommandName {
    pub(super) step: &'static str,
    pub(super) direction: Direction,
}

/// One run.
#[derive(Debug, Clone, Copy)]
pub(super) struct Plan {
    pub(super) course: Course,
    pub(super) trouble: Option<(CommandName, Trouble)>,
}

/// Where a run is heading.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Course {
    /// Nothing is done about it.
    Straight,
    /// This step is refused.
    Refused(&'static str),
    /// This step's command never arrives.
    Lost(&'static str),
    /// This step is done, and no answer ever comes back.
    Unheard(&'static str),
    /// This step's command arrives after its undo.
    Overtaken(&'static str),
    /// It is cancelled while this step is waited for.
    Cancelled(&'static str),
    /// It is paused while this step is waited for, beyond its deadline, and then resumed.
    Paused(&'static str),
}

/// What happens to one command on the way.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Trouble {
    /// The first two askings are lost.
    LostTwice,
    /// The first two answers are lost.
    UnheardTwice,
    /// Only the first asking is ever answered, and that after the second asking.
    Slow,
    /// Every answer comes three times.
    Repeated,
    /// The first two askings meet a technical failure, told twice each.
    FaultTwice,
    /// The first answer cannot be read.
    Garbled,
    /// The first asking is refused though it must not be.
    Refused,
    /// Every asking is refused though it must not be; until the participant is repaired.
    RefusedLong,
    /// No asking arrives; until the participant is repaired.
    LostLong,
    /// Every asking meets a technical failure; until the participant is repaired.
    FaultLong,
}

/// The code of refusals that the harness makes.
pub(super) const REFUSAL: &str = "refused_by_the_harness";

impl Course {
    /// Every course at every one of these steps. Where they are asked until they are answered, the only
    /// way back is a refusal.
    pub(super) fn all(steps: &[&'static str], is_until_answered: bool) -> Vec<Self> {
        let kinds =
            [Self::Refused, Self::Lost, Self::Unheard, Self::Overtaken, Self::Cancelled, Self::Paused];
        let kinds = if is_until_answered { &kinds[..1] } else { &kinds[..] };
        let turns = steps.iter().flat_map(|step| kinds.iter().map(|kind| kind(step)));
        std::iter::once(Self::Straight).chain(turns).collect()
    }

    /// How a run must end: `completed`, or the code for which it turned back.
    pub(super) fn expected(self, straight: &str) -> String {
        match self {
            Self::Straight | Self::Paused(_) => straight,
            Self::Refused(_) => REFUSAL,
            Self::Lost(_) | Self::Unheard(_) | Self::Overtaken(_) => crate::Cause::TIMED_OUT,
            Self::Cancelled(_) => crate::Cause::CANCELLED,
        }
        .to_owned()
    }

    /// Whether what happens to this command is settled by the course.
    pub(super) fn is_about(self, command: CommandName) -> bool {
        match self {
            Self::Straight => false,
            Self::Refused(step)
            | Self::Lost(step)
            | Self::Unheard(step)
            | Self::Overtaken(step)
            | Self::Cancelled(step)
            | Self::Paused(step) => command == CommandName { step, direction: Direction::Do },
        }
    }
}

impl Trouble {
    pub(super) const ALL: &[Self] = &[
        Self::LostTwice,
        Self::UnheardTwice,
        Self::Slow,
        Self::Repeated,
        Self::FaultTwice,
        Self::Garbled,
        Self::Refused,
        Self::RefusedLong,
        Self::LostLong,
        Self::FaultLong,
    ];

    /// Those that last are courses there: the saga turns back.
    pub(super) fn may_happen_before_the_pivot(self, is_until_answered: bool) -> bool {
        match self {
            Self::Refused | Self::RefusedLong => false,
            Self::LostLong | Self::FaultLong => is_until_answered,
            _ => true,
        }
    }

    /// Whether it makes a step stuck that has to succeed.
    pub(super) fn is_long(self) -> bool {
        matches!(self, Self::RefusedLong | Self::LostLong | Self::FaultLong)
    }
}

impl Plan {
    pub(super) fn calm(course: Course) -> Self {
        Self { course, trouble: None }
    }

    pub(super) fn trouble_of(&self, command: CommandName) -> Option<Trouble> {
        self.trouble.filter(|(troubled, _)| *troubled == command).map(|(_, trouble)| trouble)
    }
}

impl fmt::Display for CommandName {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}/{}", self.step, self.direction)
    }
}

impl fmt::Display for Plan {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{:?}", self.course)?;
        self.trouble.map_or(Ok(()), |(command, trouble)| write!(f, ", and {trouble:?} at {command}"))
    }
}
