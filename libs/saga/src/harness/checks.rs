//! What must always be true of a saga, checked from outside: by what it sent and what stands at the
//! participants.

use chrono::TimeDelta;
use contracts::{Direction, command_id};
use serde::Serialize;

use super::Violation;
use super::plan::Trouble;
use super::run::{Run, name_of};
use crate::{
    Decision, Effect, Input, Instance, Phase, State, StepInfo, StepKind, StepStatus, describe, ignored,
    replay,
};

type Checked = Result<(), Violation>;

impl<D: Clone + Serialize> Run<'_, D> {
    fn must(&self, holds: bool, what: &str) -> Checked {
        if holds { Ok(()) } else { Err(self.violation(what)) }
    }

    fn must_equal(&self, left: &impl Serialize, right: &impl Serialize, what: &str) -> Checked {
        self.must(serde_json::to_value(left).ok() == serde_json::to_value(right).ok(), what)
    }
}

/// After every input: the row says all that is needed to go on, and nothing is sent that must not be.
pub(super) fn after_input<D: Clone + Serialize>(
    run: &Run<'_, D>,
    before: &Instance<D>,
    effects: &[Effect],
) -> Checked {
    let saga = &run.instance;
    let row = serde_json::to_string(&saga.state).and_then(|row| serde_json::from_str::<State>(&row));
    run.must(row.ok().as_ref() == Some(&saga.state), "its state does not survive its row")?;
    run.must(saga.wake_at.is_some() != saga.is_final(), "it is woken exactly while it has not ended")?;
    run.must(
        saga.decided() || saga.wake_at.is_some_and(|at| at <= saga.deadline_at),
        "its deadline passes unnoticed",
    )?;
    run.must(saga.stuck_since.is_some() != saga.stuck.is_empty(), "stuck without a stuck step")?;
    run.must(saga.paused.is_none() || !effects.iter().any(is_send), "it sends while its time stands still")?;
    if ignored(effects).is_some() {
        run.must(saga.state == before.state, "an ignored input changed its state")?;
        return run.must_equal(&saga.data, &before.data, "an ignored input changed its data");
    }
    run.must(!before.is_final(), "an ended saga did not ignore an input")?;
    run.must(saga.seq == before.seq + 1, "a decided input is not numbered")?;
    let mut decided = run.decided.as_ref().map(|(_, decision)| decision.clone());
    for effect in effects {
        match effect {
            Effect::Decided(decision) => {
                run.must(decided.replace(decision.clone()).is_none(), "it decided twice")?;
            }
            Effect::Send(command) => {
                let id = command_id(saga.id, command.step, command.direction);
                run.must(command.command_id == id, "a command changed its id")?;
                let info = run.setting.definition.steps().find(|step| step.name == command.step);
                run.must(
                    info.is_some_and(|step| may_send(step, command.direction, decided.as_ref())),
                    "it sent what its decision forbids",
                )?;
            }
            _ => {}
        }
    }
    Ok(())
}

fn is_send(effect: &Effect) -> bool {
    matches!(effect, Effect::Send(_))
}

fn may_send(step: StepInfo, direction: Direction, decided: Option<&Decision>) -> bool {
    match (step.kind, direction) {
        (StepKind::Compensatable, Direction::Do) => decided.is_none(),
        (StepKind::Compensatable, Direction::Undo) => matches!(decided, Some(Decision::TurnedBack(_))),
        (StepKind::Tail, Direction::Do) if step.on_rejection => {
            matches!(decided, Some(Decision::TurnedBack(_)))
        }
        (StepKind::Tail, Direction::Do) => matches!(decided, Some(Decision::Confirmed)),
        _ => false,
    }
}

/// A saga that did not end in time: the step in trouble, and it alone, is marked, and still asked.
pub(super) fn is_stuck_and_asked<D: Clone + Serialize>(run: &Run<'_, D>) -> Checked {
    let Some((troubled, _)) = run.plan.trouble.filter(|(_, trouble)| trouble.is_long()) else {
        return run.must(false, "it did not end in time");
    };
    let waiting: Vec<_> = run.instance.waiting(run.setting.definition).collect();
    let is_it_alone =
        matches!(waiting[..], [only] if (only.step, only.direction) == (troubled.step, troubled.direction));
    run.must(is_it_alone, "it waits for more than the step in trouble")?;
    run.must(run.instance.stuck_since.is_some(), "a step without success is not marked as stuck")?;
    let max_wait = TimeDelta::milliseconds(run.setting.definition.pace().max_wait_ms.into());
    let last = run.sent.iter().rev().find(|(_, command)| name_of(command) == troubled);
    run.must(last.is_some_and(|(at, _)| run.now - *at <= max_wait), "a stuck step is no longer asked")
}

