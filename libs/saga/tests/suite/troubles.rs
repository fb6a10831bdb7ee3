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
