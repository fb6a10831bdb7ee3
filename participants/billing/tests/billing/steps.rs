//! The commands of a saga: once, repeated, also after later steps, refused, undone first, twice, late,
//! and with another payload.

use contracts::Outcome;
use contracts::billing::{CaptureFunds, RefundOrder, ReserveFunds};
use contracts::user::{Locale, UserRegistered};
use serde_json::json;
use std::time::Duration;
use testkit::{command_item, eventually};
use uuid::Uuid;

use crate::bank::{Bank, money, reserve};

#[tokio::test]
async fn reserve_funds_holds_once_and_answers_the_same_for_ever() {
    let bank = Bank::open().await;
    let (user, order) = (bank.user_with(100).await, Uuid::now_v7());
    let first = bank.reserve(order, user, 60).await;
    let hold = first.done::<ReserveFunds>();
    let week = hold.expires_at - chrono::Utc::now();
    assert!(week.num_hours() >= 167 && week.num_hours() <= 168, "{week}");
    assert_eq!(bank.money(user).await, money(100, 60));

    assert_eq!(bank.reserve(order, user, 60).await, first);
    assert_eq!(bank.money(user).await, money(100, 60));

    bank.capture(order).await;
    assert_eq!(bank.reserve(order, user, 60).await, first, "also after the capture");
    assert_eq!(bank.money(user).await, money(40, 0));
    bank.audit().await;
}

#[tokio::test]
async fn reserve_funds_refuses_and_stays_with_it_when_money_comes() {
    let bank = Bank::open().await;
    let (user, order) = (bank.user_with(59).await, Uuid::now_v7());
    let refused = bank.reserve(order, user, 60).await;
    assert!(refused.is_refused("insufficient_funds"), "{refused:?}");
    assert_eq!(refused.body, json!({ "available": 59, "required": 60 }));
    bank.deposit(user, 1_000).await;
    assert_eq!(bank.reserve(order, user, 60).await, refused);
    assert_eq!(bank.release(order).await.outcome, Outcome::Done, "there is nothing to undo");
    assert_eq!(bank.reserve(order, user, 60).await, refused, "also after its undo");
    assert_eq!(bank.money(user).await, money(1_059, 0));
    bank.audit().await;
}

#[tokio::test]
async fn a_user_whom_billing_does_not_know_yet_is_refused_with_nothing_available() {
    let bank = Bank::open().await;
    let user = Uuid::now_v7();
    let refused = bank.reserve(Uuid::now_v7(), user, 5).await;
    assert_eq!(refused.body, json!({ "available": 0, "required": 5 }));
    assert_eq!(bank.money(user).await, money(0, 0));
}

#[tokio::test]
async fn release_funds_gives_back_once_and_the_late_do_is_cancelled() {
    let bank = Bank::open().await;
    let (user, order) = (bank.user_with(100).await, Uuid::now_v7());
    bank.reserve(order, user, 60).await;
    let released = bank.release(order).await;
    assert_eq!(released.outcome, Outcome::Done);
    assert_eq!(bank.release(order).await, released, "undo twice is done");
    assert_eq!(bank.money(user).await, money(100, 0));
    assert!(bank.reserve(order, user, 60).await.is_refused("cancelled"), "do after undo");
    assert_eq!(bank.money(user).await, money(100, 0));
    bank.audit().await;
}

#[tokio::test]
async fn release_funds_before_reserve_funds_leaves_a_tombstone() {
    let bank = Bank::open().await;
    let (user, order) = (bank.user_with(100).await, Uuid::now_v7());
    assert_eq!(bank.release(order).await.outcome, Outcome::Done);
    assert!(bank.reserve(order, user, 60).await.is_refused("cancelled"));
    assert_eq!(bank.release(order).await.outcome, Outcome::Done);
    assert!(bank.reserve(order, user, 60).await.is_refused("cancelled"));
    assert_eq!(bank.money(user).await, money(100, 0));
    bank.audit().await;
}

#[tokio::test]
async fn release_funds_past_the_pivot_is_a_fault_and_changes_nothing() {
    let bank = Bank::open().await;
    let (user, order) = (bank.user_with(100).await, Uuid::now_v7());
    bank.reserve(order, user, 60).await;
    bank.capture(order).await;
    assert_eq!(bank.release(order).await.outcome, Outcome::Fault);
    assert_eq!(bank.money(user).await, money(40, 0));
    bank.audit().await;
}

#[tokio::test]
async fn another_payload_is_a_fault_and_changes_nothing() {
    let bank = Bank::open().await;
    let (user, order) = (bank.user_with(100).await, Uuid::now_v7());
    bank.reserve(order, user, 60).await;
    assert_eq!(bank.reserve(order, user, 61).await.outcome, Outcome::Fault);
    assert_eq!(bank.reserve(order, bank.user_with(100).await, 60).await.outcome, Outcome::Fault);
    assert_eq!(bank.money(user).await, money(100, 60));
    bank.audit().await;
}

#[tokio::test]
async fn capture_funds_takes_once_and_answers_the_same_for_ever() {
    let bank = Bank::open().await;
    let (user, order) = (bank.user_with(100).await, Uuid::now_v7());
    bank.reserve(order, user, 60).await;
    let captured = bank.capture(order).await;
    let entry = captured.done::<CaptureFunds>().entry_id;
    assert_eq!(bank.capture(order).await, captured);
    assert_eq!(bank.money(user).await, money(40, 0));
    let statement = bank.client(0, user).get("/api/v1/account/entries").await.body;
    assert_eq!(statement["items"][0]["entry_id"], json!(entry));
    bank.audit().await;
}

