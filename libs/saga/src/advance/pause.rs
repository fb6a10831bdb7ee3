//! Letting a saga's time stand still, and go on. Paused, it learns and moves, and sends nothing.

use super::Turn;
use crate::{NotAllowed, Pause, PausedBy};

impl<D> Turn<'_, D> {
    /// Whoever pauses it anew takes it over: what paused it before no longer resumes it.
    pub(super) fn pause(&mut self, by: &PausedBy) -> Result<(), NotAllowed> {
        let paused = &mut self.instance.state.paused;
        if paused.as_ref().is_some_and(|pause| pause.by == *by) {
            return Err(NotAllowed::Paused);
        }
        let since = paused.take().map_or(self.now, |pause| pause.since);
        *paused = Some(Pause { since, by: by.clone() });
        Ok(())
    }

    /// Its deadline and its wake time move by as long as it stood still. What it did not ask for in the
    /// meantime it asks for now.
    pub(super) fn resume(&mut self, by: &PausedBy) -> Result<(), NotAllowed> {
        let state = &mut self.instance.state;
        match &state.paused {
            Some(pause) if pause.by == *by => {}
            Some(_) => return Err(NotAllowed::PausedByAnother),
            None => return Err(NotAllowed::NotPaused),
        }
        let stood_still = state.go_on(self.now);
        state.deadline_at += stood_still;
        state.wake_at = state.wake_at.map(|due| due + stood_still);
        if state.attempt == 0 {
            self.wake();
        }
        Ok(())
    }
}
