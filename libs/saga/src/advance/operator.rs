//! Obeying operators, where it makes sense.

use contracts::{Outcome as Answered, ReplyData};
use serde_json::value::RawValue;

use super::Turn;
use crate::{Action, NotAllowed, Outcome, PausedBy, Phase, State};

/// What an operator may do to a saga now, as the words of the API.
pub fn allowed_actions(saga: &State) -> Vec<&'static str> {
    let is_forward = matches!(saga.phase, Phase::Forward(_));
    let can_skip = if is_forward { !saga.is_until_answered() } else { !saga.stuck.is_empty() };
    let is_open = !saga.is_final();
    let is_paused = saga.paused.is_some();
    let is_own_pause = saga.paused.as_ref().is_some_and(|pause| pause.by == PausedBy::Saga);
    let actions = [
        ("retry", is_open && !is_paused),
        ("skip", is_open && can_skip),
        ("cancel", is_forward && !saga.is_until_answered()),
        ("abandon", is_open),
        ("pause", is_open && !is_own_pause),
        ("resume", is_paused && is_own_pause),
    ];
    actions.into_iter().filter_map(|(action, is_allowed)| is_allowed.then_some(action)).collect()
}

impl<D> Turn<'_, D> {
    pub(super) fn obey(&mut self, action: &Action) -> Result<(), NotAllowed> {
        match action {
            Action::Retry if self.instance.paused.is_some() => return Err(NotAllowed::NothingIsSent),
            Action::Retry => self.wake(),
            Action::Skip { step, result } => self.skip(step.as_deref(), result.as_deref())?,
            Action::Cancel => self.cancel()?,
            Action::Abandon => self.finish(Outcome::Abandoned),
            Action::Pause(by) => self.pause(by)?,
            Action::Resume(by) => self.resume(by)?,
        }
        Ok(())
    }

    /// Going forward any step can be skipped, for it is still undone on turning back; but not where an answer
    /// alone decides. An undo and a step after the pivot only when it is stuck: skipping it is a difference accepted
    /// for ever.
    fn skip(&mut self, step: Option<&str>, result: Option<&RawValue>) -> Result<(), NotAllowed> {
        let index = self.step_to_skip(step)?;
        let is_forward = matches!(self.instance.phase, Phase::Forward(_));
        if is_forward && self.instance.is_until_answered() {
            return Err(NotAllowed::MustBeAnswered);
        }
        if !is_forward && !self.instance.stuck.contains(index) {
            return Err(NotAllowed::NotStuck);
        }
        let reply = ReplyData { outcome: Answered::Done, code: None, body: result.map(RawValue::to_owned) };
        let is_learned_from = is_forward || result.is_some();
        if is_learned_from && !self.learn(index, &reply) {
            return Err(NotAllowed::ResultDoesNotFit);
        }
        if is_forward {
            self.instance.state.possibly_done.insert(index);
        }
        self.done(index);
        Ok(())
    }

    fn step_to_skip(&self, step: Option<&str>) -> Result<usize, NotAllowed> {
        let waiting = self.instance.waiting_steps();
        match step {
            Some(step) => self.waiting_index(step).ok_or(NotAllowed::StepNotWaiting),
            None if waiting.len() > 1 => Err(NotAllowed::StepNotNamed),
            None => waiting.last().ok_or(NotAllowed::StepNotWaiting),
        }
    }
}
