//! Books of four orders that are right, and what is changed in them.

use audit::{DatabaseUrls, Expected, Told, audit};
use migrations::MigratorTrait;
use sea_orm::{ConnectionTrait, Database, DatabaseConnection};
use uuid::Uuid;

pub(crate) const USER: Uuid = Uuid::from_u128(0xa);
pub(crate) const TEA: Uuid = Uuid::from_u128(0xb);
pub(crate) const CONFIRMED: Uuid = Uuid::from_u128(0x1001);
pub(crate) const REJECTED: Uuid = Uuid::from_u128(0x1002);
pub(crate) const CANCELLED: Uuid = Uuid::from_u128(0x1003);

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
/// Two couriers came, at noon and at one, to the order that was confirmed and to the one that is on its way; the
/// other two had one, too.
const DELIVERY: &str = "
INSERT INTO slots VALUES
    ('00000000-0000-0000-0000-0000000000d1', date_trunc('hour', now()) + interval '1 hour', '[2]'),
    ('00000000-0000-0000-0000-0000000000d2', date_trunc('hour', now()) + interval '2 hours', '[1]');
INSERT INTO bookings VALUES
    ('00000000-0000-0000-0000-000000001001', 'booked', '00000000-0000-0000-0000-0000000000d1', date_trunc('hour', now()) + interval '1 hour', 2),
    ('00000000-0000-0000-0000-000000001002', 'released', '00000000-0000-0000-0000-0000000000d1', date_trunc('hour', now()) + interval '1 hour', 1),
    ('00000000-0000-0000-0000-000000001003', 'released', '00000000-0000-0000-0000-0000000000d1', date_trunc('hour', now()) + interval '1 hour', 1),
    ('00000000-0000-0000-0000-000000001004', 'booked', '00000000-0000-0000-0000-0000000000d2', date_trunc('hour', now()) + interval '2 hours', 1);
INSERT INTO deliveries VALUES
    ('00000000-0000-0000-0000-000000001001', 'scheduled', '00000000-0000-0000-0000-00000000000a', NULL, false, date_trunc('hour', now()) + interval '1 hour', now()),
    ('00000000-0000-0000-0000-000000001003', 'cancelled', '00000000-0000-0000-0000-00000000000a', NULL, false, date_trunc('hour', now()) + interval '1 hour', now()),
    ('00000000-0000-0000-0000-000000001004', 'sent', '00000000-0000-0000-0000-00000000000a', NULL, false, date_trunc('hour', now()) + interval '2 hours', now());";
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
    ('00000000-0000-0000-0000-000000001004', 'order', 1, '00000000-0000-0000-0000-000000001004', '{}', '{}', 'completed', '', now(), now());
INSERT INTO saga_history (saga_id, seq, at, inputs) SELECT saga_id, 1, now(), '[]' FROM sagas;"#;
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

pub(crate) struct Shop {
    pub(crate) urls: DatabaseUrls,
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
    pub(crate) async fn open() -> Self {
        let urls = DatabaseUrls {
            billing: database::<migrations::billing::Migrator>("audit_billing", BILLING).await,
            stock: database::<migrations::stock::Migrator>("audit_stock", STOCK).await,
            delivery: database::<migrations::delivery::Migrator>("audit_delivery", DELIVERY).await,
            orchestrator: database::<migrations::orchestrator::Migrator>("audit_orchestrator", ORCHESTRATOR)
                .await,
            notification: database::<migrations::notification::Migrator>("audit_notification", NOTIFICATION)
                .await,
        };
        Self { urls }
    }

    /// What is found after a change, which is then taken back.
    pub(crate) async fn found_after(&self, url: &str, change: &str, back: &str) -> Vec<&'static str> {
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

pub(crate) fn expected() -> Expected {
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

/// Nothing has happened to any order for two minutes.
pub(crate) const LONG_AGO: &str = "UPDATE orders SET updated_at = now() - interval '2 minutes'; \
                        UPDATE sagas SET finished_at = now() - interval '2 minutes'";

pub(crate) async fn change(url: &str, statements: &str) {
    let db = connect(url).await;
    db.execute_unprepared(statements).await.unwrap_or_else(|error| panic!("{statements}: {error}"));
    db.close().await.unwrap();
}
