//! `refund_order`: an order that was confirmed is cancelled, and its money is the user's again. The undo
//! of `capture_funds`: never refused, done once, answered the same for ever.
//!
//! | what is there | what is done |
//! |---|---|
//! | captured, or paid at once | an entry gives back what was taken |
//! | held, or expired | nothing was taken: the hold is released |
//! | refused, released, refunded, cancelled | nothing |
//! | nothing | a tombstone |
//!
//! However it was, nobody takes money for the order later: a reservation or a capture that comes later is
//! `cancelled` (or refused, as the reservation was before), a payment at once is declined.

use contracts::billing::{OrderRefunded, RefundOrder};
use contracts::{Reply, Timestamp};
use uuid::Uuid;

use super::fault;
use super::release_funds::give_back;
use crate::account::Contradiction;
use crate::derived_id::derived_id;
use crate::entry::{EntryKind, Transfer};
use crate::hold::{Hold, HoldState, Terms};
use crate::set::{Keys, Set};

const NOTHING_TAKEN: Reply<RefundOrder> = Reply::Done(OrderRefunded { entry_id: None });

pub(crate) fn touches(command: &RefundOrder, keys: &mut Keys) {
    keys.hold_and_holder(command.order_id);
}

pub(crate) fn decide(set: &mut Set, command: &RefundOrder, now: Timestamp) -> Reply<RefundOrder> {
    let order_id = command.order_id;
    let Some(hold) = set.holds.get(order_id) else {
        set.holds.insert(Hold { order_id, state: HoldState::Cancelled });
        return NOTHING_TAKEN;
    };
    match hold.state {
        HoldState::Captured(terms) | HoldState::Paid(terms) => refund(set, order_id, terms, now),
        HoldState::Refunded(_) => Reply::Done(refunded(order_id)),
        HoldState::Held(terms) => match give_back(set, terms, now) {
            Ok(()) => released(set, order_id, terms),
            Err(Contradiction) => fault(order_id, "less is held than the hold says"),
        },
        // The money is back already; from now on the order is undone.
        HoldState::Expired(terms) => released(set, order_id, terms),
        HoldState::Released(_) | HoldState::Refused { .. } | HoldState::Cancelled => NOTHING_TAKEN,
    }
}

fn refund(set: &mut Set, order_id: Uuid, terms: Terms, now: Timestamp) -> Reply<RefundOrder> {
    if give_back_taken(set, order_id, terms, now) {
        Reply::Done(refunded(order_id))
    } else {
        fault(order_id, BALANCE_TOO_LARGE)
    }
}

/// Why nothing is given back now: asked again, it is as soon as the user has spent something.
pub(super) const BALANCE_TOO_LARGE: &str = "the balance would pass its bound";

/// Enters that what was taken for an order is its user's again; not where the balance would pass its bound.
pub(super) fn give_back_taken(set: &mut Set, order_id: Uuid, terms: Terms, now: Timestamp) -> bool {
    let amount = terms.asked.amount;
    let Some(account) = set.account(terms.asked.user_id, now).deposit(amount) else { return false };
    let entry_id = entry_id(order_id);
    let transfer = Transfer { entry_id, kind: EntryKind::Refund, amount, order_id: Some(order_id) };
    set.book(account, &transfer, now);
    set.end_hold(order_id, HoldState::Refunded(terms));
    true
}

fn released(set: &mut Set, order_id: Uuid, terms: Terms) -> Reply<RefundOrder> {
    set.end_hold(order_id, HoldState::Released(terms));
    NOTHING_TAKEN
}

fn refunded(order_id: Uuid) -> OrderRefunded {
    OrderRefunded { entry_id: Some(entry_id(order_id)) }
}

