//! Holds that nobody asked for in time.

use contracts::Outcome;
use contracts::billing::{CaptureFunds, ReserveFunds};
use uuid::{NoContext, Timestamp, Uuid};

use crate::bank::{Bank, money};

const HOURS_A_WEEK: u32 = 7 * 24;

/// The id of an order that was made so many hours ago.
fn order_of(hours_ago: u32) -> Uuid {
    let at = chrono::Utc::now() - chrono::TimeDelta::hours(hours_ago.into());
    Uuid::new_v7(Timestamp::from_unix(NoContext, at.timestamp().unsigned_abs(), 0))
}

#[tokio::test]
async fn a_hold_ends_on_its_own_a_day_after_its_time_and_is_captured_anew() {
    let mut bank = Bank::open().await;
    let user = bank.user_with(100).await;
    let (due, not_yet) = (order_of(HOURS_A_WEEK + 25), order_of(HOURS_A_WEEK + 26));
    let first = bank.reserve(due, user, 60).await;
    bank.age_holds(HOURS_A_WEEK + 25).await;
    bank.reserve(not_yet, user, 30).await;
    // The sweep looks at once when a process starts.
    bank.start_replica().await;
    bank.wait_for_state(due, "expired").await;
    assert_eq!(bank.hold_state(not_yet).await.as_deref(), Some("held"));
    assert_eq!(bank.money(user).await, money(100, 30));
    bank.audit().await;

    assert_eq!(bank.reserve(due, user, 60).await.outcome, Outcome::Done, "{first:?}");
    assert_eq!(bank.money(user).await, money(100, 30), "a repeat holds nothing anew");
    let captured = bank.capture(due).await;
    captured.done::<CaptureFunds>();
    assert_eq!(bank.capture(due).await, captured);
    assert_eq!(bank.money(user).await, money(40, 30));
    bank.audit().await;
}

#[tokio::test]
async fn an_expired_hold_whose_money_is_spent_breaks_the_promise_until_money_comes() {
    let mut bank = Bank::open().await;
    let (user, order) = (bank.user_with(100).await, order_of(HOURS_A_WEEK + 25));
    bank.reserve(order, user, 60).await.done::<ReserveFunds>();
    bank.age_holds(HOURS_A_WEEK + 25).await;
    bank.start_replica().await;
    bank.wait_for_state(order, "expired").await;
    assert_eq!(bank.withdraw(user, 41).await.status, 200);
    assert!(bank.capture(order).await.is_refused("hold_expired"));
    assert_eq!(bank.money(user).await, money(59, 0));
    bank.deposit(user, 1).await;
    assert_eq!(bank.capture(order).await.outcome, Outcome::Done);
    assert_eq!(bank.money(user).await, money(0, 0));
    bank.audit().await;
}

#[tokio::test]
async fn within_the_day_after_its_time_a_hold_still_stands() {
    let mut bank = Bank::open().await;
    let (user, order) = (bank.user_with(100).await, order_of(HOURS_A_WEEK + 26));
    // Swept after the order, so that its end tells that the order was looked at.
    let (other, swept) = (bank.user_with(1).await, order_of(HOURS_A_WEEK + 25));
    bank.reserve(swept, other, 1).await;
    bank.age_holds(2).await;
    bank.reserve(order, user, 100).await;
    bank.age_holds(HOURS_A_WEEK + 23).await;
    bank.start_replica().await;
    bank.wait_for_state(swept, "expired").await;
    assert_eq!(bank.withdraw(user, 1).await.problem(), (402, "insufficient_funds"));
    assert_eq!(bank.capture(order).await.outcome, Outcome::Done);
    assert_eq!(bank.money(user).await, money(0, 0));
    bank.audit().await;
}
