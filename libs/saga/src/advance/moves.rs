//! The moves of a saga: forward, over the pivot, back, into the tail, to the end.

use chrono::TimeDelta;
use contracts::{Timestamp, command_id};
use uuid::Uuid;

use super::Turn;
use crate::definition::{CommandOf, TailStep};
use crate::{Cause, Decision, Definition, Effect, Instance, Outcome, Pace, Phase, Send, StepSet, StuckWhy};

impl<D> Turn<'_, D> {
    /// To the first needed step from here on, or over the pivot. Whoever cancelled did so by an
    /// earlier input; so what is left to check is the deadline, then whether the pivot may be passed.
    pub(super) fn go_forward_from(&mut self, from: usize) {
        let data = &self.instance.data;
        let steps = &self.definition.steps;
        if self.is_late() {
            return self.turn_back(Cause::timed_out());
        }
        match (from..steps.len()).find(|&step| steps[step].is_needed(data)) {
            Some(step) => self.enter(Phase::Forward(step)),
            None if self.definition.pivot.pivot_while.is_none_or(|holds| holds(data, self.now)) => {
                self.pass_pivot();
            }
            None => self.turn_back(Cause::timed_out()),
        }
    }

    fn pass_pivot(&mut self) {
        let confirmed = (self.definition.pivot.confirmed)(&self.instance.data, &());
        self.effects.push(Effect::Publish(confirmed));
        self.effects.push(Effect::Decided(Decision::Confirmed));
        let needed = needed_steps(&self.definition.joy, &self.instance.data);
        self.enter_tail(Decision::Confirmed, needed);
    }

    pub(super) fn turn_back(&mut self, cause: Cause) {
        self.effects.push(Effect::Decided(Decision::TurnedBack(cause.clone())));
        self.undo_next(cause);
    }

    /// To the undo of the latest step that may be done; none left: to the tail of the rejection.
    pub(super) fn undo_next(&mut self, cause: Cause) {
        while let Some(step) = self.instance.possibly_done.last() {
            if self.definition.steps[step].undo.is_some() {
                return self.enter(Phase::Undoing(step, cause));
            }
            self.instance.state.possibly_done.remove(step);
        }
        if let Some(rejected) = &self.definition.rejected {
            self.effects.push(Effect::Publish(rejected(&self.instance.data, &cause)));
        }
        let needed = needed_steps(&self.definition.sorrow, &self.instance.data);
        self.enter_tail(Decision::TurnedBack(cause), needed);
    }

    fn enter_tail(&mut self, decision: Decision, needed: StepSet) {
        if needed.is_empty() {
            self.finish(decision.into());
        } else {
            self.enter(Phase::Tail(decision, needed));
        }
    }

    pub(super) fn finish(&mut self, outcome: Outcome) {
        let state = &mut self.instance.state;
        state.wake_at = None;
        state.stuck_since = None;
        state.stuck = StepSet::default();
        state.failed = StepSet::default();
        state.go_on(self.now);
        state.phase = Phase::Final(outcome.clone());
        self.effects.push(Effect::Finished(outcome));
    }

    fn enter(&mut self, phase: Phase) {
        self.instance.state.phase = phase;
        self.instance.state.attempt = 0;
        self.ask();
    }

    /// Asks again for all that is waited for. What has to succeed and was asked often enough is
    /// marked as stuck on the way.
    pub(super) fn ask_again(&mut self) {
        let has_to_succeed = self.instance.decided() || self.instance.is_until_answered();
        if has_to_succeed && self.instance.attempt >= self.definition.pace().stuck_after_attempts {
            for step in self.instance.waiting_steps().iter() {
                self.mark_stuck(step, StuckWhy::Unanswered);
            }
        }
        self.ask();
    }

    /// Sends the command of every step that is waited for, and sets the time to ask again. Paused, it is
    /// due as soon as it goes on.
    fn ask(&mut self) {
        self.instance.state.failed = StepSet::default();
        if self.instance.paused.is_some() {
            self.instance.state.wake_at = Some(self.clock().min(self.instance.deadline_at));
            return;
        }
        self.instance.state.attempt += 1;
        if let Phase::Forward(step) = self.instance.phase {
            // From the first asking on the step may be done, whatever is heard of it.
            self.instance.state.possibly_done.insert(step);
        }
        self.instance.state.wake_at = Some(self.next_wake());
        let Definition { steps, joy, sorrow, .. } = self.definition;
        let (saga, effects) = (&self.instance, &mut self.effects);
        match &saga.phase {
            Phase::Forward(step) => effects.push(send(saga, steps[*step].name, &steps[*step].command, &())),
            Phase::Undoing(step, _) => {
                let undo = steps[*step].undo.iter();
                effects.extend(undo.map(|undo| send(saga, steps[*step].name, undo, &())));
            }
            Phase::Tail(Decision::Confirmed, waiting) => effects.extend(send_all(saga, joy, *waiting, &())),
            Phase::Tail(Decision::TurnedBack(cause), waiting) => {
                effects.extend(send_all(saga, sorrow, *waiting, cause));
            }
            Phase::Final(_) => {}
        }
    }

    /// Going forward, never after the deadline: otherwise it would pass unnoticed.
    fn next_wake(&self) -> Timestamp {
        let wake_at = self.now + wait(self.definition.pace(), self.instance.id, self.instance.attempt);
        if self.instance.decided() { wake_at } else { wake_at.min(self.instance.deadline_at) }
    }

    pub(super) fn mark_stuck(&mut self, index: usize, why: StuckWhy) {
        let state = &mut self.instance.state;
        if !state.stuck.insert(index) {
            return;
        }
        state.stuck_since.get_or_insert(self.now);
        let direction = state.phase.direction();
        if let Some((step, _)) = self.definition.command_at(&state.phase, index) {
            self.effects.push(Effect::Stuck { step, direction, why });
        }
    }

    /// A step succeeded: if it was the last one stuck, the mark goes.
    pub(super) fn heal(&mut self, index: usize) {
        let state = &mut self.instance.state;
        if state.stuck.remove(index) && state.stuck.is_empty() {
            state.stuck_since = None;
            self.effects.push(Effect::Healed);
        }
    }
}

