//! Steps whose outcome has to be known: asked until they are answered.

use chrono::TimeDelta;
use contracts::Direction::Do;
use saga::{Action, Definition, Input, Saga, Status, allowed_actions};

use crate::order::{Order, refused};
use crate::story::Story;

fn definition() -> Definition<Order> {
    Saga::named("until_answered", 1)
        .until_answered()
        .step("reserve_stock", Order::reserve_stock, |_, _| {})
        .nothing_to_undo()
        .pivot(Order::confirmed)
        .tail("notify_joy", Order::joy)
        .otherwise_as_before()
        .build()
}

fn begun() -> Story<Order> {
    let mut story = Story::new(definition(), Order::of_items());
    assert_eq!(story.give(&Input::Begin), ["send reserve_stock/do #1"]);
    story
}

#[test]
fn silence_marks_it_as_stuck_and_never_turns_it_back() {
    let mut story = begun();
    for attempt in 2..=10 {
        assert_eq!(story.wake(), [format!("send reserve_stock/do #{attempt}")]);
    }
    story.now += TimeDelta::days(400);
    assert_eq!(story.wake(), ["stuck reserve_stock/do", "send reserve_stock/do #11"]);
    assert_eq!(story.saga.status(), Status::Running);
}

#[test]
fn an_answer_heals_it_whatever_it_says() {
    for (answer, expected) in [
        (
            crate::order::healthy("reserve_stock", Do),
            &["healed", "publish order.order_confirmed.v1", "decided: confirmed", "send notify_joy/do #1"][..],
        ),
        (
            refused("out_of_stock"),
            &["healed", "decided: turn back, out_of_stock", "finished: turned back, out_of_stock"][..],
        ),
    ] {
        let mut story = begun();
        for _ in 0..12 {
            story.wake();
        }
        assert!(story.saga.stuck_since.is_some());
        assert_eq!(story.reply("reserve_stock", Do, answer), expected);
        assert!(story.saga.stuck_since.is_none());
    }
}

#[test]
fn before_it_is_answered_it_can_be_neither_cancelled_nor_skipped_not_even_when_stuck() {
    let skip = Action::Skip { step: None, result: crate::order::healthy("reserve_stock", Do).body };
    let mut story = begun();
    for _ in 0..12 {
        let before = story.saga.clone();
        let refused =
            ["ignored: the answer to this step alone decides: it can be neither cancelled nor skipped"];
        assert_eq!(story.give(&Input::Cancel), refused);
        assert_eq!(story.operator(skip.clone()), refused);
        assert_eq!(story.saga, before);
        assert_eq!(allowed_actions(&story.saga.state), ["retry", "abandon", "pause"]);
        story.wake();
    }
    assert!(story.saga.stuck_since.is_some());
}
