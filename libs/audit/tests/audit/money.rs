//! Money that was changed.

use audit::{audit, audit_quiet};

use crate::shop::{CONFIRMED, LONG_AGO, Shop, change};

#[tokio::test]
async fn money_that_was_changed_is_found() {
    let shop = Shop::open().await;
    let billing = &shop.urls.billing;
    assert_eq!(
        shop.found_after(billing, "UPDATE accounts SET balance = 651", "UPDATE accounts SET balance = 650")
            .await,
        ["a balance is the sum of its account's postings", "no money comes from nowhere or goes there"]
    );
    assert_eq!(
        shop.found_after(billing, "UPDATE accounts SET held = 1", "UPDATE accounts SET held = 0").await,
        ["nothing is held when every order has ended", "what is held is the sum of the open holds"]
    );
    assert_eq!(
        shop.found_after(
            billing,
            "UPDATE holds SET state = 'released' WHERE state = 'captured'",
            "UPDATE holds SET state = 'captured' WHERE state = 'released'"
        )
        .await,
        [
            "a confirmed order's total is taken once, from its user",
            "the money of an order is taken once, by an entry of its hold's amount and user",
        ]
    );
    assert_eq!(
        shop.found_after(
            billing,
            "UPDATE entries SET number = 6 WHERE number = 5",
            "UPDATE entries SET number = 5 WHERE number = 6"
        )
        .await,
        ["a statement has no gaps, and its balances follow from its entries"]
    );
    assert_eq!(
        shop.found_after(billing, "UPDATE accounts SET entries = 6", "UPDATE accounts SET entries = 5").await,
        ["an account knows how many entries it has"]
    );
}

#[tokio::test]
async fn a_cancellation_that_was_changed_is_found() {
    let shop = Shop::open().await;
    let (billing, orchestrator) = (&shop.urls.billing, &shop.urls.orchestrator);
    assert_eq!(
        shop.found_after(
            billing,
            "UPDATE holds SET state = 'captured' WHERE amount = 100",
            "UPDATE holds SET state = 'refunded' WHERE amount = 100"
        )
        .await,
        [
            "a refunded hold is given back by one entry of its amount and user, and nothing else is refunded",
            "an order that was turned back holds no money, and what was taken is given back",
        ]
    );
    assert_eq!(
        shop.found_after(
            billing,
            "UPDATE entries SET order_id = '00000000-0000-0000-0000-000000001001' WHERE kind = 'refund'",
            "UPDATE entries SET order_id = '00000000-0000-0000-0000-000000001003' WHERE kind = 'refund'"
        )
        .await,
        [
            "a confirmed order's total is taken once, from its user",
            "a refunded hold is given back by one entry of its amount and user, and nothing else is refunded",
            "an order that was turned back holds no money, and what was taken is given back",
        ]
    );
    assert_eq!(
        shop.found_after(
            orchestrator,
            "UPDATE sagas SET status = 'rejected' WHERE workflow = 'order_cancellation'",
            "UPDATE sagas SET status = 'completed' WHERE workflow = 'order_cancellation'"
        )
        .await,
        ["an order has ended as its saga has"]
    );
}

/// A payment of the order that was confirmed, and what it makes of the books.
const PAID: &str = "INSERT INTO entries VALUES
    ('00000000-0000-0000-0000-0000000000e6', '00000000-0000-0000-0000-00000000000a', 6, 'payment',
     '00000000-0000-0000-0000-0000000000aa', '00000000-0000-0000-0000-000000000002', 150, 500,
     '00000000-0000-0000-0000-000000001001', now());
    UPDATE accounts SET balance = 500, entries = 6";
const UNPAID: &str = "DELETE FROM entries WHERE number = 6; UPDATE accounts SET balance = 650, entries = 5";

#[tokio::test]
async fn a_payment_beside_a_capture_is_found() {
    let shop = Shop::open().await;
    assert_eq!(
        shop.found_after(&shop.urls.billing, PAID, UNPAID).await,
        [
            "a confirmed order's total is taken once, from its user",
            "a hold is captured by a capture, and an order that was paid at once has a payment",
            "the money of an order is taken once, by an entry of its hold's amount and user",
            "what was taken for orders and not refunded is what confirmed orders cost",
        ]
    );
    change(&shop.urls.billing, PAID).await;
    change(&shop.urls.orchestrator, LONG_AGO).await;
    let report = audit_quiet(&shop.urls, 60).await.unwrap();
    assert_eq!(report.orders.into_iter().collect::<Vec<_>>(), [CONFIRMED], "it is named");
}

#[tokio::test]
async fn an_order_that_was_paid_at_once_is_right_and_so_is_one_of_another_system() {
    let shop = Shop::open().await;
    let paid = "UPDATE entries SET kind = 'payment' WHERE number = 2; \
                UPDATE holds SET state = 'paid' WHERE order_id = '00000000-0000-0000-0000-000000001001'";
    change(&shop.urls.billing, paid).await;
    let report = audit(&shop.urls).await.unwrap();
    assert!(report.is_clean(), "{report:#?}");
    assert_eq!((report.sums.captured, report.sums.paid, report.sums.paid_for_orders), (300, 150, 150));
    let elsewhere = "INSERT INTO entries VALUES
        ('00000000-0000-0000-0000-0000000000e6', '00000000-0000-0000-0000-00000000000a', 6, 'payment',
         '00000000-0000-0000-0000-0000000000aa', '00000000-0000-0000-0000-000000000002', 7, 643,
         '00000000-0000-0000-0000-000000001009', now());
        UPDATE accounts SET balance = 643, entries = 6;
        INSERT INTO holds VALUES ('00000000-0000-0000-0000-000000001009', 'paid',
         '00000000-0000-0000-0000-00000000000a', 7, now(), NULL)";
    change(&shop.urls.billing, elsewhere).await;
    let report = audit(&shop.urls).await.unwrap();
    assert!(report.is_clean(), "{report:#?}");
    assert_eq!((report.sums.paid, report.sums.paid_for_orders), (157, 150));
    let alone = "DELETE FROM holds WHERE order_id = '00000000-0000-0000-0000-000000001009'";
    change(&shop.urls.billing, alone).await;
    assert!(!audit(&shop.urls).await.unwrap().is_clean(), "a payment leaves a hold");
}
