//! `reserve_funds`: holds an order's total on its user's account. A refusal is kept like a hold: the
//! same order is refused for ever, whatever money comes later. Where the order was paid at once before, nothing
//! is held: the payment is its hold, for the same amount of the same user.

use contracts::billing::{FundsRefusal, FundsReserved, ReserveFunds};
use contracts::{Reply, Timestamp};

use super::fault;
use crate::account::Short;
use crate::hold::{Asked, Hold, HoldState, Terms};
use crate::set::{Keys, Set};

pub(crate) fn touches(command: &ReserveFunds, keys: &mut Keys) {
    keys.users.push(command.user_id);
    keys.new_orders.push(command.order_id);
}

pub(crate) fn decide(set: &mut Set, command: &ReserveFunds, now: Timestamp) -> Reply<ReserveFunds> {
    let asked = Asked { user_id: command.user_id, amount: command.amount };
    if let Some(hold) = set.holds.get(command.order_id) {
        return match hold.state.asked() {
            Some(earlier) if *earlier != asked => {
                fault(command.order_id, "asked for with another payload before")
            }
            _ => reply(hold),
        };
    }
    let hold = Hold { order_id: command.order_id, state: first(set, asked, now) };
    let reply = reply(&hold);
    set.holds.insert(hold);
    reply
}

fn first(set: &mut Set, asked: Asked, now: Timestamp) -> HoldState {
    match set.account(asked.user_id, now).hold(asked.amount) {
        Ok(account) => {
            set.put(account);
            HoldState::Held(Terms { asked, expires_at: now + set.hold_life })
        }
        Err(Short { available, .. }) => HoldState::Refused { asked, available },
    }
}

/// The row alone says what is answered: the first time and every other.
fn reply(hold: &Hold) -> Reply<ReserveFunds> {
    match &hold.state {
        HoldState::Held(terms)
        | HoldState::Captured(terms)
        | HoldState::Paid(terms)
        | HoldState::Expired(terms) => {
            Reply::Done(FundsReserved { hold_id: hold.hold_id(), expires_at: terms.expires_at })
        }
        HoldState::Refused { asked, available } => Reply::Refused(FundsRefusal::InsufficientFunds {
            available: *available,
            required: asked.amount.get(),
        }),
        HoldState::Released(_) | HoldState::Refunded(_) | HoldState::Cancelled => Reply::Cancelled,
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::sample::{Books, ORDER, USER, amount, at};
    use uuid::Uuid;

    #[test]
    fn money_that_is_there_is_held() {
        let mut books = Books::with(100);
        let reply = books.reserve(60);
        let Reply::Done(done) = reply else { panic!("{reply:?}") };
        assert_eq!(done.expires_at, at(0) + books.set.hold_life);
        assert_eq!(books.money(), (100, 60));
    }

    #[test]
    fn a_repeat_is_answered_the_same_and_holds_nothing_more() {
        let mut books = Books::with(100);
        let first = books.reserve(60);
        books.later();
        assert_eq!(books.reserve(60), first);
        assert_eq!(books.money(), (100, 60));
    }

    #[test]
    fn a_repeat_after_the_capture_is_answered_the_same() {
        let mut books = Books::with(100);
        let first = books.reserve(60);
        books.capture();
        assert_eq!(books.reserve(60), first);
        assert_eq!(books.money(), (40, 0));
    }

    #[test]
    fn a_repeat_after_the_expiry_is_answered_the_same() {
        let mut books = Books::with(100);
        let first = books.reserve(60);
        books.expire();
        assert_eq!(books.reserve(60), first);
        assert_eq!(books.money(), (100, 0));
    }

    #[test]
    fn too_little_money_is_refused_and_stays_refused_when_money_comes() {
        let mut books = Books::with(59);
        let refused = Reply::Refused(FundsRefusal::InsufficientFunds { available: 59, required: 60 });
        assert_eq!(books.reserve(60), refused);
        books.deposit(1_000);
        assert_eq!(books.reserve(60), refused);
        assert_eq!(books.money(), (1_059, 0));
    }

    #[test]
    fn held_money_is_not_held_twice() {
        let mut books = Books::with(100);
        books.reserve(60);
        let other = ReserveFunds { order_id: Uuid::from_u128(99), user_id: USER, amount: amount(41) };
        let refused = FundsRefusal::InsufficientFunds { available: 40, required: 41 };
        assert_eq!(decide(&mut books.set, &other, at(0)), Reply::Refused(refused));
    }

    #[test]
    fn a_user_without_an_account_gets_an_empty_one() {
        let mut books = Books::default();
        let refused = FundsRefusal::InsufficientFunds { available: 0, required: 1 };
        assert_eq!(books.reserve(1), Reply::Refused(refused));
        assert_eq!(books.money(), (0, 0));
    }

    #[test]
    fn after_its_undo_it_is_cancelled() {
        let mut books = Books::with(100);
        books.reserve(60);
        books.release();
        assert_eq!(books.reserve(60), Reply::Cancelled);
        assert_eq!(books.money(), (100, 0));
    }

    #[test]
    fn when_its_undo_came_first_it_is_cancelled() {
        let mut books = Books::with(100);
        books.release();
        assert_eq!(books.reserve(60), Reply::Cancelled);
        assert_eq!(books.money(), (100, 0));
    }

    #[test]
    fn another_payload_is_a_fault_and_changes_nothing() {
        for (balance, end) in [(100, false), (100, true), (10, false)] {
            let mut books = Books::with(balance);
            books.reserve(60);
            if end {
                books.release();
            }
            let before = books.money();
            assert!(matches!(books.reserve(61), Reply::Fault(_)));
            let other_user =
                ReserveFunds { order_id: ORDER, user_id: Uuid::from_u128(98), amount: amount(60) };
            assert!(matches!(decide(&mut books.set, &other_user, at(0)), Reply::Fault(_)));
            assert_eq!(books.money(), before);
        }
    }
}
