//! Going forward: refusals, silence, the deadline, the pivot.

use chrono::TimeDelta;
use contracts::Direction::Do;
use contracts::ReplyData;
use saga::{Input, Status};

use crate::order::{Order, garbled, refused, start};
use crate::story::Story;
#[test]
fn done_sends_the_next_step_until_the_pivot_sends_the_whole_tail() {
    let mut story = Story::of(Order::of_items());
    assert_eq!(story.give(&Input::Begin), ["send reserve_stock/do #1"]);
    assert_eq!(story.done_next(), ["send check_address/do #1"]);
    assert_eq!(story.saga.data.total, 700, "learned from the reply");
    assert_eq!(story.done_next(), ["send reserve_funds/do #1"]);
    assert_eq!(
        story.done_next(),
        [
            "publish order.order_confirmed.v1",
            "decided: confirmed",
            "send capture_funds/do #1",
            "send schedule_delivery/do #1",
            "send notify_joy/do #1"
        ]
    );
    assert_eq!(story.saga.status(), Status::Tail);
    assert_eq!(story.done("notify_joy", Do), [""; 0]);
    assert_eq!(story.done("capture_funds", Do), [""; 0]);
    assert_eq!(story.waits(), ["schedule_delivery/do"]);
    assert_eq!(story.done("schedule_delivery", Do), ["finished: completed"]);
    assert_eq!((story.saga.status(), story.saga.wake_at), (Status::Completed, None));
}

#[test]
fn steps_that_are_not_needed_are_left_out() {
    let mut story = Story::of(Order::of_price());
    assert_eq!(story.give(&Input::Begin), ["send check_address/do #1"]);
    story.done_next();
    story.done_next();
    assert_eq!(story.waits(), ["capture_funds/do", "notify_joy/do"]);
}

#[test]
fn refused_undoes_the_steps_before_and_not_itself() {
    let mut story = Story::waiting_for("reserve_funds");
    assert_eq!(
        story.reply("reserve_funds", Do, refused("insufficient_funds")),
        ["decided: turn back, insufficient_funds", "send reserve_stock/undo #1"]
    );
    let cause = story.saga.cause().unwrap();
    assert_eq!(cause.step.as_deref(), Some("reserve_funds"));
    assert_eq!(cause.detail, Some(serde_json::json!({ "available": 5 })));
    assert_eq!(story.saga.status(), Status::Compensating);
}

#[test]
fn refused_with_nothing_to_undo_goes_to_the_rejections_tail() {
    let mut story = Story::waiting_for("reserve_stock");
    assert_eq!(
        story.reply("reserve_stock", Do, refused("out_of_stock")),
        ["decided: turn back, out_of_stock", "publish order.order_rejected.v1", "send notify_sorrow/do #1"]
    );
    assert_eq!(story.done_next(), ["finished: turned back, out_of_stock"]);
    assert_eq!(story.saga.status(), Status::Rejected);
}

#[test]
fn a_do_answered_as_cancelled_is_a_refusal_and_no_cancelling() {
    let mut story = Story::waiting_for("reserve_stock");
    story.reply("reserve_stock", Do, contracts::Reply::<contracts::stock::ReserveStock>::Cancelled.into());
    story.done_next();
    assert_eq!(story.saga.status(), Status::Rejected);
}

#[test]
fn a_fault_is_recorded_once_an_asking_and_asked_again_at_the_backoff() {
    let mut story = Story::waiting_for("reserve_stock");
    let wake_at = story.saga.wake_at;
    assert_eq!(story.reply("reserve_stock", Do, ReplyData::fault("disk")), [""; 0]);
    assert_eq!((story.saga.seq, story.saga.wake_at), (2, wake_at));
    let repeated = story.reply("reserve_stock", Do, ReplyData::fault("disk"));
    assert_eq!(repeated, ["ignored: this asking was answered already"]);
    assert_eq!(story.wake(), ["send reserve_stock/do #2"]);
    assert_eq!(story.reply("reserve_stock", Do, ReplyData::fault("disk")), [""; 0]);
    assert_eq!(story.done_next(), ["send check_address/do #1"], "a fault settles nothing");
}

#[test]
fn a_body_that_cannot_be_read_is_a_fault() {
    let mut story = Story::waiting_for("reserve_stock");
    assert_eq!(story.reply("reserve_stock", Do, garbled()), [""; 0]);
    assert_eq!(story.saga.data, Order::of_items(), "nothing is learned");
    assert_eq!(story.wake(), ["send reserve_stock/do #2"]);
}

#[test]
fn silence_is_asked_again_with_the_same_id_at_growing_waits() {
    let mut story = Story::waiting_for("reserve_stock");
    let mut waits_ms = vec![];
    for attempt in 2..=5 {
        let asked_at = story.now;
        assert_eq!(story.wake(), [format!("send reserve_stock/do #{attempt}")]);
        waits_ms.push((story.now - asked_at).num_milliseconds());
    }
    for (wait_ms, full_ms) in waits_ms.iter().zip([5_000, 10_000, 20_000, 40_000]) {
        assert!((full_ms * 4 / 5..=full_ms).contains(wait_ms), "{waits_ms:?}");
    }
}

#[test]
fn a_wake_before_its_time_is_ignored() {
    let mut story = Story::waiting_for("reserve_stock");
    assert_eq!(story.give(&Input::Wake), ["ignored: the wake time lies ahead"]);
}

#[test]
fn at_the_deadline_the_step_of_unknown_outcome_is_undone_too() {
    let mut story = Story::waiting_for("reserve_funds");
    let mut effects = vec![];
    for _ in 0..100 {
        if !story.saga.decided() {
            effects = story.wake();
        }
    }
    assert_eq!(story.now, story.saga.deadline_at, "noticed when it passes");
    assert_eq!(effects, ["decided: turn back, timed_out", "send reserve_funds/undo #1"]);
}

#[test]
fn a_reply_after_the_deadline_is_learned_and_undone() {
    let mut story = Story::waiting_for("reserve_stock");
    story.now = story.saga.deadline_at;
    assert_eq!(story.done_next(), ["decided: turn back, timed_out", "send reserve_stock/undo #1"]);
    assert_eq!(story.saga.data.total, 700);
}

#[test]
fn the_pivot_checks_the_deadline_and_then_its_condition() {
    let mut late = Story::waiting_for("reserve_funds");
    late.now = late.saga.deadline_at;
    assert_eq!(late.done_next(), ["decided: turn back, timed_out", "send reserve_funds/undo #1"]);

    let mut expiring = Story::waiting_for("reserve_funds");
    let hold = contracts::billing::FundsReserved {
        hold_id: uuid::Uuid::nil(),
        expires_at: start() + TimeDelta::hours(23),
    };
    let reply = crate::order::done::<contracts::billing::ReserveFunds>(hold);
    assert_eq!(
        expiring.reply("reserve_funds", Do, reply),
        ["decided: turn back, timed_out", "send reserve_funds/undo #1"]
    );
}

#[test]
fn cancelling_undoes_from_the_step_itself() {
    let mut story = Story::waiting_for("reserve_funds");
    assert_eq!(story.give(&Input::Cancel), ["decided: turn back, cancelled", "send reserve_funds/undo #1"]);
    assert_eq!(story.done_next(), ["send reserve_stock/undo #1"]);
    assert_eq!(story.done_next(), ["publish order.order_cancelled.v1", "send notify_sorrow/do #1"]);
    assert_eq!(story.done_next(), ["finished: turned back, cancelled"]);
    assert_eq!(story.saga.status(), Status::Cancelled);
}
