//! Each step of a saga with its status, gathered from the history.

use contracts::{Direction, Outcome as Answered, Timestamp};
use serde::{Deserialize, Serialize};

use super::line::heard;
use crate::definition::PIVOT;
use crate::{Action, Decision, Definition, Input, Instance, Note, Phase, Record, StepInfo, StepKind};

/// A step of a saga.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct StepView {
    /// Its name.
    pub name: &'static str,
    /// What sort of step.
    pub kind: StepKind,
    /// What became of it.
    pub status: StepStatus,
    /// How often it, or by now its undo, was asked for.
    pub attempts: u32,
    /// The code of its latest failure.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub reason: Option<String>,
    /// When it was first asked for.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub started_at: Option<Timestamp>,
    /// When its status became what it is, if it is not in work.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub finished_at: Option<Timestamp>,
}

/// What became of a step.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum StepStatus {
    /// Not asked for yet.
    Waiting,
    /// Asked for; its outcome is unknown.
    Sent,
    /// Done.
    Done,
    /// Refused: nothing was done.
    Refused,
    /// Its undo was asked for.
    Undoing,
    /// Undone.
    Undone,
    /// Taken for done, or for undone, by an operator.
    Skipped,
    /// Left out.
    NotNeeded,
}

pub(super) fn steps<D>(
    definition: &Definition<D>,
    instance: &Instance<D>,
    history: &[Record],
) -> Vec<StepView> {
    let notes = || history.iter().flat_map(|record| &record.effects);
    let turned_back = notes().any(|note| matches!(note, Note::Decided(Decision::TurnedBack(_))));
    let of_its_tail = |step: &StepInfo| step.kind != StepKind::Tail || step.on_rejection == turned_back;
    let mut steps: Vec<_> = definition.steps().filter(of_its_tail).map(StepView::new).collect();
    for record in history {
        learn_input(definition, &mut steps, record);
        for note in &record.effects {
            learn_note(&mut steps, note, record.at);
        }
    }
    for (index, step) in steps.iter_mut().enumerate() {
        if step.status == StepStatus::Waiting && is_passed(&instance.phase, index, step.kind) {
            step.status = StepStatus::NotNeeded;
        }
    }
    steps
}

/// Whether the saga is beyond the point where this step would have been asked for.
fn is_passed(phase: &Phase, index: usize, kind: StepKind) -> bool {
    match (phase, kind) {
        (Phase::Forward(current), _) => index < *current,
        (Phase::Undoing(..), StepKind::Tail) => false,
        _ => true,
    }
}

/// An input that was decided concerns what was waited for: the step it names, or the only one.
fn learn_input<D>(definition: &Definition<D>, steps: &mut [StepView], record: &Record) {
    match &record.input {
        Input::Reply { step: name, direction, reply, .. } => {
            let Some(step) = steps.iter_mut().find(|step| step.name == name) else { return };
            step.reason = reply.code.clone();
            match (heard(definition, name, *direction, reply), direction) {
                (Answered::Done, Direction::Do) => step.finish(StepStatus::Done, record.at),
                (Answered::Done, Direction::Undo) => step.finish(StepStatus::Undone, record.at),
                (Answered::Refused, Direction::Do) if step.kind == StepKind::Compensatable => {
                    step.finish(StepStatus::Refused, record.at);
                }
                _ => {}
            }
        }
        Input::Operator { action: Action::Skip { step: name, .. }, .. } => {
            let is_meant =
                |step: &&mut StepView| name.as_ref().map_or(step.is_in_work(), |name| step.name == name);
            if let Some(step) = steps.iter_mut().find(is_meant) {
                step.finish(StepStatus::Skipped, record.at);
            }
        }
        _ => {}
    }
}

fn learn_note(steps: &mut [StepView], note: &Note, at: Timestamp) {
    let (name, status) = match note {
        Note::Sent(step, Direction::Do, _) => (step.as_str(), StepStatus::Sent),
        Note::Sent(step, Direction::Undo, _) => (step.as_str(), StepStatus::Undoing),
        Note::Decided(Decision::Confirmed) => (PIVOT, StepStatus::Done),
        _ => return,
    };
    let Some(step) = steps.iter_mut().find(|step| step.name == name) else { return };
    step.status = status;
    step.started_at.get_or_insert(at);
    step.finished_at = (status == StepStatus::Done).then_some(at);
    if let Note::Sent(_, _, attempt) = note {
        step.attempts = *attempt;
    }
}

impl StepView {
    fn new(step: StepInfo) -> Self {
        Self {
            name: step.name,
            kind: step.kind,
            status: StepStatus::Waiting,
            attempts: 0,
            reason: None,
            started_at: None,
            finished_at: None,
        }
    }

    fn is_in_work(&self) -> bool {
        matches!(self.status, StepStatus::Sent | StepStatus::Undoing)
    }

    fn finish(&mut self, status: StepStatus, at: Timestamp) {
        self.status = status;
        self.finished_at = Some(at);
    }
}
