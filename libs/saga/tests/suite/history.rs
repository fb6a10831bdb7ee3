//! What history keeps, and how it is told.

use chrono::TimeDelta;
use contracts::Direction::{Do, Undo};
use saga::{Action, Input, SagaView, StepStatus, describe, replay};

use crate::order::{Order, healthy, refused};
use crate::story::Story;

fn view(story: &Story<Order>) -> SagaView {
    describe(&story.definition, &story.saga, &story.history)
}

fn statuses(view: &SagaView) -> Vec<(&'static str, StepStatus, u32)> {
    view.steps.iter().map(|step| (step.name, step.status, step.attempts)).collect()
}

#[test]
fn a_record_is_compact_and_keeps_the_input_as_it_came() {
    let mut story = Story::waiting_for("reserve_stock");
    story.done_next();
    let record = serde_json::to_value(&story.history[1]).unwrap();
    let reply = serde_json::to_value(healthy("reserve_stock", Do)).unwrap();
    assert_eq!(
        record,
        serde_json::json!({
            "seq": 2,
            "at": "2026-11-20T12:00:00Z",
            "input": { "reply": { "step": "reserve_stock", "direction": "do", "attempt": 1, "reply": reply } },
            "effects": [{ "sent": ["check_address", "do", 1] }],
        })
    );
}

#[test]
fn a_row_is_compact() {
    let mut story = Story::waiting_for("reserve_stock");
    story.give(&Input::Cancel);
    let row = serde_json::to_value(&story.saga.state).unwrap();
    let micros = |time: contracts::Timestamp| time.timestamp_micros();
    let (deadline_at, wake_at) = (micros(story.saga.deadline_at), story.saga.wake_at.map(micros));
    assert_eq!(
        row,
        serde_json::json!({
            "phase": { "undoing": [0, { "code": "cancelled" }] },
            "possibly_done": 1,
            "attempt": 1,
            "seq": 2,
            "deadline_at": deadline_at,
            "wake_at": wake_at,
        })
    );
}

#[test]
fn times_finer_than_a_database_keeps_make_no_difference() {
    let mut story = Story::of(Order::of_items());
    story.now += TimeDelta::nanoseconds(1_999);
    story.give(&Input::Begin);
    story.done_next();
    let again = replay(&story.definition, story.saga.id, Order::of_items(), &story.history);
    assert_eq!(again.wake_at, story.saga.wake_at);
    assert_eq!(story.history[0].at.timestamp_subsec_nanos(), 1_000);
}

#[test]
fn a_running_saga_shows_what_is_done_what_is_asked_and_what_is_ahead() {
    let mut story = Story::waiting_for("reserve_funds");
    story.wake();
    let view = view(&story);
    assert_eq!(
        statuses(&view),
        [
            ("reserve_stock", StepStatus::Done, 1),
            ("check_address", StepStatus::Done, 1),
            ("reserve_funds", StepStatus::Sent, 2),
            ("pivot", StepStatus::Waiting, 0),
            ("capture_funds", StepStatus::Waiting, 0),
            ("schedule_delivery", StepStatus::Waiting, 0),
            ("notify_joy", StepStatus::Waiting, 0),
        ]
    );
    assert_eq!((view.stuck, view.finished_at), (false, None));
    assert_eq!(view.allowed_actions, ["retry", "skip", "cancel", "abandon", "pause"]);
}

#[test]
fn a_completed_saga_of_a_price_alone_shows_what_was_not_needed() {
    let mut story = Story::of(Order::of_price());
    story.give(&Input::Begin);
    while !story.saga.is_final() {
        story.done_next();
    }
    let view = view(&story);
    let not_needed: Vec<_> = view.steps.iter().filter(|step| step.status == StepStatus::NotNeeded).collect();
    assert_eq!(
        not_needed.iter().map(|step| step.name).collect::<Vec<_>>(),
        ["reserve_stock", "schedule_delivery"]
    );
    assert_eq!(view.steps.iter().filter(|step| step.status == StepStatus::Done).count(), 5);
    assert!(view.steps.iter().all(|step| step.finished_at.is_some() == (step.status == StepStatus::Done)));
    assert_eq!(view.finished_at, Some(story.now));
}

#[test]
fn a_rejected_saga_shows_the_reason_what_was_undone_and_the_other_tail() {
    let mut story = Story::waiting_for("reserve_funds");
    story.reply("reserve_funds", Do, refused("insufficient_funds"));
    story.done_next();
    let view = view(&story);
    assert_eq!(
        statuses(&view),
        [
            ("reserve_stock", StepStatus::Undone, 1),
            ("check_address", StepStatus::Done, 1),
            ("reserve_funds", StepStatus::Refused, 1),
            ("pivot", StepStatus::NotNeeded, 0),
            ("notify_sorrow", StepStatus::Sent, 1),
        ]
    );
    assert_eq!(view.steps[2].reason.as_deref(), Some("insufficient_funds"));
}

#[test]
fn a_stuck_saga_shows_who_refused_and_what_an_operator_did() {
    let mut story = Story::undoing("reserve_stock", "reserve_stock");
    story.reply("reserve_stock", Undo, refused("no_way"));
    let stuck = view(&story);
    assert!(stuck.stuck);
    assert_eq!(stuck.steps[0].status, StepStatus::Undoing);
    assert_eq!(stuck.steps[0].reason.as_deref(), Some("no_way"));
    story.operator(Action::Skip { step: None, result: None });
    let skipped = view(&story);
    assert_eq!(skipped.steps[0].status, StepStatus::Skipped);
    let line = skipped.history.iter().find(|line| line.event == "operator_skip").unwrap();
    assert_eq!(line.payload.as_ref().unwrap()["by"], "olga");
    let line_for_users =
        skipped.without_payloads().history.into_iter().find(|line| line.event == "operator_skip");
    assert_eq!(line_for_users.unwrap().payload, None);
}

#[test]
fn history_is_told_line_by_line() {
    let mut story = Story::waiting_for("reserve_stock");
    story.reply("reserve_stock", Do, crate::order::garbled());
    story.wake();
    story.reply("reserve_stock", Do, refused("out_of_stock"));
    story.done_next();
    let view = view(&story);
    let lines: Vec<_> =
        view.history.iter().map(|line| (line.seq, line.event, line.detail.as_deref())).collect();
    assert_eq!(
        lines,
        [
            (1, "begun", None),
            (1, "sent", None),
            (2, "fault", None),
            (3, "sent", None),
            (4, "refused", Some("out_of_stock")),
            (4, "turning_back", Some("out_of_stock")),
            (4, "published", Some("order.order_rejected.v1")),
            (4, "sent", None),
            (5, "done", None),
            (5, "finished", Some("rejected")),
        ]
    );
    assert_eq!(view.history[3].attempt, Some(2));
}
