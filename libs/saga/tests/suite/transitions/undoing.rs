//! Turning back: it has to succeed.

use contracts::Direction::Undo;
use contracts::ReplyData;
use saga::Input;

use crate::order::refused;
use crate::story::Story;
#[test]
fn a_step_with_nothing_to_undo_is_passed_over() {
    let mut story = Story::waiting_for("check_address");
    assert_eq!(story.give(&Input::Cancel), ["decided: turn back, cancelled", "send reserve_stock/undo #1"]);
}

#[test]
fn silence_and_faults_are_asked_again_for_ever_and_marked_after_ten_askings() {
    let mut story = Story::undoing("reserve_funds", "reserve_funds");
    for attempt in 2..=10 {
        story.reply("reserve_funds", Undo, ReplyData::fault("disk"));
        assert_eq!(story.wake(), [format!("send reserve_funds/undo #{attempt}")]);
    }
    assert_eq!(story.wake(), ["stuck reserve_funds/undo", "send reserve_funds/undo #11"]);
    assert_eq!(story.saga.stuck_since, Some(story.now));
    assert_eq!(story.wake(), ["send reserve_funds/undo #12"], "one alert is enough");
    assert_eq!(story.done_next(), ["healed", "send reserve_stock/undo #1"]);
    assert_eq!(story.saga.stuck_since, None);
}

#[test]
fn a_refusal_is_a_broken_contract_stuck_at_once_and_asked_on() {
    let mut story = Story::undoing("reserve_funds", "reserve_funds");
    let effects = story.reply("reserve_funds", Undo, refused("no_way"));
    assert_eq!(effects, ["stuck reserve_funds/undo, no_way"]);
    let repeated = story.reply("reserve_funds", Undo, refused("no_way"));
    assert_eq!(repeated, ["ignored: this asking was answered already"]);
    assert_eq!(story.wake(), ["send reserve_funds/undo #2"]);
    assert_eq!(story.done_next(), ["healed", "send reserve_stock/undo #1"]);
}

#[test]
fn the_deadline_and_cancelling_mean_nothing_any_more() {
    let mut story = Story::undoing("reserve_funds", "reserve_funds");
    assert_eq!(story.give(&Input::Cancel), ["ignored: the saga is turning back already"]);
    story.now = story.saga.deadline_at;
    assert_eq!(story.give(&Input::Wake), ["send reserve_funds/undo #2"]);
}
