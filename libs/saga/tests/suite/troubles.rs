//! Every trouble at every step of the workflow, by the harness; and that the harness sees mistakes.

use saga::harness::prove;

use crate::order::{Order, answer, definition, start};

#[test]
fn the_order_workflow_gets_through_every_trouble() {
    let coverage = prove(&definition(), &[Order::of_items(), Order::of_price()], start(), answer);
    let coverage = coverage.unwrap_or_else(|violation| panic!("{violation}"));
    assert_eq!(coverage.commands.len(), 9, "{coverage:?}");
}
