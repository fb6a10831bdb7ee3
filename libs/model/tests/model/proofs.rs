//! Everything holds, and everything that should be possible is.

use crate::check::check;
use crate::model::Bounds;

/// Money and stock for one of the orders, and for both.
const SHORT: Bounds = Bounds { money: &[20, 30], pieces: &[2, 3], faults: false, cancels: true };
/// From what suffices for none to what suffices for both.
const FULL: Bounds = Bounds { money: &[0, 10, 20, 30], pieces: &[0, 1, 2, 3], faults: true, cancels: true };

fn holds(bounds: Bounds) {
    let found = check(bounds);
    assert!(found.broken.is_empty(), "{:#?}", found.broken);
    assert!(found.never_seen.is_empty(), "{:?}", found.never_seen);
}

#[test]
fn all_that_must_hold_holds() {
    holds(SHORT);
}

#[test]
#[ignore = "long: make proof"]
fn all_that_must_hold_holds_within_the_full_bounds() {
    holds(FULL);
}
