//! What operators can do, and where it makes no sense.

use chrono::TimeDelta;
use contracts::Direction::{Do, Undo};
use saga::{Action, Input, Outcome, PausedBy, Phase, allowed_actions};

use crate::order::refused;
use crate::story::Story;
fn skip(step: Option<&str>, result: Option<&str>) -> Action {
    let result = result.map(|text| serde_json::from_str(text).unwrap());
    Action::Skip { step: step.map(str::to_owned), result }
}

#[test]
fn retry_asks_now() {
    let mut story = Story::waiting_for("reserve_stock");
    story.now += TimeDelta::seconds(1);
    assert_eq!(story.operator(Action::Retry), ["send reserve_stock/do #2"]);
    assert!(story.saga.wake_at.unwrap() > story.now + TimeDelta::seconds(7), "the backoff goes on");
}

#[test]
fn skipping_a_step_states_its_result_and_it_is_still_undone() {
    let mut story = Story::waiting_for("reserve_stock");
    let does_not_fit = ["ignored: the stated result does not fit the step's reply"];
    assert_eq!(story.operator(skip(None, None)), does_not_fit);
    assert_eq!(story.operator(skip(None, Some("7"))), does_not_fit);
    let result = Some(r#"{"total": 900, "lines": []}"#);
    assert_eq!(story.operator(skip(None, result)), ["send check_address/do #1"]);
    assert_eq!(story.saga.data.total, 900);
    assert_eq!(story.give(&Input::Cancel)[1], "send reserve_stock/undo #1");
}

#[test]
fn what_has_to_succeed_is_skipped_only_when_stuck() {
    let mut story = Story::undoing("reserve_stock", "reserve_stock");
    assert_eq!(story.operator(skip(None, None)), ["ignored: only a stuck step can be skipped here"]);
    story.reply("reserve_stock", Undo, refused("no_way"));
    assert_eq!(
        story.operator(skip(Some("reserve_stock"), None)),
        ["healed", "publish order.order_cancelled.v1", "send notify_sorrow/do #1"]
    );
}

#[test]
fn skipping_in_the_tail_names_the_step() {
    let mut story = Story::waiting_for("capture_funds");
    story.reply("capture_funds", Do, refused("hold_expired"));
    assert_eq!(story.operator(skip(None, None)), ["ignored: several steps are waited for: name one"]);
    assert_eq!(story.operator(skip(Some("reserve_funds"), None)), ["ignored: this step is not waited for"]);
    assert_eq!(
        story.operator(skip(Some("capture_funds"), Some("7"))),
        ["ignored: the stated result does not fit the step's reply"]
    );
    assert_eq!(story.operator(skip(Some("capture_funds"), None)), ["healed"]);
    assert_eq!(story.waits(), ["schedule_delivery/do", "notify_joy/do"]);
}

#[test]
fn cancelling_is_the_users() {
    let mut story = Story::waiting_for("reserve_stock");
    assert_eq!(
        story.operator(Action::Cancel),
        ["decided: turn back, cancelled", "send reserve_stock/undo #1"]
    );
}

#[test]
fn abandoning_stops_without_undoing() {
    let mut story = Story::undoing("reserve_stock", "reserve_stock");
    story.reply("reserve_stock", Undo, refused("no_way"));
    assert_eq!(story.operator(Action::Abandon), ["finished: abandoned"]);
    assert_eq!(story.saga.phase, Phase::Final(Outcome::Abandoned));
    assert_eq!((story.saga.wake_at, story.saga.stuck_since), (None, None));
    assert!(!story.saga.possibly_done.is_empty(), "it is still known what may stand");
}

#[test]
fn the_allowed_actions_are_those_that_are_not_ignored() {
    let mut stuck = Story::waiting_for("capture_funds");
    stuck.reply("capture_funds", Do, refused("hold_expired"));
    let mut ended = Story::waiting_for("capture_funds");
    ended.operator(Action::Abandon);
    let (mut paused, mut held) = (Story::waiting_for("check_address"), Story::waiting_for("check_address"));
    paused.operator(Action::Pause(PausedBy::Saga));
    held.operator(Action::Pause(PausedBy::Workflow));
    for (story, step, result) in [
        (Story::waiting_for("check_address"), "check_address", "null"),
        (Story::undoing("reserve_stock", "reserve_stock"), "reserve_stock", "null"),
        (Story::waiting_for("capture_funds"), "capture_funds", "null"),
        (stuck, "capture_funds", r#"{"entry_id": "00000000-0000-0000-0000-000000000000"}"#),
        (ended, "capture_funds", "null"),
        (paused, "check_address", "null"),
        (held, "check_address", "null"),
    ] {
        let allowed = allowed_actions(&story.saga);
        let saga = story.saga.clone();
        for (name, action) in [
            ("retry", Action::Retry),
            ("skip", skip(Some(step), Some(result))),
            ("cancel", Action::Cancel),
            ("abandon", Action::Abandon),
            ("pause", Action::Pause(PausedBy::Saga)),
            ("resume", Action::Resume(PausedBy::Saga)),
        ] {
            let input = Input::Operator { action, by: String::new(), reason: String::new() };
            let (_, effects) = saga::advance(&story.definition, saga.clone(), &input, story.now);
            assert_eq!(saga::ignored(&effects).is_none(), allowed.contains(&name), "{name} at {step}");
        }
    }
}
