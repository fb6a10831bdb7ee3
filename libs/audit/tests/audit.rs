//! The audit over real databases: books that are right are clean, and each thing that is changed in
//! them is found.

use audit::{DatabaseUrls, Expected, Told, audit, audit_against, audit_quiet};
use migrations::MigratorTrait;
use sea_orm::{ConnectionTrait, Database, DatabaseConnection};
use uuid::Uuid;

const USER: Uuid = Uuid::from_u128(0xa);
const TEA: Uuid = Uuid::from_u128(0xb);
const CONFIRMED: Uuid = Uuid::from_u128(0x1001);
const REJECTED: Uuid = Uuid::from_u128(0x1002);
const CANCELLED: Uuid = Uuid::from_u128(0x1003);

/// One user with 1,000 who got three teas at 50, was refused a thousand, cancelled two after they were
/// confirmed, and got four that stock has heard of.
const BILLING: &str = "
INSERT INTO accounts VALUES ('00000000-0000-0000-0000-00000000000a', '00000000-0000-0000-0000-0000000000aa', 650, 0, 5, now());
INSERT INTO holds VALUES
    ('00000000-0000-0000-0000-000000001001', 'captured', '00000000-0000-0000-0000-00000000000a', 150, now(), NULL),
    ('00000000-0000-0000-0000-000000001002', 'refused', '00000000-0000-0000-0000-00000000000a', 50000, NULL, 850),
    ('00000000-0000-0000-0000-000000001003', 'refunded', '00000000-0000-0000-0000-00000000000a', 100, now(), NULL),
    ('00000000-0000-0000-0000-000000001004', 'captured', '00000000-0000-0000-0000-00000000000a', 200, now(), NULL);
INSERT INTO entries VALUES
    ('00000000-0000-0000-0000-0000000000e1', '00000000-0000-0000-0000-00000000000a', 1, 'deposit',
     '00000000-0000-0000-0000-000000000001', '00000000-0000-0000-0000-0000000000aa', 1000, 1000, NULL, now()),
    ('00000000-0000-0000-0000-0000000000e2', '00000000-0000-0000-0000-00000000000a', 2, 'capture',
     '00000000-0000-0000-0000-0000000000aa', '00000000-0000-0000-0000-000000000002', 150, 850,
     '00000000-0000-0000-0000-000000001001', now()),
    ('00000000-0000-0000-0000-0000000000e3', '00000000-0000-0000-0000-00000000000a', 3, 'capture',
     '00000000-0000-0000-0000-0000000000aa', '00000000-0000-0000-0000-000000000002', 100, 750,
     '00000000-0000-0000-0000-000000001003', now()),
    ('00000000-0000-0000-0000-0000000000e4', '00000000-0000-0000-0000-00000000000a', 4, 'refund',
     '00000000-0000-0000-0000-000000000002', '00000000-0000-0000-0000-0000000000aa', 100, 850,
     '00000000-0000-0000-0000-000000001003', now()),
    ('00000000-0000-0000-0000-0000000000e5', '00000000-0000-0000-0000-00000000000a', 5, 'capture',
     '00000000-0000-0000-0000-0000000000aa', '00000000-0000-0000-0000-000000000002', 200, 650,
     '00000000-0000-0000-0000-000000001004', now());";
const STOCK: &str = r#"
INSERT INTO positions VALUES ('00000000-0000-0000-0000-00000000000b', 'Tea', 50, 1993, 3);
INSERT INTO reservations VALUES
    ('00000000-0000-0000-0000-000000001001', '{00000000-0000-0000-0000-00000000000b}',
     '{"state":"reserved","total":150,"lines":[{"position_id":"00000000-0000-0000-0000-00000000000b","name":"Tea","quantity":3,"price":50}]}'),
    ('00000000-0000-0000-0000-000000001002', '{00000000-0000-0000-0000-00000000000b}',
     '{"state":"released","total":50000,"lines":[{"position_id":"00000000-0000-0000-0000-00000000000b","name":"Tea","quantity":1000,"price":50}]}'),
    ('00000000-0000-0000-0000-000000001003', '{00000000-0000-0000-0000-00000000000b}',
     '{"state":"released","total":100,"lines":[{"position_id":"00000000-0000-0000-0000-00000000000b","name":"Tea","quantity":2,"price":50}]}'),
    ('00000000-0000-0000-0000-000000001004', '{00000000-0000-0000-0000-00000000000b}',
     '{"state":"sold","total":200,"lines":[{"position_id":"00000000-0000-0000-0000-00000000000b","name":"Tea","quantity":4,"price":50}]}');"#;