/// Without any trouble, what healthy participants answer satisfies every step at its first asking:
/// otherwise `answer` and the steps speak of different types.
pub(super) fn was_answered_at_once<D: Clone + Serialize>(run: &Run<'_, D>) -> Checked {
    let again = run.sent.iter().find(|(_, command)| command.attempt > 1);
    match again {
        None => Ok(()),
        Some((_, command)) => {
            let name = name_of(command);
            Err(run.violation(format!("{name} was asked again though its participant is healthy")))
        }
    }
}

/// At the end: it ended as it had to, what stands at the participants fits that, and the history
/// makes the same saga.
pub(super) fn at_the_end<D: Clone + Serialize>(run: &Run<'_, D>, expected: Option<&str>) -> Checked {
    run.must(run.instance.is_final(), "it did not end")?;
    if let Some(expected) = expected {
        ended_as(run, expected)?;
    }
    stands_as_decided(run)?;
    undone_in_reverse(run)?;
    asked_within_bounds(run)?;
    let again = replay(run.setting.definition, run.instance.id, run.setting.data.clone(), &run.history);
    run.must(again.state == run.instance.state, "its history replays to another state")?;
    run.must_equal(&again.data, &run.instance.data, "its history replays to other data")?;
    let unfinished = [StepStatus::Waiting, StepStatus::Undoing];
    let view = describe(run.setting.definition, &run.instance, &run.history);
    run.must(
        view.steps.iter().all(|step| !unfinished.contains(&step.status)),
        "its view shows unfinished steps",
    )
}

fn ended_as<D: Clone + Serialize>(run: &Run<'_, D>, expected: &str) -> Checked {
    let ending = run.ending();
    let is_late = run.decided.as_ref().is_some_and(|(at, _)| run.instance.deadline_at <= *at);
    let may_be_late = ending == crate::Cause::TIMED_OUT && is_late;
    run.must(ending == expected || may_be_late, &format!("it ended as {ending} in place of {expected}"))?;
    let makes_stuck =
        run.plan.trouble.is_some_and(|(_, trouble)| trouble.is_long() || trouble == Trouble::Refused);
    run.must(run.was_stuck == makes_stuck, "stuck steps are marked, and no others")
}

/// Confirmed: all that was asked for stands. Turned back: nothing does that can be undone, also not
/// what was done without an answer. Either way its tail stands, each step once.
fn stands_as_decided<D: Clone + Serialize>(run: &Run<'_, D>) -> Checked {
    let standing = &run.participants.standing;
    let turned_back = matches!(run.decided, Some((_, Decision::TurnedBack(_))));
    for step in run.setting.definition.steps() {
        let times = standing.iter().filter(|name| **name == step.name).count();
        let asked = run.sent.iter().any(|(_, command)| command.step == step.name);
        let fits = match step.kind {
            StepKind::Compensatable if turned_back => step.undone_by.is_none() || times == 0,
            _ => times == usize::from(asked),
        };
        run.must(fits, &format!("{} stands {times} times at the end", step.name))?;
    }
    run.must(turned_back || run.participants.undone.is_empty(), "something is undone after the pivot")
}

/// Undos go in the reverse order of the steps, and leave out none that may be done.
fn undone_in_reverse<D: Clone + Serialize>(run: &Run<'_, D>) -> Checked {
    if !matches!(run.decided, Some((_, Decision::TurnedBack(_)))) {
        return Ok(());
    }
    let refused = match &run.instance.phase {
        Phase::Final(crate::Outcome::TurnedBack(cause)) => cause.step.clone(),
        _ => None,
    };
    let can_be_undone =
        |name: &str| run.setting.definition.steps().any(|step| step.name == name && step.undone_by.is_some());
    let mut expected = run.steps_done();
    expected.retain(|step| can_be_undone(step) && refused.as_deref() != Some(step));
    expected.reverse();
    run.must(
        run.participants.undone == expected,
        &format!("undone {:?} in place of {expected:?}", run.participants.undone),
    )
}

/// No command is asked for more often than its pace allows, and no failure costs more rows than askings.
fn asked_within_bounds<D: Clone + Serialize>(run: &Run<'_, D>) -> Checked {
    let shortest_ms = i64::from(run.setting.definition.pace().first_wait_ms) * 4 / 5;
    for name in run.commands() {
        let times: Vec<_> =
            run.sent.iter().filter(|(_, sent)| name_of(sent) == name).map(|(at, _)| *at).collect();
        let is_paced = times.windows(2).all(|pair| pair[1] - pair[0] >= TimeDelta::milliseconds(shortest_ms));
        run.must(is_paced, &format!("{name} is asked for too often"))?;
        let answers = run.history.iter().filter(|record| match &record.input {
            Input::Reply { step, direction, .. } => step == name.step && *direction == name.direction,
            _ => false,
        });
        run.must(
            answers.count() <= times.len(),
            &format!("{name} has more answers in history than askings"),
        )?;
    }
    Ok(())
}
