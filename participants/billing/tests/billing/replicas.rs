//! Two replicas of billing on the same rows.

use std::sync::LazyLock;

use billing::commands::Command;
use billing::{Billing, Input, Set};
use chrono::{TimeDelta, Utc};
use contracts::Outcome;
use contracts::billing::{CaptureFunds, RefundOrder, ReleaseFunds, ReserveFunds};
use futures::future::join_all;
use messaging::rows::sqlx::Executor;
use messaging::rows::{Changes, Transaction};
use messaging::{BatchError, Decider, FailureKind};
use sea_orm::DatabaseConnection;
use serde_json::json;
use uuid::Uuid;

use crate::bank::{Bank, money, reserve};

#[tokio::test]
async fn what_one_replica_did_the_other_repeats_and_undoes() {
    let mut bank = Bank::open().await;
    let (user, order) = (bank.user_with(100).await, Uuid::now_v7());
    let done = bank.reserve(order, user, 60).await;
    bank.stop_replica().await;
    bank.start_replica().await;
    assert_eq!(bank.reserve(order, user, 60).await, done, "to the microsecond");
    assert_eq!(bank.release(order).await.outcome, Outcome::Done);
    bank.stop_replica().await;
    bank.start_replica().await;
    assert!(bank.reserve(order, user, 60).await.is_refused("cancelled"));
    assert_eq!(bank.money(user).await, money(100, 0));
    bank.audit().await;
}

#[tokio::test]
async fn the_same_command_on_both_is_done_once_and_answered_the_same() {
    let bank = Bank::with_replicas(2).await;
    let user = bank.user_with(1_000).await;
    let orders: Vec<Uuid> = (0..100).map(|_| Uuid::now_v7()).collect();
    let twice = orders.iter().map(|order| async {
        futures::join!(bank.reserve(*order, user, 10), bank.reserve(*order, user, 10))
    });
    for (one, other) in join_all(twice).await {
        assert_eq!(one.outcome, Outcome::Done);
        assert_eq!(one, other);
    }
    assert_eq!(bank.money(user).await, money(1_000, 1_000));
    let captured =
        orders.iter().map(|order| async { futures::join!(bank.capture(*order), bank.capture(*order)) });
    for (one, other) in join_all(captured).await {
        assert_eq!(one.outcome, Outcome::Done);
        assert_eq!(one, other);
    }
    assert_eq!(bank.money(user).await, money(0, 0));
    bank.audit().await;
}

#[tokio::test]
async fn do_on_one_and_undo_on_the_other_at_once_leave_nothing_held() {
    let bank = Bank::with_replicas(2).await;
    let user = bank.user_with(10_000).await;
    let orders: Vec<Uuid> = (0..100).map(|_| Uuid::now_v7()).collect();
    let races = orders
        .iter()
        .map(|order| async { futures::join!(bank.reserve(*order, user, 10), bank.release(*order)) });
    for (reserved, released) in join_all(races).await {
        assert_eq!(released.outcome, Outcome::Done);
        assert!(reserved.outcome == Outcome::Done || reserved.is_refused("cancelled"), "{reserved:?}");
    }
    let late: Vec<ReserveFunds> = orders.iter().map(|order| reserve(*order, user, 10)).collect();
    assert!(bank.bed.road.ask_all(&late).await.iter().all(|said| said.is_refused("cancelled")));
    assert_eq!(bank.money(user).await, money(10_000, 0));
    bank.audit().await;
}

#[tokio::test]
async fn capture_on_one_and_refund_on_the_other_at_once_leave_everything_with_the_user() {
    let bank = Bank::with_replicas(2).await;
    let user = bank.user_with(1_000).await;
    let orders: Vec<Uuid> = (0..100).map(|_| Uuid::now_v7()).collect();
    let holds: Vec<ReserveFunds> = orders.iter().map(|order| reserve(*order, user, 10)).collect();
    assert!(bank.bed.road.ask_all(&holds).await.iter().all(|said| said.outcome == Outcome::Done));
    let races = orders.iter().map(|order| async {
        futures::join!(bank.capture(*order), bank.refund(*order), bank.refund(*order))
    });
    for (captured, one, other) in join_all(races).await {
        assert!(captured.outcome == Outcome::Done || captured.is_refused("cancelled"), "{captured:?}");
        assert_eq!(one.outcome, Outcome::Done);
        assert_eq!(one, other);
        assert_eq!(one.done::<RefundOrder>().entry_id.is_some(), captured.outcome == Outcome::Done);
    }
    assert_eq!(bank.money(user).await, money(1_000, 0));
    bank.audit().await;
}

#[tokio::test]
async fn a_hot_account_hammered_by_both_is_spent_to_the_last_unit_and_not_beyond() {
    let bank = Bank::with_replicas(2).await;
    let user = bank.user_with(500).await;
    let asks = join_all((0..120).map(|_| bank.reserve(Uuid::now_v7(), user, 10)));
    let deposits = (0..50).map(|at| {
        let client = bank.client(at % 2, user);
        async move { client.post("/api/v1/account", &json!({ "amount": 10 })).await }
    });
    let (said, deposited) = futures::join!(asks, join_all(deposits));
    assert!(deposited.iter().all(|answer| answer.status == 200));
    let granted = said.iter().filter(|said| said.outcome == Outcome::Done).count();
    let refused = said.iter().filter(|said| said.is_refused("insufficient_funds")).count();
    assert!((50..=100).contains(&granted), "{granted} granted");
    assert_eq!(granted + refused, said.len());
    let held = 10 * i64::try_from(granted).unwrap();
    assert_eq!(bank.money(user).await, money(1_000, held));
    bank.audit().await;
}

