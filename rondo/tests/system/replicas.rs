//! Two of a service on the same rows: a normal case.

use std::time::Duration;

use nix::sys::signal::Signal;
use testkit::eventually;

use super::orders::Shop;
use super::processes::{SEPARATE, System};

async fn two_of_everything() -> System {
    let mut system = System::start(&SEPARATE).await;
    for service in ["billing", "stock", "delivery", "notification", "orchestrator"] {
        let second = format!("{service}-2");
        system.launch(&second, &[service], &[]);
        system.ready(&second).await;
    }
    system
}

#[tokio::test]
async fn two_of_everything_on_one_hot_account_and_position_agree() {
    let system = two_of_everything().await;
    let mut shop = Shop::open(&system, 1, 1).await;
    for round in 0..10 {
        let through = if round % 2 == 0 { "orchestrator" } else { "orchestrator-2" };
        shop.place(&system, through, 30).await;
    }
    assert_eq!(shop.accepted.len(), 300);
    shop.settled(&system).await;
    assert_eq!(system.dead_letters().await, 0);
}

#[tokio::test]
async fn a_frozen_process_that_holds_rows_holds_nobody_up_for_long() {
    let mut system = System::start(&SEPARATE).await;
    let mut shop = Shop::open(&system, 1, 1).await;
    system.launch("billing-2", &["billing"], &[("RONDO_CRASH_AT", "billing:before_commit:1:freeze")]);
    system.ready("billing-2").await;
    // Whichever of the two gets a message: sooner or later the armed one freezes on the one account.
    eventually(Duration::from_secs(30), "the second billing to freeze", async || {
        shop.place(&system, "orchestrator", 5).await;
        system.is_frozen("billing-2").then_some(())
    })
    .await;
    let deposit = shop.deposit(&system, shop.customers[0], 1);
    tokio::time::timeout(Duration::from_secs(8), deposit)
        .await
        .expect("the rows are free again within seconds");
    system.signal("billing-2", Signal::SIGCONT);
    shop.settled(&system).await;
    assert_eq!(system.dead_letters().await, 0);
}
