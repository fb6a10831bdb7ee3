//! `release_funds`: ends a hold, the money is available again. The undo of `reserve_funds`: it never
//! fails for business reasons, and where it comes first it leaves a tombstone. What was paid at once for the
//! order is given back.

use contracts::billing::ReleaseFunds;
use contracts::{Reply, Timestamp};

use super::fault;
use super::refund_order::{BALANCE_TOO_LARGE, give_back_taken};
use crate::account::Contradiction;
use crate::hold::{Hold, HoldState, Terms};
use crate::set::{Keys, Set};

pub(crate) fn touches(command: &ReleaseFunds, keys: &mut Keys) {
    keys.hold_and_holder(command.order_id);
}

pub(crate) fn decide(set: &mut Set, command: &ReleaseFunds, now: Timestamp) -> Reply<ReleaseFunds> {
    let order_id = command.order_id;
    let Some(hold) = set.holds.get(order_id) else {
        set.holds.insert(Hold { order_id, state: HoldState::Cancelled });
        return Reply::Done(());
    };
    match hold.state {
        HoldState::Held(terms) => match give_back(set, terms, now) {
            Ok(()) => set.end_hold(order_id, HoldState::Released(terms)),
            Err(Contradiction) => return fault(order_id, "less is held than the hold says"),
        },
        // The money is back already; from now on the order is undone.
        HoldState::Expired(terms) => set.end_hold(order_id, HoldState::Released(terms)),
        HoldState::Paid(terms) => {
            if !give_back_taken(set, order_id, terms, now) {
                return fault(order_id, BALANCE_TOO_LARGE);
            }
        }
        HoldState::Captured(_) => return fault(order_id, "released after its capture"),
        HoldState::Released(_)
        | HoldState::Refunded(_)
        | HoldState::Refused { .. }
        | HoldState::Cancelled => {}
    }
    Reply::Done(())
}

pub(super) fn give_back(set: &mut Set, terms: Terms, now: Timestamp) -> Result<(), Contradiction> {
    let account = set.account(terms.asked.user_id, now).release(terms.asked.amount)?;
    set.put(account);
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::sample::Books;

    #[test]
    fn held_money_is_available_again() {
        let mut books = Books::with(100);
        books.reserve(60);
        assert_eq!(books.release(), Reply::Done(()));
        assert_eq!(books.money(), (100, 0));
    }

    #[test]
    fn twice_is_done_and_gives_back_once() {
        let mut books = Books::with(100);
        books.reserve(60);
        books.release();
        assert_eq!(books.release(), Reply::Done(()));
        assert_eq!(books.money(), (100, 0));
    }

    #[test]
    fn nothing_to_undo_is_done() {
        let mut books = Books::default();
        assert_eq!(books.release(), Reply::Done(()));
        assert_eq!(books.release(), Reply::Done(()));
    }

    #[test]
    fn a_refusal_has_nothing_to_undo_and_stays() {
        let mut books = Books::with(10);
        let refused = books.reserve(60);
        assert_eq!(books.release(), Reply::Done(()));
        assert_eq!(books.reserve(60), refused);
    }

    #[test]
    fn past_the_pivot_it_is_a_fault_and_changes_nothing() {
        let mut books = Books::with(100);
        books.reserve(60);
        books.capture();
        assert!(matches!(books.release(), Reply::Fault(_)));
        assert_eq!(books.money(), (40, 0));
    }

    #[test]
    fn an_expired_hold_gives_back_only_once() {
        let mut books = Books::with(100);
        books.reserve(60);
        books.expire();
        assert_eq!(books.release(), Reply::Done(()));
        assert_eq!(books.money(), (100, 0));
        assert_eq!(books.reserve(60), Reply::Cancelled);
    }

    #[test]
    fn an_account_that_holds_less_is_left_alone() {
        let mut books = Books::with(100);
        books.reserve(60);
        books.set_held(59);
        assert!(matches!(books.release(), Reply::Fault(_)));
        assert_eq!(books.money(), (100, 59));
    }
}
