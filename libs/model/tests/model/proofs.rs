//! Everything holds, and everything that should be possible is.

use crate::check::check;
use crate::model::Bounds;

/// Money and stock for one of the orders, and for both.
const SHORT: Bounds =
    Bounds { money: &[20, 30], pieces: &[2, 3], faults: false, cancels: true, pauses: false };
/// From what suffices for none to what suffices for both.
const FULL: Bounds =
    Bounds { money: &[0, 10, 20, 30], pieces: &[0, 1, 2, 3], faults: true, cancels: true, pauses: false };
/// With operators, who multiply what can happen.
const PAUSED: Bounds = Bounds { money: &[20, 30], pieces: &[3], faults: false, cancels: true, pauses: true };

fn all_holds(bounds: Bounds) {
    let found = check(bounds);
    assert!(found.broken.is_empty(), "{:#?}", found.broken);
    assert!(found.never_seen.is_empty(), "{:?}", found.never_seen);
}

#[test]
fn all_holds_within_short_bounds() {
    all_holds(SHORT);
}

#[test]
#[ignore = "long: make proof"]
fn all_holds_within_full_bounds() {
    all_holds(FULL);
}

#[test]
#[ignore = "long: make proof"]
fn all_holds_while_operators_pause_and_resume() {
    all_holds(PAUSED);
}
