//! One record of history as lines: first what happened, then what was done about it.

use contracts::{Direction, Outcome as Answered, ReplyData};
use serde_json::json;

use super::HistoryView;
use crate::{Action, Decision, Definition, Input, Note, Record, StuckWhy};

pub(super) fn lines<D>(definition: &Definition<D>, record: &Record) -> impl Iterator<Item = HistoryView> {
    let input = input_line(definition, record);
    input.into_iter().chain(record.effects.iter().map(|note| note_line(record, note)))
}

fn line(record: &Record, event: &'static str) -> HistoryView {
    let Record { seq, at, .. } = *record;
    HistoryView { seq, at, step: None, event, attempt: None, detail: None, payload: None }
}

/// None for the passing of time: what was done about it tells enough.
fn input_line<D>(definition: &Definition<D>, record: &Record) -> Option<HistoryView> {
    Some(match &record.input {
        Input::Wake => return None,
        Input::Begin => line(record, "begun"),
        Input::Cancel => line(record, "cancel_asked"),
        Input::Reply { step, direction, attempt, reply } => HistoryView {
            step: Some(step.clone()),
            attempt: Some(*attempt),
            detail: reply.code.clone(),
            payload: reply.body.as_deref().and_then(|body| serde_json::from_str(body.get()).ok()),
            ..line(record, answer_event(*direction, heard(definition, step, *direction, reply)))
        },
        Input::Operator { action, by, reason } => {
            let (event, step, result) = match action {
                Action::Pause(_) => ("paused", None, None),
                Action::Resume(_) => ("resumed", None, None),
                Action::Retry => ("operator_retry", None, None),
                Action::Skip { step, result } => ("operator_skip", step.clone(), result.as_deref()),
                Action::Cancel => ("operator_cancel", None, None),
                Action::Abandon => ("operator_abandon", None, None),
            };
            let mut payload = json!({ "by": by, "reason": reason });
            if let Some(result) = result {
                payload["result"] = json!(result);
            }
            let detail = match action {
                Action::Pause(by) | Action::Resume(by) => Some(by.to_string()),
                _ => None,
            };
            HistoryView { step, detail, payload: Some(payload), ..line(record, event) }
        }
    })
}

/// As what an answer was heard: `done` with a body that cannot be read is a fault.
pub(super) fn heard<D>(
    definition: &Definition<D>,
    step: &str,
    direction: Direction,
    reply: &ReplyData,
) -> Answered {
    let is_readable =
        || definition.command(step, direction).is_some_and(|command| (command.check)(reply).is_ok());
    match reply.outcome {
        Answered::Done if !is_readable() => Answered::Fault,
        outcome => outcome,
    }
}

fn answer_event(direction: Direction, heard: Answered) -> &'static str {
    match (direction, heard) {
        (Direction::Do, Answered::Done) => "done",
        (Direction::Do, Answered::Refused) => "refused",
        (Direction::Do, Answered::Fault) => "fault",
        (Direction::Undo, Answered::Done) => "undone",
        (Direction::Undo, Answered::Refused) => "undo_refused",
        (Direction::Undo, Answered::Fault) => "undo_fault",
    }
}

fn note_line(record: &Record, note: &Note) -> HistoryView {
    match note {
        Note::Sent(step, direction, attempt) => {
            let event = if *direction == Direction::Do { "sent" } else { "undo_sent" };
            HistoryView { step: Some(step.clone()), attempt: Some(*attempt), ..line(record, event) }
        }
        Note::Published(event_type) => {
            HistoryView { detail: Some(event_type.clone()), ..line(record, "published") }
        }
        Note::Decided(Decision::Confirmed) => line(record, "confirmed"),
        Note::Decided(Decision::TurnedBack(cause)) => HistoryView {
            step: cause.step.clone(),
            detail: Some(cause.code.clone()),
            payload: cause.detail.clone(),
            ..line(record, "turning_back")
        },
        Note::Finished(outcome) => {
            HistoryView { detail: Some(outcome.status().as_str().to_owned()), ..line(record, "finished") }
        }
        Note::Stuck(step, _, why) => {
            let detail = match why {
                StuckWhy::Unanswered => "unanswered",
                StuckWhy::Refused(code) => code,
            };
            HistoryView { step: Some(step.clone()), detail: Some(detail.to_owned()), ..line(record, "stuck") }
        }
        Note::Healed => line(record, "healed"),
    }
}
