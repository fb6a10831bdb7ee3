//! The one function that moves a saga. It is total: every input in every state has an answer, and
//! what makes no sense is ignored with a reason.
//!
//! ```text
//!   Forward(k) --done--> Forward(k+1) ... --done--> pivot --> Tail(confirmed) ----> Final(completed)
//!       | refused, deadline, cancel
//!       v
//!   Undoing(j) --done--> Undoing(next below) ... --> Tail(turned back) --> Final(turned back)
//! ```
//! `reply.rs` hears answers, `operator.rs` obeys operators, `pause.rs` stops its time, `moves.rs` makes
//! the moves; each says first whether it will do anything, and only then changes the saga.

mod moves;
mod operator;
mod pause;
mod reply;

use contracts::Timestamp;

use crate::instance::whole_microseconds;
use crate::{Action, Cause, Decision, Definition, Effect, IgnoredWhy, Input, Instance, NotAllowed, Phase};

pub use operator::allowed_actions;

/// Decides one input: the saga as it is then, and what has to be carried out, in this order.
///
/// Pure: the same arguments give the same answer. An ignored input ([`crate::ignored`]) leaves the
/// saga as it was, and is no part of its history; every other one raises `seq` by one.
///
/// # Panics
/// When the instance is of another version of the definition: it means other steps by its indexes.
/// Whoever holds the row looks the definition up by that version first.
pub fn advance<D>(
    definition: &Definition<D>,
    instance: Instance<D>,
    input: &Input,
    now: Timestamp,
) -> (Instance<D>, Vec<Effect>) {
    assert_eq!(definition.version(), instance.version, "a saga is moved by the definition it began with");
    let mut turn =
        Turn { definition, instance, now: whole_microseconds(now), effects: Vec::with_capacity(3) };
    match turn.decide(input) {
        Ok(()) => turn.instance.state.seq += 1,
        Err(why) => turn.effects.push(Effect::Ignored(why)),
    }
    (turn.instance, turn.effects)
}

/// One input being decided.
struct Turn<'a, D> {
    definition: &'a Definition<D>,
    instance: Instance<D>,
    now: Timestamp,
    effects: Vec<Effect>,
}

impl<D> Turn<'_, D> {
    /// An error means that nothing was changed.
    fn decide(&mut self, input: &Input) -> Result<(), IgnoredWhy> {
        let begun = self.instance.has_begun();
        match input {
            _ if self.instance.is_final() => return Err(IgnoredWhy::Final),
            Input::Begin if begun => return Err(IgnoredWhy::AlreadyBegun),
            Input::Begin => self.begin(),
            Input::Operator { action: Action::Pause(by), .. } => self.pause(by)?,
            _ if !begun => return Err(IgnoredWhy::NotBegun),
            Input::Reply { step, direction, reply, attempt: _ } => self.hear(step, *direction, reply)?,
            // While it is paused its time stands still.
            Input::Wake if self.instance.paused.is_some() => return Err(IgnoredWhy::NotDue),
            Input::Wake if self.instance.wake_at.is_some_and(|due| due <= self.now) => self.wake(),
            Input::Wake => return Err(IgnoredWhy::NotDue),
            Input::Cancel => self.cancel()?,
            Input::Operator { action, .. } => self.obey(action)?,
        }
        Ok(())
    }

    fn begin(&mut self) {
        self.instance.state.deadline_at = self.definition.deadline_after(self.now);
        self.go_forward_from(0);
    }

    /// Silence: the outcome of what is waited for is unknown, so it is asked again; in time, going
    /// forward gives up and undoes it.
    fn wake(&mut self) {
        if matches!(self.instance.phase, Phase::Forward(_)) && self.is_late() {
            self.turn_back(Cause::timed_out());
        } else {
            self.ask_again();
        }
    }

    fn cancel(&mut self) -> Result<(), NotAllowed> {
        match self.instance.phase {
            Phase::Forward(_) if self.instance.is_until_answered() => return Err(NotAllowed::MustBeAnswered),
            Phase::Forward(_) => self.turn_back(Cause::cancelled()),
            Phase::Tail(Decision::Confirmed, _) => return Err(NotAllowed::PivotPassed),
            _ => return Err(NotAllowed::TurningBack),
        }
        Ok(())
    }

    fn is_late(&self) -> bool {
        self.instance.deadline_at <= self.clock()
    }

    /// The saga's own time: it stands still while it is paused.
    fn clock(&self) -> Timestamp {
        self.instance.paused.as_ref().map_or(self.now, |pause| pause.since)
    }
}
