//! A workflow as operators meet it: whichever it is, its sagas are shown and moved in the same way.

use contracts::Timestamp;
use futures::future::BoxFuture;
use saga::{Effect, Input, Record, SagaView};
use sea_orm::DbErr;
use uuid::Uuid;

use super::act::{ActError, ActRefused, Acted, Actor};
use super::moving::move_saga;
use super::pauses::Held;
use super::saga_row::SagaRow;
use super::{Workflow, WorkflowManager};

/// One of the workflows of this process.
pub(crate) trait Operated: Send + Sync {
    /// Its name.
    fn name(&self) -> &'static str;
    /// Everybody whom any of its versions sends commands.
    fn participants(&self) -> Vec<&'static str>;
    /// Every step that a saga of any of its versions can wait for; its undo as `undo <step>`.
    fn waited_for(&self) -> Vec<String>;
    /// Gives a saga an input on somebody's behalf.
    fn act(
        &self,
        saga_id: Uuid,
        input: Input,
        by: Actor,
        reason: String,
    ) -> BoxFuture<'_, Result<Acted, ActError>>;
    /// What a saga would send after an input, as words.
    fn foresee(
        &self,
        row: &SagaRow,
        input: &Input,
        held: &Held,
        now: Timestamp,
    ) -> Result<Vec<String>, ActRefused>;
    /// A saga told by its history; none of a version that this process does not know.
    fn describe(&self, row: &SagaRow, history: &[Record]) -> Result<Option<SagaView>, DbErr>;
}

impl<W: Workflow> Operated for WorkflowManager<W> {
    fn name(&self) -> &'static str {
        W::NAME
    }

    fn participants(&self) -> Vec<&'static str> {
        W::definitions().iter().flat_map(saga::Definition::participants).collect()
    }

    fn waited_for(&self) -> Vec<String> {
        let definitions = W::definitions();
        let steps = definitions.iter().flat_map(saga::Definition::steps);
        let words = steps.flat_map(|step| {
            let asked = step.participant.map(|_| step.name.to_owned());
            let undone = step.undone_by.map(|_| format!("undo {}", step.name));
            asked.into_iter().chain(undone)
        });
        words.collect()
    }

    fn act(
        &self,
        saga_id: Uuid,
        input: Input,
        by: Actor,
        reason: String,
    ) -> BoxFuture<'_, Result<Acted, ActError>> {
        Box::pin(Self::act(self, saga_id, input, by, reason))
    }

    fn foresee(
        &self,
        row: &SagaRow,
        input: &Input,
        held: &Held,
        now: Timestamp,
    ) -> Result<Vec<String>, ActRefused> {
        let definitions = W::definitions();
        let definition = definitions.iter().find(|known| known.version() == row.definition_version());
        let definition = definition.ok_or(ActRefused::UnknownVersion)?;
        let instance = row.instance::<W::Data>().map_err(|_| ActRefused::UnknownVersion)?;
        let moved = move_saga(definition, instance, input, held, now).map_err(ActRefused::NotAllowed)?;
        Ok(moved.effects.iter().filter_map(sent).collect())
    }

    fn describe(&self, row: &SagaRow, history: &[Record]) -> Result<Option<SagaView>, DbErr> {
        describe::<W>(row, history)
    }
}

/// A saga of this workflow, told by its history.
pub(crate) fn describe<W: Workflow>(row: &SagaRow, history: &[Record]) -> Result<Option<SagaView>, DbErr> {
    let definitions = W::definitions();
    let definition = definitions.iter().find(|known| known.version() == row.definition_version());
    let Some(definition) = definition else { return Ok(None) };
    let instance = row.instance::<W::Data>().map_err(|error| DbErr::Json(error.to_string()))?;
    Ok(Some(saga::describe(definition, &instance, history)))
}

fn sent(effect: &Effect) -> Option<String> {
    let Effect::Send(send) = effect else { return None };
    let undo = if send.direction == contracts::Direction::Undo { "undo " } else { "" };
    Some(format!("{undo}{} to {}", send.step, send.participant))
}