impl From<Decision> for Outcome {
    fn from(decision: Decision) -> Self {
        match decision {
            Decision::Confirmed => Self::Completed,
            Decision::TurnedBack(cause) => Self::TurnedBack(cause),
        }
    }
}

fn needed_steps<D, A>(tail: &[TailStep<D, A>], data: &D) -> StepSet {
    (0..tail.len()).filter(|&step| tail[step].is_needed(data)).collect()
}

fn send_all<D, A>(
    saga: &Instance<D>,
    tail: &[TailStep<D, A>],
    waiting: StepSet,
    also: &A,
) -> impl Iterator<Item = Effect> {
    waiting.iter().map(move |step| send(saga, tail[step].name, &tail[step].command, also))
}

fn send<D, A>(saga: &Instance<D>, step: &'static str, command: &CommandOf<D, A>, also: &A) -> Effect {
    let direction = saga.phase.direction();
    Effect::Send(Send {
        step,
        direction,
        attempt: saga.attempt,
        command_id: command_id(saga.id, step, direction),
        command_type: command.kind.command_type,
        participant: command.kind.participant,
        data: (command.encode)(&saga.data, also),
    })
}

/// How long to wait for an answer to this asking: doubling, capped, less up to a fifth. The chance
/// in it is a hash, so that a replay waits as long.
fn wait(pace: Pace, saga: Uuid, attempt: u32) -> TimeDelta {
    let doublings = attempt.saturating_sub(1).min(31);
    let full_ms = (u64::from(pace.first_wait_ms) << doublings).min(u64::from(pace.max_wait_ms));
    let (high, low) = saga.as_u64_pair();
    let mixed = (high ^ low ^ u64::from(attempt)).wrapping_mul(0x9E37_79B9_7F4A_7C15) >> 32;
    let jitter_ms = (full_ms / 5) * (mixed % 1_000) / 1_000;
    TimeDelta::milliseconds((full_ms - jitter_ms).cast_signed())
}
