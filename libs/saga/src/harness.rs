//! Puts every step of a workflow through every trouble, on virtual time: refuses it, keeps silent
//! for a while and for ever, delays, repeats and garbles its answers, cancels at it; and checks after
//! every input and at the end what must always be true. A new step is covered before anybody
//! writes a test for it. For tests.

mod checks;
mod participants;
mod plan;
mod run;

use std::collections::BTreeSet;

use contracts::{ReplyData, Timestamp};
use serde::Serialize;
use serde_json::value::RawValue;
use thiserror::Error;

use crate::{Definition, StepKind};
use plan::{CommandName, Course, Plan, Trouble};
use run::{Run, Setting};

/// What a proof went through.
#[derive(Debug, Default)]
pub struct Coverage {
    /// How many sagas were run.
    pub runs: usize,
    /// The commands that were asked for, as `step/direction`.
    pub commands: BTreeSet<String>,
}

/// Something that must always be true was not.
#[derive(Debug, Error)]
#[error("{what}\nin the run: {plan}\n{history}")]
pub struct Violation {
    /// What was wrong.
    pub what: String,
    /// The trouble that showed it.
    pub plan: String,
    /// What happened, line by line.
    pub history: String,
}

/// Runs sagas of this definition, begun at `start` with each of `begun_with` in turn, through every
/// trouble at every command they send. `answer` is what healthy participants reply to a command, by
/// its type and payload; the harness makes them idempotent and lets an undo be final.
///
/// # Errors
/// An invariant does not hold, a run does not end where it must, or a command of the definition was
/// never asked for: then `begun_with` lacks a case.
pub fn prove<D: Clone + Serialize>(
    definition: &Definition<D>,
    begun_with: &[D],
    start: Timestamp,
    answer: impl Fn(&str, &RawValue) -> ReplyData,
) -> Result<Coverage, Violation> {
    let mut coverage = Coverage::default();
    for data in begun_with {
        let setting = Setting { definition, data, start, answer: &answer };
        prove_case(&setting, &mut coverage)?;
    }
    let left_out: Vec<_> = commands_of(definition).filter(|name| !coverage.commands.contains(name)).collect();
    if left_out.is_empty() {
        return Ok(coverage);
    }
    let what = format!("never asked for: {}; add a case that needs it", left_out.join(", "));
    Err(Violation { what, plan: "all".to_owned(), history: String::new() })
}

fn prove_case<D: Clone + Serialize>(
    setting: &Setting<'_, D>,
    coverage: &mut Coverage,
) -> Result<(), Violation> {
    let straight = Run::to_its_end(setting, Plan::calm(Course::Straight), None)?;
    checks::was_answered_at_once(&straight)?;
    let ending = straight.ending();
    for course in Course::all(&straight.steps_done(), setting.definition.deadline().is_none()) {
        let expected = course.expected(&ending);
        let calm = Run::to_its_end(setting, Plan::calm(course), Some(&expected))?;
        coverage.runs += 1;
        for command in calm.commands() {
            coverage.commands.insert(command.to_string());
            for trouble in troubles_for(setting.definition, course, command) {
                Run::to_its_end(
                    setting,
                    Plan { course, trouble: Some((command, trouble)) },
                    Some(&expected),
                )?;
                coverage.runs += 1;
            }
        }
    }
    Ok(())
}

fn troubles_for<D>(
    definition: &Definition<D>,
    course: Course,
    command: CommandName,
) -> impl Iterator<Item = Trouble> {
    let has_to_succeed = command.direction == contracts::Direction::Undo
        || definition.steps().any(|step| step.name == command.step && step.kind == StepKind::Tail);
    let is_the_courses_own = course.is_about(command);
    let troubles = if is_the_courses_own { &[][..] } else { Trouble::ALL };
    let is_until_answered = definition.deadline().is_none();
    let may_happen =
        move |trouble: &Trouble| has_to_succeed || trouble.may_happen_before_the_pivot(is_until_answered);
    troubles.iter().copied().filter(may_happen)
}

fn commands_of<D>(definition: &Definition<D>) -> impl Iterator<Item = String> {
    definition.steps().flat_map(|step| {
        let forward = step.participant.map(|_| format!("{}/do", step.name));
        forward.into_iter().chain(step.undone_by.map(|_| format!("{}/undo", step.name)))
    })
}