const ORCHESTRATOR: &str = r#"
INSERT INTO orders (order_id, user_id, status, reason, refusal, items, total, created_at, updated_at) VALUES
    ('00000000-0000-0000-0000-000000001001', '00000000-0000-0000-0000-00000000000a', 'confirmed', NULL, 'null', '[{"position_id":"00000000-0000-0000-0000-00000000000b","quantity":3}]', 150, now(), now()),
    ('00000000-0000-0000-0000-000000001002', '00000000-0000-0000-0000-00000000000a', 'rejected', 'insufficient_funds', 'null', '[{"position_id":"00000000-0000-0000-0000-00000000000b","quantity":1000}]', 50000, now(), now()),
    ('00000000-0000-0000-0000-000000001003', '00000000-0000-0000-0000-00000000000a', 'cancelled', 'cancelled', 'null', '[{"position_id":"00000000-0000-0000-0000-00000000000b","quantity":2}]', 100, now(), now()),
    ('00000000-0000-0000-0000-000000001004', '00000000-0000-0000-0000-00000000000a', 'sent', NULL, 'null', '[{"position_id":"00000000-0000-0000-0000-00000000000b","quantity":4}]', 200, now(), now());
INSERT INTO sagas (saga_id, workflow, version, key, state, data, status, waits_for, created_at, finished_at) VALUES
    ('00000000-0000-0000-0000-000000001001', 'order', 1, '00000000-0000-0000-0000-000000001001', '{}', '{}', 'completed', '', now(), now()),
    ('00000000-0000-0000-0000-000000001002', 'order', 1, '00000000-0000-0000-0000-000000001002', '{}', '{}', 'rejected', '', now(), now()),
    ('00000000-0000-0000-0000-000000001003', 'order', 1, '00000000-0000-0000-0000-000000001003', '{}', '{}', 'completed', '', now(), now()),
    ('00000000-0000-0000-0000-000000002003', 'order_cancellation', 1, '00000000-0000-0000-0000-000000001003', '{}', '{}', 'completed', '', now(), now()),
    ('00000000-0000-0000-0000-000000001004', 'order', 1, '00000000-0000-0000-0000-000000001004', '{}', '{}', 'completed', '', now(), now());"#;
const NOTIFICATION: &str = "
INSERT INTO letters (letter_id, notification_id, user_id, kind, subject, body, order_id, channel, status, request_hash, created_at)
SELECT gen_random_uuid(), gen_random_uuid(), '00000000-0000-0000-0000-00000000000a', kind, '', '', about, '', '', gen_random_uuid(), now()
FROM (VALUES
    ('welcome', NULL),
    ('order_confirmed', '00000000-0000-0000-0000-000000001001'::uuid),
    ('order_rejected', '00000000-0000-0000-0000-000000001002'),
    ('order_confirmed', '00000000-0000-0000-0000-000000001003'),
    ('order_cancelled', '00000000-0000-0000-0000-000000001003'),
    ('order_confirmed', '00000000-0000-0000-0000-000000001004'),
    ('order_sent', '00000000-0000-0000-0000-000000001004')) AS told (kind, about);";

struct Shop {
    urls: DatabaseUrls,
}

async fn connect(url: &str) -> DatabaseConnection {
    Database::connect(url).await.unwrap()
}

async fn database<M: MigratorTrait>(name: &str, rows: &str) -> String {
    let url = testkit::database(name).await;
    let db = connect(&url).await;
    M::up(&db, None).await.unwrap();
    db.execute_unprepared(rows).await.unwrap();
    db.close().await.unwrap();
    url
}

impl Shop {
    async fn open() -> Self {
        let urls = DatabaseUrls {
            billing: database::<migrations::billing::Migrator>("audit_billing", BILLING).await,
            stock: database::<migrations::stock::Migrator>("audit_stock", STOCK).await,
            orchestrator: database::<migrations::orchestrator::Migrator>("audit_orchestrator", ORCHESTRATOR)
                .await,
            notification: database::<migrations::notification::Migrator>("audit_notification", NOTIFICATION)
                .await,
        };
        Self { urls }
    }

