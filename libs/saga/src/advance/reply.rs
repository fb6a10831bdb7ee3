//! Hearing answers. An answer is matched by step and direction alone.

use contracts::{Direction, Outcome as Answered, ReplyData};
use serde_json::Value;

use super::Turn;
use crate::{Cause, IgnoredWhy, Phase, StuckWhy};

impl<D> Turn<'_, D> {
    pub(super) fn hear(
        &mut self,
        step: &str,
        direction: Direction,
        reply: &ReplyData,
    ) -> Result<(), IgnoredWhy> {
        let index = self.waited_for(step, direction)?;
        match reply.outcome {
            Answered::Done if self.learn(index, reply) => self.done(index),
            // A body that cannot be read tells no more than a fault.
            Answered::Done | Answered::Fault => self.failed(index)?,
            Answered::Refused => self.refused(index, reply)?,
        }
        Ok(())
    }

    /// The index of the step that this answers.
    fn waited_for(&self, step: &str, direction: Direction) -> Result<usize, IgnoredWhy> {
        let phase = &self.instance.phase;
        match self.waiting_index(step) {
            Some(index) if phase.direction() == direction => Ok(index),
            Some(_) => Err(IgnoredWhy::OtherDirection),
            None if self.definition.steps().any(|known| known.name == step) => Err(IgnoredWhy::OtherStep),
            None => Err(IgnoredWhy::UnknownStep),
        }
    }

    pub(super) fn waiting_index(&self, step: &str) -> Option<usize> {
        let phase = &self.instance.phase;
        let is_named =
            |&index: &usize| self.definition.command_at(phase, index).is_some_and(|(name, _)| name == step);
        self.instance.waiting_steps().iter().find(is_named)
    }

    /// Learns what a `done` tells. False, and nothing learned, when its body is not of the command's type.
    pub(super) fn learn(&mut self, index: usize, reply: &ReplyData) -> bool {
        match self.instance.state.phase {
            Phase::Forward(step) => {
                (self.definition.steps[step].learn)(&mut self.instance.data, reply).is_ok()
            }
            ref phase => self
                .definition
                .command_at(phase, index)
                .is_some_and(|(_, command)| (command.check)(reply).is_ok()),
        }
    }

    /// A step succeeded, or its undo.
    pub(super) fn done(&mut self, index: usize) {
        self.heal(index);
        let state = &mut self.instance.state;
        match &mut state.phase {
            Phase::Forward(step) => {
                let next = *step + 1;
                self.go_forward_from(next);
            }
            Phase::Undoing(step, cause) => {
                state.possibly_done.remove(*step);
                let cause = cause.clone();
                self.undo_next(cause);
            }
            Phase::Tail(decision, waiting) => {
                waiting.remove(index);
                if waiting.is_empty() {
                    let outcome = decision.clone().into();
                    self.finish(outcome);
                }
            }
            Phase::Final(_) => {}
        }
    }

    /// Nothing is known about the effect. It is asked again at the wake time and not at once: a
    /// participant that fails fast is not asked faster.
    fn failed(&mut self, index: usize) -> Result<(), IgnoredWhy> {
        let is_news = self.instance.state.failed.insert(index);
        if is_news { Ok(()) } else { Err(IgnoredWhy::AlreadyAnswered) }
    }

    /// Going forward, a refusal (also `cancelled`: the participant saw the undo first, so it will
    /// never do it) says that the step is not done, and the saga turns back. What has to succeed
    /// must not be refused: that is stuck at once, and asked on.
    fn refused(&mut self, index: usize, reply: &ReplyData) -> Result<(), IgnoredWhy> {
        if let Phase::Forward(step) = self.instance.phase {
            self.heal(step);
            self.instance.state.possibly_done.remove(step);
            self.turn_back(refusal(self.definition.steps[step].name, reply));
            return Ok(());
        }
        self.failed(index)?;
        self.mark_stuck(index, StuckWhy::Refused(code_of(reply)));
        Ok(())
    }
}

fn refusal(step: &str, reply: &ReplyData) -> Cause {
    let detail = reply.body.as_deref().and_then(|body| serde_json::from_str::<Value>(body.get()).ok());
    Cause { code: code_of(reply), step: Some(step.to_owned()), detail }
}

fn code_of(reply: &ReplyData) -> String {
    reply.code.clone().unwrap_or_else(|| "refused".to_owned())
}
