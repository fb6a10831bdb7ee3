//! What changes nothing, and why.

use contracts::Direction::{Do, Undo};
use saga::{Action, Input};

use crate::order::{Order, healthy};
use crate::story::Story;
#[test]
fn replies_of_another_step_or_direction() {
    let mut story = Story::waiting_for("reserve_funds");
    let other_step = ["ignored: the saga does not wait for this step"];
    assert_eq!(story.done("reserve_stock", Do), other_step, "answered already");
    assert_eq!(story.done("capture_funds", Do), other_step);
    assert_eq!(
        story.done("reserve_funds", Undo),
        ["ignored: the saga waits for this step in the other direction"]
    );
    assert_eq!(story.done("reserve_moon", Do), ["ignored: no step has this name"]);
    story.give(&Input::Cancel);
    assert_eq!(
        story.done("reserve_funds", Do),
        ["ignored: the saga waits for this step in the other direction"]
    );
}

#[test]
fn everything_before_the_beginning_and_a_second_beginning() {
    let mut story = Story::of(Order::of_items());
    assert_eq!(story.waits(), [""; 0]);
    assert_eq!(story.done("reserve_stock", Do), ["ignored: the saga has not begun"]);
    assert_eq!(story.give(&Input::Cancel), ["ignored: the saga has not begun"]);
    story.give(&Input::Begin);
    assert_eq!(story.give(&Input::Begin), ["ignored: the saga has begun already"]);
}

#[test]
fn everything_after_the_end() {
    let mut story = Story::waiting_for("capture_funds");
    story.operator(Action::Abandon);
    let ended = ["ignored: the saga has ended"];
    assert_eq!(story.done("capture_funds", Do), ended);
    assert_eq!(story.give(&Input::Begin), ended);
    assert_eq!(story.give(&Input::Wake), ended);
    assert_eq!(story.give(&Input::Cancel), ended);
    assert_eq!(story.operator(Action::Retry), ended);
}

#[test]
fn the_attempt_of_a_reply_is_of_no_matter() {
    let mut story = Story::waiting_for("reserve_stock");
    story.wake();
    story.wake();
    let reply = healthy("reserve_stock", Do);
    let first = Input::Reply { step: "reserve_stock".to_owned(), direction: Do, attempt: 1, reply };
    assert_eq!(story.give(&first), ["send check_address/do #1"]);
}