#[tokio::test]
async fn capture_funds_without_a_hold_takes_nothing() {
    let bank = Bank::open().await;
    let (user, released) = (bank.user_with(100).await, Uuid::now_v7());
    bank.reserve(released, user, 60).await;
    bank.release(released).await;
    assert!(bank.capture(released).await.is_refused("cancelled"));
    assert!(bank.capture(Uuid::now_v7()).await.is_refused("no_hold"));
    assert_eq!(bank.money(user).await, money(100, 0));
    bank.audit().await;
}

#[tokio::test]
async fn refund_order_gives_back_once_and_answers_the_same_for_ever() {
    let bank = Bank::open().await;
    let (user, order) = (bank.user_with(100).await, Uuid::now_v7());
    bank.reserve(order, user, 60).await;
    bank.capture(order).await;
    let refunded = bank.refund(order).await;
    let entry = refunded.done::<RefundOrder>().entry_id.expect("money was taken");
    assert_eq!(bank.money(user).await, money(100, 0));
    let statement = bank.client(0, user).get("/api/v1/account/entries").await.body;
    let newest = &statement["items"][0];
    assert_eq!((&newest["entry_id"], &newest["kind"]), (&json!(entry), &json!("refund")));
    assert_eq!((&newest["amount"], &newest["balance_after"]), (&json!(60), &json!(100)));
    assert_eq!(newest["order_id"], json!(order));

    assert_eq!(bank.refund(order).await, refunded, "undo twice is done");
    assert!(bank.capture(order).await.is_refused("cancelled"), "do after undo");
    assert!(bank.reserve(order, user, 60).await.is_refused("cancelled"));
    assert_eq!(bank.release(order).await.outcome, Outcome::Done);
    bank.withdraw(user, 100).await;
    assert_eq!(bank.refund(order).await, refunded, "also after later steps");
    assert_eq!(bank.money(user).await, money(0, 0));
    bank.audit().await;
}

#[tokio::test]
async fn refund_order_before_everything_else_leaves_a_tombstone() {
    let bank = Bank::open().await;
    let (user, order) = (bank.user_with(100).await, Uuid::now_v7());
    let refunded = bank.refund(order).await;
    assert_eq!(refunded.done::<RefundOrder>().entry_id, None);
    assert!(bank.reserve(order, user, 60).await.is_refused("cancelled"));
    assert!(bank.capture(order).await.is_refused("cancelled"));
    assert_eq!(bank.refund(order).await, refunded);
    assert_eq!(bank.money(user).await, money(100, 0));
    bank.audit().await;
}

#[tokio::test]
async fn refund_order_before_the_capture_releases_the_hold() {
    let bank = Bank::open().await;
    let (user, order) = (bank.user_with(100).await, Uuid::now_v7());
    bank.reserve(order, user, 60).await;
    let refunded = bank.refund(order).await;
    assert_eq!(refunded.done::<RefundOrder>().entry_id, None);
    assert_eq!(bank.money(user).await, money(100, 0));
    assert!(bank.capture(order).await.is_refused("cancelled"), "a late capture takes nothing");
    assert_eq!(bank.refund(order).await, refunded);
    assert_eq!(bank.money(user).await, money(100, 0));
    bank.audit().await;
}

#[tokio::test]
async fn refund_order_gives_nothing_back_of_what_was_never_held() {
    let bank = Bank::open().await;
    let (user, order) = (bank.user_with(10).await, Uuid::now_v7());
    let refused = bank.reserve(order, user, 60).await;
    assert_eq!(bank.refund(order).await.done::<RefundOrder>().entry_id, None);
    assert_eq!(bank.reserve(order, user, 60).await, refused, "a refusal stays one");
    assert_eq!(bank.money(user).await, money(10, 0));
    bank.audit().await;
}

#[tokio::test]
async fn one_batch_may_do_repeat_and_undo_the_same_order() {
    let bank = Bank::open().await;
    let (user, orders) = (bank.user_with(1_000).await, [(); 20].map(|()| Uuid::now_v7()));
    let twice: Vec<ReserveFunds> =
        orders.iter().chain(&orders).map(|order| reserve(*order, user, 10)).collect();
    let said = bank.bed.road.ask_all(&twice).await;
    let (first, again) = said.split_at(orders.len());
    assert_eq!(first, again);
    assert_eq!(bank.money(user).await, money(1_000, 200));
    bank.audit().await;
}

#[tokio::test]
async fn a_registered_user_has_an_account_before_asking_for_it() {
    let bank = Bank::open().await;
    let user_id = Uuid::now_v7();
    let registered =
        UserRegistered { user_id, email: "a@example.com".to_owned(), name: None, locale: Locale::Ru };
    bank.bed.road.tell(&[registered.clone(), registered]).await;
    eventually(Duration::from_secs(20), "an account", async || bank.has_account(user_id).await.then_some(()))
        .await;
    assert_eq!(bank.money(user_id).await, money(0, 0));
}

#[tokio::test]
async fn a_bad_item_is_put_aside_and_its_neighbours_are_done() {
    let bank = Bank::open().await;
    let (user, before, after) = (bank.user_with(100).await, Uuid::now_v7(), Uuid::now_v7());
    let mut bad = command_item(&reserve(Uuid::now_v7(), user, 1));
    bad["data"]["amount"] = json!(-5);
    let items = [command_item(&reserve(before, user, 10)), bad, command_item(&reserve(after, user, 10))];
    bank.bed.road.send("cmd.billing.reserve_funds.v1", &items).await;
    bank.wait_for_state(before, "held").await;
    bank.wait_for_state(after, "held").await;
    assert_eq!(bank.money(user).await, money(100, 20));
    eventually(Duration::from_secs(20), "a dead letter", async || {
        (bank.dead_letters().await == 1).then_some(())
    })
    .await;
}