static BILLING: LazyLock<Billing> = LazyLock::new(|| Billing::new(TimeDelta::days(7)));

fn input(command: Command) -> Input {
    Input::Command(command)
}

/// A replica's transaction, that may wait as long as the test wants.
async fn begin(db: &DatabaseConnection) -> Transaction {
    let mut tx = db.get_postgres_connection_pool().begin().await.unwrap();
    let patient = "SET LOCAL lock_timeout = '20s'; SET LOCAL idle_in_transaction_session_timeout = '20s'; \
                   SET LOCAL statement_timeout = '20s'";
    (&mut *tx).execute(patient).await.unwrap();
    Transaction::Postgres(tx)
}

/// A replica's batch before it is saved.
async fn decided(tx: &mut Transaction, inputs: &[Input]) -> Result<Set, BatchError> {
    let inputs: Vec<&Input> = inputs.iter().collect();
    let mut set = BILLING.load(tx, &inputs).await?;
    for input in inputs {
        BILLING.decide(&mut set, input, Utc::now());
    }
    Ok(set)
}

/// A replica's batch up to its commit.
async fn save(tx: &mut Transaction, inputs: &[Input]) -> Result<(), BatchError> {
    let set = decided(tx, inputs).await?;
    write(tx, &set).await
}

async fn write(tx: &mut Transaction, set: &Set) -> Result<(), BatchError> {
    let mut changes = Changes::of(tx);
    BILLING.save(set, &mut changes);
    changes.run(tx).await.map(drop)
}

#[tokio::test]
async fn an_undo_that_could_not_see_the_do_is_decided_again() {
    let bank = Bank::open().await;
    let (user, order) = (bank.user_with(100).await, Uuid::now_v7());
    let db = bank.sessions().await;
    let (mut doing, mut undoing) = (begin(&db).await, begin(&db).await);
    save(&mut doing, &[input(Command::ReserveFunds(reserve(order, user, 60)))]).await.unwrap();
    let undo = [input(Command::ReleaseFunds(ReleaseFunds { order_id: order }))];
    let blind = decided(&mut undoing, &undo).await.unwrap();
    doing.commit().await.unwrap();
    let refused = write(&mut undoing, &blind).await.unwrap_err();
    assert_eq!(refused.kind(), FailureKind::Conflict);
    drop(undoing);

    let mut again = begin(&db).await;
    save(&mut again, &undo).await.unwrap();
    again.commit().await.unwrap();
    assert_eq!(bank.hold_state(order).await.as_deref(), Some("released"));
    assert_eq!(bank.money(user).await, money(100, 0));
    bank.audit().await;
}

/// Loads a batch of this command while its order's hold is not there yet; the hold comes before the batch
/// has its locks. Whether the batch is to be loaded again.
async fn meets_a_hold_that_comes_late(bank: &Bank, late: &[Command], command: Command) -> bool {
    let hot = bank.user_with(100).await;
    let db = bank.sessions().await;
    // Somebody has the hot account, so that the batch waits after it has looked for the order's hold.
    let mut busy = begin(&db).await;
    save(&mut busy, &[input(Command::ReserveFunds(reserve(Uuid::now_v7(), hot, 1)))]).await.unwrap();
    let batch = [input(command), input(Command::ReserveFunds(reserve(Uuid::now_v7(), hot, 1)))];
    let waiting = async { decided(&mut begin(&db).await, &batch).await.map(drop) };
    let meanwhile = async {
        bank.wait_for_a_blocked_session().await;
        for command in late {
            let mut doing = begin(&db).await;
            save(&mut doing, &[input(command.clone())]).await.unwrap();
            doing.commit().await.unwrap();
        }
        busy.commit().await.unwrap();
    };
    let (loaded, ()) = futures::join!(waiting, meanwhile);
    loaded.is_err_and(|error| error.kind() == FailureKind::Conflict)
}

#[tokio::test]
async fn a_hold_that_came_while_accounts_were_locked_is_not_ended_without_its_account() {
    let bank = Bank::open().await;
    let (user, order) = (bank.user_with(100).await, Uuid::now_v7());
    let held = [Command::ReserveFunds(reserve(order, user, 60))];
    let capture = Command::CaptureFunds(CaptureFunds { order_id: order });
    assert!(meets_a_hold_that_comes_late(&bank, &held, capture).await);
    assert_eq!(bank.money(user).await, money(100, 60));
    bank.audit().await;
}

#[tokio::test]
async fn what_was_captured_while_accounts_were_locked_is_not_refunded_without_its_account() {
    let bank = Bank::open().await;
    let (user, order) = (bank.user_with(100).await, Uuid::now_v7());
    let captured = [
        Command::ReserveFunds(reserve(order, user, 60)),
        Command::CaptureFunds(CaptureFunds { order_id: order }),
    ];
    let refund = Command::RefundOrder(RefundOrder { order_id: order });
    assert!(meets_a_hold_that_comes_late(&bank, &captured, refund).await);
    assert_eq!(bank.money(user).await, money(40, 0));
    bank.audit().await;
}
