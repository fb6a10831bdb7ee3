//! What must not compile does not, and what must not be built is refused at the first start.

use contracts::billing::ReleaseFunds;
use contracts::order::OrderCancelled;
use saga::{Definition, Pace, Saga};
use uuid::Uuid;

#[test]
fn the_types_enforce_the_order_of_a_declaration() {
    let cases = trybuild::TestCases::new();
    cases.pass("tests/declarations/well_formed.rs");
    for case in [
        "learning_from_another_reply",
        "no_rejection",
        "refusable_rejection_tail",
        "refusable_tail",
        "refusable_undo",
        "step_after_the_pivot",
        "step_without_undo",
        "two_pivots",
        "undo_after_the_pivot",
    ] {
        cases.compile_fail(format!("tests/declarations/{case}.rs"));
    }
}

fn with_tail(names: &[&'static str], pace: Pace) -> Definition<()> {
    let release = |(): &()| ReleaseFunds { order_id: Uuid::nil() };
    let first = Saga::named("test", 1)
        .paced(pace)
        .pivot(|(): &()| OrderCancelled { order_id: Uuid::nil() })
        .tail("first", release);
    let all = names.iter().fold(first, |tail, name| tail.tail(name, release));
    all.otherwise(|(), _| OrderCancelled { order_id: Uuid::nil() }).build()
}

#[test]
#[should_panic(expected = "two steps are called \"first\"")]
fn two_steps_of_one_name_are_refused() {
    with_tail(&["first"], Pace::default());
}

#[test]
#[should_panic(expected = "two steps are called \"pivot\"")]
fn no_step_is_called_pivot() {
    with_tail(&["pivot"], Pace::default());
}

#[test]
#[should_panic(expected = "65 steps of a kind are too many")]
fn more_steps_than_a_set_can_tell_apart_are_refused() {
    let names: Vec<&'static str> = (0..64).map(|number| &*format!("step_{number}").leak()).collect();
    with_tail(&names, Pace::default());
}

#[test]
#[should_panic(expected = "waits must grow")]
fn a_pace_that_would_loop_hot_is_refused() {
    with_tail(&[], Pace { first_wait_ms: 0, ..Pace::default() });
}

#[test]
fn a_definition_lists_its_steps_and_participants() {
    let definition = crate::order::definition();
    let steps: Vec<_> =
        definition.steps().map(|step| (step.name, step.participant, step.undone_by)).collect();
    assert_eq!(
        steps,
        [
            ("reserve_stock", Some("stock"), Some("stock")),
            ("check_address", Some("delivery"), None),
            ("reserve_funds", Some("billing"), Some("billing")),
            ("pivot", None, None),
            ("capture_funds", Some("billing"), None),
            ("schedule_delivery", Some("delivery"), None),
            ("notify_joy", Some("notification"), None),
            ("notify_sorrow", Some("notification"), None),
        ]
    );
    assert_eq!(definition.participants(), ["billing", "delivery", "notification", "stock"]);
    assert_eq!((definition.name(), definition.version()), ("order", 1));
}
