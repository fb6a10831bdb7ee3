//! After the decision: all at once, until done.

use contracts::Direction::Do;
use saga::Input;

use crate::order::{garbled, refused};
use crate::story::Story;
#[test]
fn a_wake_asks_all_that_still_wait() {
    let mut story = Story::waiting_for("capture_funds");
    story.done("schedule_delivery", Do);
    assert_eq!(story.wake(), ["send capture_funds/do #2", "send notify_joy/do #2"]);
}

#[test]
fn the_mark_stays_until_the_last_stuck_step_is_done() {
    let mut story = Story::waiting_for("capture_funds");
    assert_eq!(
        story.reply("capture_funds", Do, refused("hold_expired")),
        ["stuck capture_funds/do, hold_expired"]
    );
    let stuck_since = story.saga.stuck_since;
    assert_eq!(story.reply("notify_joy", Do, refused("no_paper")), ["stuck notify_joy/do, no_paper"]);
    assert_eq!(story.done("schedule_delivery", Do), [""; 0]);
    assert_eq!(story.done("notify_joy", Do), [""; 0]);
    assert_eq!(story.saga.stuck_since, stuck_since);
    assert_eq!(story.done("capture_funds", Do), ["healed", "finished: completed"]);
}

#[test]
fn silence_marks_all_that_wait() {
    let mut story = Story::waiting_for("capture_funds");
    story.done("schedule_delivery", Do);
    for _ in 2..=10 {
        story.wake();
    }
    assert_eq!(
        story.wake(),
        [
            "stuck capture_funds/do",
            "stuck notify_joy/do",
            "send capture_funds/do #11",
            "send notify_joy/do #11"
        ]
    );
}

#[test]
fn a_body_that_cannot_be_read_does_not_end_a_step() {
    let mut story = Story::waiting_for("capture_funds");
    assert_eq!(story.reply("capture_funds", Do, garbled()), [""; 0]);
    assert!(story.waits().contains(&"capture_funds/do".to_owned()));
}

#[test]
fn cancelling_comes_too_late() {
    let mut story = Story::waiting_for("capture_funds");
    let effects = story.give(&Input::Cancel);
    assert_eq!(effects, ["ignored: the saga has passed its pivot, it can only go forward"]);
}