    /// What is found after a change, which is then taken back.
    async fn found_after(&self, url: &str, change: &str, back: &str) -> Vec<&'static str> {
        let db = connect(url).await;
        db.execute_unprepared(change).await.unwrap_or_else(|error| panic!("{change}: {error}"));
        let report = audit(&self.urls).await.unwrap();
        db.execute_unprepared(back).await.unwrap_or_else(|error| panic!("{back}: {error}"));
        db.close().await.unwrap();
        let mut rules: Vec<&str> = report.findings.iter().map(|finding| finding.rule).collect();
        rules.sort_unstable();
        rules
    }
}

fn expected() -> Expected {
    Expected {
        orders: [
            (CONFIRMED, Told::Confirmed),
            (REJECTED, Told::Rejected),
            // Before it was cancelled.
            (CANCELLED, Told::Confirmed),
        ]
        .into(),
        put_in_stock: [(TEA, 2000)].into(),
        deposited: [(USER, 1000)].into(),
    }
}

#[tokio::test]
async fn right_books_are_clean() {
    let shop = Shop::open().await;
    let report = audit_against(&shop.urls, &expected()).await.unwrap();
    assert!(report.is_clean(), "{report:#?}");
    let sums = report.sums;
    assert_eq!((sums.orders_confirmed, sums.orders_rejected, sums.orders_cancelled), (2, 1, 1));
    assert_eq!((sums.orders_cancelled_confirmed, sums.letters), (1, 5));
    assert_eq!((sums.deposited, sums.captured, sums.refunded, sums.balances), (1000, 450, 100, 650));
    assert_eq!((sums.available, sums.reserved, sums.sold), (1993, 3, 4));
}

#[tokio::test]
async fn what_was_expected_is_missed() {
    let shop = Shop::open().await;
    let lost = Uuid::from_u128(0x1005);
    let expected = Expected {
        orders: [(CONFIRMED, Told::Rejected), (lost, Told::Accepted)].into(),
        put_in_stock: [(TEA, 2001), (lost, 1)].into(),
        deposited: [(USER, 1001)].into(),
    };
    let report = audit_against(&shop.urls, &expected).await.unwrap();
    let mut found: Vec<_> = report.findings.iter().map(|finding| (finding.rule, finding.count)).collect();
    found.sort_unstable();
    assert_eq!(
        found,
        [
            ("a client is told what its order came to", 1),
            ("every deposit is in the ledger once", 1),
            ("every order that a client knows of is kept", 1),
            ("what is on hand and what is sold are together what was put in stock", 2),
        ]
    );
}

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
            "a confirmed order's total is captured once, from its user",
            "a hold is captured by one entry of its amount and user, and nothing else is captured",
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
async fn stock_that_was_changed_is_found() {
    let shop = Shop::open().await;
    let stock = &shop.urls.stock;
    assert_eq!(
        shop.found_after(stock, "UPDATE positions SET reserved = 2", "UPDATE positions SET reserved = 3")
            .await,
        ["what is reserved of a position is the sum of the reservations that stand"]
    );
    let released = r#"UPDATE reservations SET state = replace(state, '"reserved"', '"released"')
                      WHERE order_id = '00000000-0000-0000-0000-000000001001'"#;
    let back = r#"UPDATE reservations SET state = replace(state, '"released"', '"reserved"')
                  WHERE order_id = '00000000-0000-0000-0000-000000001001'"#;
    assert_eq!(
        shop.found_after(stock, released, back).await,
        [
            "a confirmed order's items are reserved or sold at the prices of its total",
            "what is reserved of a position is the sum of the reservations that stand",
        ]
    );
    let state = |from: &str, to: &str| {
        format!(
            r#"UPDATE reservations SET state = replace(state, '"{from}"', '"{to}"')
               WHERE order_id = '00000000-0000-0000-0000-000000001004'"#
        )
    };
    assert_eq!(
        shop.found_after(stock, &state("sold", "reserved"), &state("reserved", "sold")).await,
        ["what is reserved of a position is the sum of the reservations that stand"]
    );
    assert_eq!(
        shop.found_after(stock, &state("sold", "released"), &state("released", "sold")).await,
        ["a confirmed order's items are reserved or sold at the prices of its total"]
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
            "a cancelled order holds no money, and what it took it has given back",
            "a refunded hold is given back by one entry of its amount and user, and nothing else is refunded",
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
            "a cancelled order holds no money, and what it took it has given back",
            "a confirmed order's total is captured once, from its user",
            "a refunded hold is given back by one entry of its amount and user, and nothing else is refunded",
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
            notification,
            "INSERT INTO letters SELECT gen_random_uuid(), gen_random_uuid(), user_id, kind, '', '', order_id, '', '', gen_random_uuid(), now() \
             FROM letters WHERE kind = 'order_confirmed'",
            "SELECT 1"
        )
        .await,
        ["an order has one letter, of its outcome, to its user", "there is one letter per outcome"]
    );
}