fn entry_id(order_id: Uuid) -> Uuid {
    derived_id(order_id, "refund")
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::account::MAX_BALANCE;
    use crate::entry::REVENUE_ACCOUNT;
    use crate::sample::{Books, ORDER, USER};

    fn captured() -> Books {
        let mut books = Books::with(100);
        books.reserve(60);
        books.capture();
        books
    }

    #[test]
    fn what_was_taken_comes_back_and_is_entered() {
        let mut books = captured();
        assert_eq!(books.refund(), Reply::Done(refunded(ORDER)));
        assert_eq!(books.money(), (100, 0));
        let entry = books.set.entries.get(entry_id(ORDER)).unwrap();
        assert_eq!((entry.signed_amount(), entry.balance_after), (60, 100));
        assert_eq!((entry.debit_account, entry.order_id), (REVENUE_ACCOUNT, Some(ORDER)));
        let earned: i64 =
            books.set.entries.iter().flat_map(crate::entry::Entry::postings).fold(0, add_revenue);
        assert_eq!(earned, 0, "the capture and its refund sum to nothing");
    }

    fn add_revenue(sum: i64, (account, units): (Uuid, i64)) -> i64 {
        if account == REVENUE_ACCOUNT { sum + units } else { sum }
    }

    #[test]
    fn twice_is_done_and_gives_back_once_also_when_the_money_is_spent() {
        let mut books = captured();
        let first = books.refund();
        assert_eq!(books.refund(), first);
        books.withdraw(100).unwrap();
        assert_eq!(books.refund(), first);
        assert_eq!(books.money(), (0, 0));
    }

    #[test]
    fn after_it_nothing_is_taken_or_held_again() {
        let mut books = captured();
        let first = books.refund();
        assert_eq!(books.capture(), Reply::Cancelled);
        assert_eq!(books.reserve(60), Reply::Cancelled);
        assert!(matches!(books.reserve(61), Reply::Fault(_)), "another payload");
        assert_eq!(books.release(), Reply::Done(()), "there is nothing to undo");
        books.expire();
        assert_eq!(books.refund(), first);
        assert_eq!(books.money(), (100, 0));
    }

    #[test]
    fn a_hold_that_was_not_captured_is_released_and_never_captured() {
        for expired in [false, true] {
            let mut books = Books::with(100);
            books.reserve(60);
            if expired {
                books.expire();
            }
            for _ in 0..2 {
                assert_eq!(books.refund(), NOTHING_TAKEN);
                assert_eq!(books.money(), (100, 0));
                assert_eq!(books.capture(), Reply::Cancelled);
            }
            assert_eq!(books.reserve(60), Reply::Cancelled);
            assert_eq!(books.money(), (100, 0));
            assert_eq!(books.set.entries.iter().count(), 0);
        }
    }

    #[test]
    fn before_everything_else_it_leaves_a_tombstone() {
        let mut books = Books::with(100);
        for _ in 0..2 {
            assert_eq!(books.refund(), NOTHING_TAKEN);
            assert_eq!(books.reserve(60), Reply::Cancelled);
            assert_eq!(books.capture(), Reply::Cancelled);
        }
        assert_eq!(books.money(), (100, 0));
    }

    #[test]
    fn what_was_undone_or_refused_before_stays_as_it_is() {
        let mut released = Books::with(100);
        released.reserve(60);
        released.release();
        let mut refused = Books::with(10);
        refused.reserve(60);
        for mut books in [released, refused] {
            let (before, told) = (books.money(), books.reserve(60));
            assert_eq!(books.refund(), NOTHING_TAKEN);
            assert_eq!(books.money(), before);
            assert_eq!(books.reserve(60), told);
        }
    }

    #[test]
    fn a_balance_at_its_bound_waits_for_the_user_to_spend() {
        let mut books = captured();
        books.set.accounts.get_mut(USER).unwrap().balance = MAX_BALANCE - 59;
        assert!(matches!(books.refund(), Reply::Fault(_)));
        assert_eq!(books.money(), (MAX_BALANCE - 59, 0));
        books.withdraw(1).unwrap();
        assert_eq!(books.refund(), Reply::Done(refunded(ORDER)));
        assert_eq!(books.money(), (MAX_BALANCE, 0));
    }

    #[test]
    fn an_account_that_holds_less_is_left_alone() {
        let mut books = Books::with(100);
        books.reserve(60);
        books.set_held(59);
        assert!(matches!(books.refund(), Reply::Fault(_)));
        assert_eq!(books.money(), (100, 59));
    }
}
