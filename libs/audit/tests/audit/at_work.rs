//! A system at work: what is judged, and what an operator answers for.

use audit::audit_quiet;

use crate::shop::{CONFIRMED, LONG_AGO, Shop, change};

/// A hold that is gone.
const WITHOUT_HOLD: &str =
    "UPDATE holds SET state = 'released' WHERE order_id = '00000000-0000-0000-0000-000000001001'";

#[tokio::test]
async fn of_a_system_at_work_only_quiet_orders_are_judged() {
    let shop = Shop::open().await;
    let orchestrator = &shop.urls.orchestrator;
    change(&shop.urls.billing, WITHOUT_HOLD).await;
    let found = async || {
        let report = audit_quiet(&shop.urls, 60).await.unwrap();
        (report.orders.into_iter().collect::<Vec<_>>(), report.orders_judged, report.orders_moving)
    };
    assert_eq!(found().await, (vec![], 3, 1), "it was touched just now");
    change(orchestrator, LONG_AGO).await;
    assert_eq!(found().await, (vec![CONFIRMED], 4, 0));
    for (moving, still) in [
        (
            "UPDATE sagas SET finished_at = NULL, wake_at = now() WHERE saga_id = key AND saga_id = '00000000-0000-0000-0000-000000001001'",
            "UPDATE sagas SET finished_at = now() - interval '2 minutes', wake_at = NULL WHERE finished_at IS NULL",
        ),
        (
            "UPDATE sagas SET finished_at = now() WHERE saga_id = '00000000-0000-0000-0000-000000001001'",
            LONG_AGO,
        ),
        (
            "INSERT INTO sagas (saga_id, workflow, version, key, state, data, status, waits_for, created_at, wake_at) VALUES \
             ('00000000-0000-0000-0000-000000002001', 'order_cancellation', 1, '00000000-0000-0000-0000-000000001001', '{}', '{}', 'running', '', now(), now()); \
             INSERT INTO saga_history (saga_id, seq, at, inputs) VALUES ('00000000-0000-0000-0000-000000002001', 1, now(), '[]')",
            "DELETE FROM sagas WHERE saga_id = '00000000-0000-0000-0000-000000002001'",
        ),
    ] {
        change(orchestrator, moving).await;
        assert_eq!(found().await, (vec![], 3, 1), "{moving}");
        change(orchestrator, still).await;
        assert_eq!(found().await, (vec![CONFIRMED], 4, 0), "{still}");
    }
}

#[tokio::test]
async fn an_order_that_runs_is_no_finding() {
    let shop = Shop::open().await;
    change(&shop.urls.orchestrator, LONG_AGO).await;
    let running = "INSERT INTO orders (order_id, user_id, status, refusal, items, created_at, updated_at) VALUES \
                   ('00000000-0000-0000-0000-000000001005', '00000000-0000-0000-0000-00000000000a', 'pending', 'null', '[]', \
                    now() - interval '1 hour', now() - interval '1 hour'); \
                   INSERT INTO sagas (saga_id, workflow, version, key, state, data, status, waits_for, stuck_since, created_at, wake_at) VALUES \
                   ('00000000-0000-0000-0000-000000001005', 'order', 1, '00000000-0000-0000-0000-000000001005', '{}', '{}', 'running', '', \
                    now(), now() - interval '1 hour', now()); \
                   INSERT INTO saga_history (saga_id, seq, at, inputs) VALUES ('00000000-0000-0000-0000-000000001005', 1, now(), '[]')";
    change(&shop.urls.orchestrator, running).await;
    let held = "UPDATE accounts SET held = 7; INSERT INTO holds VALUES ('00000000-0000-0000-0000-000000001005', 'held', \
                '00000000-0000-0000-0000-00000000000a', 7, now(), NULL)";
    change(&shop.urls.billing, held).await;
    let report = audit_quiet(&shop.urls, 60).await.unwrap();
    assert!(report.is_clean(), "{report:#?}");
    assert_eq!((report.orders_judged, report.orders_moving, report.sums.held), (4, 1, 7));
}

#[tokio::test]
async fn what_an_operator_answers_for_is_told_with_its_reason_and_is_no_finding() {
    let shop = Shop::open().await;
    let skipped = "UPDATE sagas SET status = 'abandoned' WHERE saga_id = '00000000-0000-0000-0000-000000001001'; \
                   INSERT INTO operator_actions VALUES (gen_random_uuid(), now(), 'operator 7', 'skip', 'paid in cash', \
                   '00000000-0000-0000-0000-000000001001', '00000000-0000-0000-0000-000000001001', 'capture_funds', true, 'null', 'null')";
    change(&shop.urls.orchestrator, skipped).await;
    let took_nothing = "UPDATE holds SET state = 'released' WHERE amount = 150; DELETE FROM entries WHERE number = 2; \
                        UPDATE entries SET number = number - 1, balance_after = balance_after + 150 WHERE number > 2; \
                        UPDATE accounts SET balance = balance + 150, entries = 4";
    change(&shop.urls.billing, took_nothing).await;
    change(&shop.urls.orchestrator, LONG_AGO).await;
    let report = audit_quiet(&shop.urls, 60).await.unwrap();
    assert!(report.is_clean(), "{report:#?}");
    let accepted = &report.accepted[0];
    assert_eq!((report.accepted.len(), accepted.order_id, accepted.action.as_str()), (1, CONFIRMED, "skip"));
    assert_eq!((accepted.step.as_deref(), accepted.reason.as_str()), (Some("capture_funds"), "paid in cash"));
    assert_eq!(accepted.rules, ["a confirmed order's total is taken once, from its user"]);
}
