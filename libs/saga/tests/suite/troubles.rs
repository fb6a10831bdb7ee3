//! Every trouble at every step of the workflow, by the harness; and that the harness sees mistakes.

use saga::harness::prove;
use serde_json::value::RawValue;

use crate::order::{Order, answer, definition, garbled, start};

#[test]
fn the_order_workflow_gets_through_every_trouble() {
    let coverage = prove(&definition(), &[Order::of_items(), Order::of_price()], start(), answer);
    let coverage = coverage.unwrap_or_else(|violation| panic!("{violation}"));
    assert_eq!(coverage.commands.len(), 9, "{coverage:?}");
}

#[test]
fn a_case_that_is_missing_is_named() {
    let violation = prove(&definition(), &[Order::of_price()], start(), answer).unwrap_err();
    assert_eq!(
        violation.what,
        "never asked for: reserve_stock/do, reserve_stock/undo, schedule_delivery/do; add a case that needs it"
    );
}

#[test]
fn a_participant_that_breaks_its_contract_is_seen() {
    let wrong = |command_type: &str, command: &RawValue| {
        if command_type == "cmd.billing.capture_funds.v1" { garbled() } else { answer(command_type, command) }
    };
    let violation = prove(&definition(), &[Order::of_items()], start(), wrong).unwrap_err();
    assert_eq!(violation.what, "it did not end in time");
    assert!(violation.history.contains("capture_funds"), "{violation}");
}

/// Without items the saga goes on without stock, so that every command is asked for in some case: an
/// answer that does not fit its step must be seen all the same.
#[test]
fn a_healthy_answer_that_does_not_fit_its_step_is_seen_before_the_pivot_too() {
    let wrong = |command_type: &str, command: &RawValue| {
        if command_type == "cmd.stock.reserve_stock.v1" { garbled() } else { answer(command_type, command) }
    };
    let violation =
        prove(&definition(), &[Order::of_items(), Order::of_price()], start(), wrong).unwrap_err();
    assert_eq!(violation.what, "reserve_stock/do was asked again though its participant is healthy");
}
