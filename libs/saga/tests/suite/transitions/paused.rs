//! A saga whose time stands still: it learns and moves, and sends nothing until it is resumed.

use chrono::TimeDelta;
use contracts::Direction::{Do, Undo};
use saga::{Action, Input, PausedBy, Status, allowed_actions};

use crate::order::{Order, healthy, refused};
use crate::story::Story;

const STOOD_STILL: TimeDelta = TimeDelta::minutes(30);

fn pause() -> Action {
    Action::Pause(PausedBy::Saga)
}

fn resume() -> Action {
    Action::Resume(PausedBy::Saga)
}

fn billing() -> PausedBy {
    PausedBy::Participant("billing".to_owned())
}

#[test]
fn a_paused_saga_is_not_asked_for_and_goes_on_where_it_stopped() {
    let mut story = Story::waiting_for("reserve_stock");
    let (due, deadline) = (story.saga.wake_at.unwrap(), story.saga.deadline_at);
    assert_eq!(story.operator(pause()), [""; 0]);
    story.now += STOOD_STILL;
    assert_eq!(story.give(&Input::Wake), ["ignored: the wake time lies ahead"]);
    assert_eq!(story.operator(resume()), [""; 0]);
    assert_eq!(story.saga.wake_at.unwrap(), due + STOOD_STILL);
    assert_eq!(story.saga.deadline_at, deadline + STOOD_STILL);
    assert_eq!(story.wake(), ["send reserve_stock/do #2"]);
}

#[test]
fn an_answer_is_learned_and_what_follows_is_sent_on_resuming() {
    let mut story = Story::waiting_for("reserve_stock");
    story.operator(pause());
    story.now += STOOD_STILL;
    assert_eq!(story.done_next(), [""; 0]);
    assert_eq!(story.saga.data.total, 700);
    assert_eq!(story.waits(), ["check_address/do"]);
    assert_eq!(story.saga.stood_still(story.now), STOOD_STILL);
    story.now += STOOD_STILL;
    assert_eq!(story.operator(resume()), ["send check_address/do #1"]);
    story.now += STOOD_STILL;
    assert_eq!(story.saga.stood_still(story.now), STOOD_STILL * 2, "what comes behind a pause is not in it");
    story.operator(pause());
    story.now += STOOD_STILL;
    story.operator(resume());
    assert_eq!(story.saga.stood_still(story.now), STOOD_STILL * 3, "nor is what was between two");
    let deadline = story.history[0].at + story.definition.deadline().unwrap() + STOOD_STILL * 3;
    assert_eq!(story.saga.deadline_at, deadline);
}

#[test]
fn the_deadline_does_not_pass_while_time_stands_still() {
    let mut story = Story::waiting_for("reserve_stock");
    story.operator(pause());
    story.now = story.saga.deadline_at + TimeDelta::hours(1);
    story.done_next();
    assert_eq!(story.saga.status(), Status::Running);
    assert_eq!(story.operator(resume()), ["send check_address/do #1"]);
}

#[test]
fn what_was_late_already_turns_back_on_resuming() {
    let mut story = Story::waiting_for("reserve_stock");
    story.now = story.saga.deadline_at + TimeDelta::seconds(1);
    story.operator(pause());
    assert_eq!(story.done_next(), ["decided: turn back, timed_out"]);
    story.now += STOOD_STILL;
    assert_eq!(story.operator(resume()), ["send reserve_stock/undo #1"]);
}

#[test]
fn the_pivot_is_passed_and_the_tail_waits() {
    let mut story = Story::waiting_for("reserve_funds");
    story.operator(pause());
    assert_eq!(story.done_next(), ["publish order.order_confirmed.v1", "decided: confirmed"]);
    assert_eq!(
        story.operator(resume()),
        ["send capture_funds/do #1", "send schedule_delivery/do #1", "send notify_joy/do #1"]
    );
}

#[test]
fn cancelling_and_refusals_turn_back_and_the_undo_waits() {
    let mut cancelled = Story::waiting_for("reserve_stock");
    cancelled.operator(pause());
    assert_eq!(cancelled.give(&Input::Cancel), ["decided: turn back, cancelled"]);
    assert_eq!(cancelled.operator(resume()), ["send reserve_stock/undo #1"]);
    let mut refusing = Story::waiting_for("reserve_funds");
    refusing.operator(pause());
    refusing.reply("reserve_funds", Do, refused("insufficient_funds"));
    assert_eq!(refusing.operator(resume()), ["send reserve_stock/undo #1"]);
}

#[test]
fn the_last_answer_ends_it_and_the_pause() {
    let mut story = Story::undoing("reserve_stock", "reserve_stock");
    story.reply("reserve_stock", Undo, healthy("reserve_stock", Undo));
    story.operator(pause());
    story.now += STOOD_STILL;
    story.done_next();
    assert!(story.saga.is_final());
    assert_eq!(story.saga.stood_still(story.now), STOOD_STILL);
    assert_eq!(story.saga.paused, None);
    assert_eq!(story.operator(resume()), ["ignored: the saga has ended"]);
}

#[test]
fn a_saga_may_be_paused_before_it_begins() {
    let mut story = Story::of(Order::of_items());
    assert_eq!(story.operator(Action::Pause(PausedBy::Workflow)), [""; 0]);
    assert_eq!(story.give(&Input::Begin), [""; 0]);
    assert_eq!(story.give(&Input::Begin), ["ignored: the saga has begun already"]);
    story.now += STOOD_STILL;
    assert_eq!(story.operator(Action::Resume(PausedBy::Workflow)), ["send reserve_stock/do #1"]);
}

#[test]
fn only_what_paused_it_resumes_it() {
    let mut story = Story::waiting_for("reserve_stock");
    assert_eq!(story.operator(resume()), ["ignored: the saga is not paused"]);
    story.operator(Action::Pause(billing()));
    let by_another = ["ignored: its workflow, or the participant it waits for, is paused: resume that"];
    assert_eq!(story.operator(resume()), by_another);
    assert!(allowed_actions(&story.saga).contains(&"pause"), "an operator may take the pause over");
    let since = story.saga.paused.clone().unwrap().since;
    story.now += STOOD_STILL;
    story.operator(pause());
    assert_eq!(story.saga.paused.clone().unwrap().since, since, "it stands still since then");
    assert_eq!(story.operator(Action::Resume(billing())), by_another);
    assert_eq!(story.operator(pause()), ["ignored: the saga is paused already"]);
    assert_eq!(story.operator(Action::Retry), ["ignored: the saga is paused: resume it first"]);
    assert_eq!(story.operator(resume()), [""; 0]);
}
