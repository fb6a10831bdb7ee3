//! Sagas that have ended: they are what their history makes of them, and they undid in reverse what they may
//! have done. Nothing of a workflow is listed here: its definition says what its steps are.

use std::any::Any;
use std::collections::{BTreeSet, HashMap};

use contracts::Direction;
use messaging::rows::memory::Tables;
use orchestrator::simulation::SagaRow;
use saga::{Action, Decision, Input, Note, Outcome, Phase, Record, StepInfo, StepKind};
use uuid::Uuid;

use super::Broken;
use crate::simulate::managed::{Managed, history_of};

/// A step of a workflow in one direction, as `workflow/step/direction`.
pub(in crate::simulate) type CommandName = String;

/// Checks a saga that has ended, and notes which commands it sent.
pub(in crate::simulate) fn check(
    tables: &Tables,
    row: &SagaRow,
    managed: &[Managed],
    begun_with: &HashMap<Uuid, Box<dyn Any>>,
    sent: &mut BTreeSet<CommandName>,
) -> Result<(), Broken> {
    let broken = |rule, detail: String| Broken::new(rule, format!("saga {}: {detail}", row.saga_id));
    let workflow = managed.iter().find(|workflow| workflow.name == row.workflow);
    let workflow = workflow.ok_or_else(|| broken("every saga has its workflow", row.workflow.clone()))?;
    let history = history_of(tables, row.saga_id);
    let begun = begun_with.get(&row.saga_id);
    let begun = begun.ok_or_else(|| broken("every saga was begun by somebody", row.workflow.clone()))?;
    (workflow.replays)(row, &**begun, &history)
        .map_err(|detail| broken("a saga equals the replay of its history", detail))?;
    let numbered = history.iter().zip(1..).all(|(record, number)| record.seq == number);
    if !numbered {
        return Err(broken("a history has no gaps", format!("{history:?}")));
    }
    let steps = workflow.version(row.definition_version()).map_or(&[][..], |version| &version.steps);
    let asked = first_askings(&history);
    sent.extend(asked.iter().map(|(step, direction)| format!("{}/{step}/{direction}", row.workflow)));
    undone_in_reverse(row, steps, &history, &asked)
        .map_err(|detail| broken("what may be done is undone, latest first", detail))?;
    decided_once(&history).map_err(|detail| broken("a saga decides once", detail))
}

/// The commands that a saga sent, in the order of their first asking.
fn first_askings(history: &[Record]) -> Vec<(&str, Direction)> {
    let mut asked = Vec::new();
    for note in history.iter().flat_map(|record| &record.effects) {
        if let Note::Sent(step, direction, _) = note
            && !asked.contains(&(step.as_str(), *direction))
        {
            asked.push((step.as_str(), *direction));
        }
    }
    asked
}

fn undone_in_reverse(
    row: &SagaRow,
    steps: &[StepInfo],
    history: &[Record],
    asked: &[(&str, Direction)],
) -> Result<(), String> {
    let place = |name: &str| steps.iter().position(|step| step.name == name);
    let undone: Vec<usize> = asked
        .iter()
        .filter(|(_, direction)| *direction == Direction::Undo)
        .filter_map(|(name, _)| place(name))
        .collect();
    if !undone.is_sorted_by(|earlier, later| earlier > later) {
        return Err(format!("asked in the order {asked:?}"));
    }
    let Phase::Final(Outcome::TurnedBack(cause)) = &row.state.0.phase else { return Ok(()) };
    if history.iter().any(is_skip) {
        return Ok(()); // Somebody else took a step upon himself.
    }
    let is_to_undo = |step: &StepInfo| step.kind == StepKind::Compensatable && step.undone_by.is_some();
    let may_be_done = |name: &&str| cause.step.as_deref() != Some(name);
    let dos = asked.iter().filter(|(_, direction)| *direction == Direction::Do).map(|(name, _)| *name);
    let mut expected: Vec<usize> =
        dos.filter(may_be_done).filter_map(place).filter(|place| is_to_undo(&steps[*place])).collect();
    expected.sort_unstable_by(|earlier, later| later.cmp(earlier));
    if undone == expected {
        return Ok(());
    }
    Err(format!("asked {asked:?}, turned back for {cause:?}"))
}

fn is_skip(record: &Record) -> bool {
    matches!(&record.input, Input::Operator { action: Action::Skip { .. }, .. })
}

fn decided_once(history: &[Record]) -> Result<(), String> {
    let notes = history.iter().flat_map(|record| &record.effects);
    let decisions: Vec<&Decision> = notes
        .filter_map(|note| match note {
            Note::Decided(decision) => Some(decision),
            _ => None,
        })
        .collect();
    if decisions.len() <= 1 { Ok(()) } else { Err(format!("{decisions:?}")) }
}