/// A hold that is gone, and an order that nothing has happened to for two minutes.
const WITHOUT_HOLD: &str =
    "UPDATE holds SET state = 'released' WHERE order_id = '00000000-0000-0000-0000-000000001001'";
const LONG_AGO: &str = "UPDATE orders SET updated_at = now() - interval '2 minutes'; \
                        UPDATE sagas SET finished_at = now() - interval '2 minutes'";

async fn change(url: &str, statements: &str) {
    let db = connect(url).await;
    db.execute_unprepared(statements).await.unwrap_or_else(|error| panic!("{statements}: {error}"));
    db.close().await.unwrap();
}

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
             ('00000000-0000-0000-0000-000000002001', 'order_cancellation', 1, '00000000-0000-0000-0000-000000001001', '{}', '{}', 'running', '', now(), now())",
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
                    now(), now() - interval '1 hour', now())";
    change(&shop.urls.orchestrator, running).await;
    let held = "UPDATE accounts SET held = 7; INSERT INTO holds VALUES ('00000000-0000-0000-0000-000000001005', 'held', \
                '00000000-0000-0000-0000-00000000000a', 7, now(), NULL)";
    change(&shop.urls.billing, held).await;
    let report = audit_quiet(&shop.urls, 60).await.unwrap();
    assert!(report.is_clean(), "{report:#?}");
    assert_eq!((report.orders_judged, report.orders_moving, report.sums.held), (4, 1, 7));
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
async fn what_was_reserved_by_hand_is_named_and_is_no_finding_at_work() {
    let shop = Shop::open().await;
    change(&shop.urls.orchestrator, LONG_AGO).await;
    let by_hand = r#"UPDATE positions SET reserved = reserved + 2, available = available - 2;
        INSERT INTO reservations VALUES
        ('00000000-0000-0000-0000-000000001009', '{00000000-0000-0000-0000-00000000000b}',
         '{"state":"reserved","total":100,"lines":[{"position_id":"00000000-0000-0000-0000-00000000000b","name":"Tea","quantity":2,"price":50}]}')"#;
    change(&shop.urls.stock, by_hand).await;
    let report = audit_quiet(&shop.urls, 60).await.unwrap();
    assert!(report.is_clean(), "{report:#?}");
    assert_eq!(report.reserved_by_hand.into_iter().collect::<Vec<_>>(), [Uuid::from_u128(0x1009)]);
    assert!(!audit(&shop.urls).await.unwrap().is_clean(), "where nobody reserves by hand it is one");
    let hold = "INSERT INTO holds VALUES ('00000000-0000-0000-0000-000000001009', 'refused', \
                '00000000-0000-0000-0000-00000000000a', 7, NULL, 0)";
    change(&shop.urls.billing, hold).await;
    let report = audit_quiet(&shop.urls, 60).await.unwrap();
    assert_eq!(report.orders.into_iter().collect::<Vec<_>>(), [Uuid::from_u128(0x1009)]);
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
    assert_eq!(accepted.rules, ["a confirmed order's total is captured once, from its user"]);
}

#[tokio::test]
async fn sagas_that_left_after_some_days_are_not_missed() {
    let shop = Shop::open().await;
    let gone = "DELETE FROM sagas; UPDATE orders SET updated_at = now() - interval '2 days'";
    change(&shop.urls.orchestrator, gone).await;
    let report = audit_quiet(&shop.urls, 60).await.unwrap();
    assert!(report.is_clean() && report.orders_judged == 4, "{report:#?}");
}
