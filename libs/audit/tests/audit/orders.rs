//! Orders without their end or their letter, and traces without their order.

use audit::audit_quiet;
use uuid::Uuid;

use crate::shop::{LONG_AGO, Shop, change};

#[tokio::test]
async fn an_order_without_its_end_or_its_letter_is_found() {
    let shop = Shop::open().await;
    let (orchestrator, notification) = (&shop.urls.orchestrator, &shop.urls.notification);
    assert_eq!(
        shop.found_after(
            orchestrator,
            "UPDATE sagas SET finished_at = NULL, wake_at = now() WHERE status = 'completed'",
            "UPDATE sagas SET finished_at = now(), wake_at = NULL WHERE status = 'completed'"
        )
        .await,
        ["every saga has reached its end"]
    );
    assert_eq!(
        shop.found_after(
            orchestrator,
            "UPDATE sagas SET status = 'completed' WHERE status = 'rejected'",
            "UPDATE sagas SET status = 'rejected' WHERE key = '00000000-0000-0000-0000-000000001002'"
        )
        .await,
        ["an order has ended as its saga has"]
    );
    assert_eq!(
        shop.found_after(
            orchestrator,
            "UPDATE sagas SET key = gen_random_uuid() WHERE saga_id = '00000000-0000-0000-0000-000000001001'",
            "UPDATE sagas SET key = saga_id WHERE saga_id = '00000000-0000-0000-0000-000000001001'"
        )
        .await,
        ["every order has one saga, and every saga of an order has its order"]
    );
    assert_eq!(
        shop.found_after(
            orchestrator,
            "UPDATE saga_history SET saga_id = gen_random_uuid() WHERE saga_id = '00000000-0000-0000-0000-000000001002'",
            "UPDATE saga_history SET saga_id = '00000000-0000-0000-0000-000000001002' WHERE saga_id NOT IN (SELECT saga_id FROM sagas)"
        )
        .await,
        ["every saga has a history"]
    );
    assert_eq!(
        shop.found_after(
            notification,
            "INSERT INTO letters SELECT gen_random_uuid(), gen_random_uuid(), user_id, kind, '', '', order_id, '', '', gen_random_uuid(), now() \
             FROM letters WHERE kind = 'order_confirmed'",
            "SELECT 1"
        )
        .await,
        ["an order has one letter, of its outcome, to its user", "there is one letter per outcome"]
    );
}

#[tokio::test]
async fn a_trace_of_no_order_is_found_when_its_order_cannot_come_any_more() {
    let shop = Shop::open().await;
    change(&shop.urls.orchestrator, LONG_AGO).await;
    let old = Uuid::from_u128(0x0190_0000_0000_7000_8000_0000_0000_0001);
    for order_id in [old, Uuid::now_v7()] {
        let refused = format!(
            "INSERT INTO holds VALUES ('{order_id}', 'refused', '00000000-0000-0000-0000-00000000000a', 7, NULL, 0)"
        );
        change(&shop.urls.billing, &refused).await;
    }
    let report = audit_quiet(&shop.urls, 60).await.unwrap();
    let rules: Vec<_> = report.findings.iter().map(|finding| (finding.rule, finding.count)).collect();
    assert_eq!(rules, [("nothing is done for an order that nobody placed", 1)]);
    assert_eq!((report.orders.into_iter().collect::<Vec<_>>(), report.orders_moving), (vec![old], 1));
}

#[tokio::test]
async fn sagas_that_left_after_some_days_are_not_missed() {
    let shop = Shop::open().await;
    let gone = "DELETE FROM sagas; UPDATE orders SET updated_at = now() - interval '2 days'";
    change(&shop.urls.orchestrator, gone).await;
    let report = audit_quiet(&shop.urls, 60).await.unwrap();
    assert!(report.is_clean() && report.orders_judged == 4, "{report:#?}");
}
