//! `capture_funds`: takes the held money for good. Past the pivot, so it must not be refused; a hold
//! that billing has ended is taken anew if the money is there. After an undo (`release_funds` or
//! `refund_order`) it takes nothing and is `cancelled`; where the order was paid at once, the payment is what
//! was taken.

use contracts::billing::{CaptureFunds, FundsCaptured};
use contracts::{Reply, Timestamp};
use uuid::Uuid;

use super::{fault, take_payment};
use crate::account::{Account, Contradiction};
use crate::derived_id::derived_id;
use crate::entry::{EntryKind, Transfer};
use crate::hold::{HoldState, Terms};
use crate::set::{Keys, Set};

/// There is no hold: it was never made, or refused.
const NO_HOLD: &str = "no_hold";
/// The hold has ended and its money is spent.
const HOLD_EXPIRED: &str = "hold_expired";

pub(crate) fn touches(command: &CaptureFunds, keys: &mut Keys) {
    keys.hold_and_holder(command.order_id);
}

pub(crate) fn decide(set: &mut Set, command: &CaptureFunds, now: Timestamp) -> Reply<CaptureFunds> {
    let order_id = command.order_id;
    match set.holds.get(order_id).map(|hold| &hold.state) {
        Some(&HoldState::Held(terms)) => match held_money(set, terms, now) {
            Ok(account) => capture(set, account, order_id, terms, now),
            Err(Contradiction) => fault(order_id, "less is held than the hold says"),
        },
        Some(&HoldState::Expired(terms)) => {
            match set.account(terms.asked.user_id, now).spend(terms.asked.amount) {
                Ok(account) => capture(set, account, order_id, terms, now),
                Err(_) => Reply::Broken(HOLD_EXPIRED),
            }
        }
        Some(HoldState::Captured(_)) => Reply::Done(captured(order_id)),
        Some(HoldState::Paid(_)) => Reply::Done(FundsCaptured { entry_id: take_payment::entry_id(order_id) }),
        Some(HoldState::Released(_) | HoldState::Refunded(_) | HoldState::Cancelled) => Reply::Cancelled,
        Some(HoldState::Refused { .. }) | None => Reply::Broken(NO_HOLD),
    }
}

/// The account without the money that was held on it.
fn held_money(set: &mut Set, terms: Terms, now: Timestamp) -> Result<Account, Contradiction> {
    let account = set.account(terms.asked.user_id, now).release(terms.asked.amount)?;
    account.spend(terms.asked.amount).map_err(|_| Contradiction)
}

fn capture(
    set: &mut Set,
    account: Account,
    order_id: Uuid,
    terms: Terms,
    now: Timestamp,
) -> Reply<CaptureFunds> {
    let done = captured(order_id);
    let transfer = Transfer {
        entry_id: done.entry_id,
        kind: EntryKind::Capture,
        amount: terms.asked.amount,
        order_id: Some(order_id),
    };
    set.book(account, &transfer, now);
    set.end_hold(order_id, HoldState::Captured(terms));
    Reply::Done(done)
}

fn captured(order_id: Uuid) -> FundsCaptured {
    FundsCaptured { entry_id: derived_id(order_id, "capture") }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::entry::REVENUE_ACCOUNT;
    use crate::sample::{Books, ORDER};

    #[test]
    fn held_money_is_taken_and_entered() {
        let mut books = Books::with(100);
        books.reserve(60);
        let reply = books.capture();
        assert_eq!(reply, Reply::Done(captured(ORDER)));
        assert_eq!(books.money(), (40, 0));
        let entry = books.set.entries.get(captured(ORDER).entry_id).unwrap();
        assert_eq!((entry.signed_amount(), entry.balance_after), (-60, 40));
        assert_eq!((entry.credit_account, entry.order_id), (REVENUE_ACCOUNT, Some(ORDER)));
    }

    #[test]
    fn a_repeat_is_answered_the_same_and_takes_nothing_more() {
        let mut books = Books::with(100);
        books.reserve(60);
        let first = books.capture();
        assert_eq!(books.capture(), first);
        assert_eq!(books.money(), (40, 0));
    }

    #[test]
    fn without_a_hold_nothing_is_taken() {
        let mut refused = Books::with(10);
        refused.reserve(60);
        for mut books in [refused, Books::with(100)] {
            let before = books.money();
            assert_eq!(books.capture(), Reply::Broken(NO_HOLD));
            assert_eq!(books.money(), before);
        }
    }

    #[test]
    fn after_an_undo_it_is_cancelled_and_takes_nothing() {
        let mut released = Books::with(100);
        released.reserve(60);
        released.release();
        let mut refunded = Books::with(100);
        refunded.reserve(60);
        refunded.capture();
        refunded.refund();
        let mut undone_first = Books::with(100);
        undone_first.release();
        for mut books in [released, refunded, undone_first] {
            assert_eq!(books.capture(), Reply::Cancelled);
            assert_eq!(books.money(), (100, 0));
        }
    }

    #[test]
    fn a_hold_past_its_time_is_captured_as_long_as_it_stands() {
        let mut books = Books::with(100);
        books.reserve(60);
        books.later();
        assert!(matches!(books.capture(), Reply::Done(_)));
    }

    #[test]
    fn an_expired_hold_is_taken_anew_if_the_money_is_there() {
        let mut books = Books::with(100);
        books.reserve(60);
        books.expire();
        let first = books.capture();
        assert_eq!(first, Reply::Done(captured(ORDER)));
        assert_eq!(books.capture(), first);
        assert_eq!(books.money(), (40, 0));
    }

    #[test]
    fn an_expired_hold_whose_money_is_spent_waits_for_money() {
        let mut books = Books::with(100);
        books.reserve(60);
        books.expire();
        books.withdraw(50).unwrap();
        assert_eq!(books.capture(), Reply::Broken(HOLD_EXPIRED));
        assert_eq!(books.money(), (50, 0));
        books.deposit(10);
        assert!(matches!(books.capture(), Reply::Done(_)));
        assert_eq!(books.money(), (0, 0));
    }
}
