//! A billing service with its servers, spoken to in the words of the tests, and an audit of its books
//! that shares nothing with the code under test.

use std::time::Duration;

use contracts::Amount;
use contracts::billing::{CaptureFunds, RefundOrder, ReleaseFunds, ReserveFunds};
use sea_orm::{ConnectionTrait, DatabaseBackend, DatabaseConnection, FromQueryResult, Statement};
use serde_json::json;
use service::token::Role;
use testkit::{Answer, Client, Process, Said, TestBed, eventually};
use uuid::Uuid;

pub(crate) struct Bank {
    pub(crate) bed: TestBed,
    pub(crate) replicas: Vec<Process>,
}

/// What an account is told to be.
#[derive(Debug, Clone, Copy, PartialEq, Eq, FromQueryResult)]
pub(crate) struct Money {
    pub(crate) balance: i64,
    pub(crate) held: i64,
}

#[derive(Debug, PartialEq, Eq, FromQueryResult)]
struct Finding {
    what: String,
}

pub(crate) fn amount(minor_units: i64) -> Amount {
    Amount::new(minor_units).unwrap()
}

pub(crate) fn money(balance: i64, held: i64) -> Money {
    Money { balance, held }
}

pub(crate) fn reserve(order_id: Uuid, user_id: Uuid, units: i64) -> ReserveFunds {
    ReserveFunds { order_id, user_id, amount: amount(units) }
}

impl Bank {
    /// A bank with one replica.
    pub(crate) async fn open() -> Self {
        Self::with_replicas(1).await
    }

    pub(crate) async fn with_replicas(count: usize) -> Self {
        let bed = TestBed::start::<migrations::billing::Migrator>(&[billing::work()]).await;
        let mut bank = Self { bed, replicas: Vec::new() };
        for _ in 0..count {
            bank.start_replica().await;
        }
        bank
    }

    pub(crate) async fn start_replica(&mut self) {
        self.replicas.push(self.bed.run(billing::start).await);
    }

    pub(crate) async fn stop_replica(&mut self) {
        self.replicas.pop().expect("a replica runs").stop().await;
    }

    /// A client of the public listener of some replica.
    pub(crate) fn client(&self, replica: usize, user_id: Uuid) -> Client {
        self.replicas[replica].user(user_id, &[Role::User])
    }

    /// A new user with money.
    pub(crate) async fn user_with(&self, units: i64) -> Uuid {
        let user_id = Uuid::now_v7();
        if units > 0 {
            assert_eq!(self.deposit(user_id, units).await.status, 200);
        }
        user_id
    }

    pub(crate) async fn deposit(&self, user_id: Uuid, units: i64) -> Answer {
        self.client(0, user_id).post("/api/v1/account", &json!({ "amount": units })).await
    }

    pub(crate) async fn withdraw(&self, user_id: Uuid, units: i64) -> Answer {
        self.client(0, user_id).post("/api/v1/account/withdraw", &json!({ "amount": units })).await
    }

    pub(crate) async fn reserve(&self, order_id: Uuid, user_id: Uuid, units: i64) -> Said {
        self.bed.road.ask(&reserve(order_id, user_id, units)).await
    }

    pub(crate) async fn release(&self, order_id: Uuid) -> Said {
        self.bed.road.ask(&ReleaseFunds { order_id }).await
    }

    pub(crate) async fn capture(&self, order_id: Uuid) -> Said {
        self.bed.road.ask(&CaptureFunds { order_id }).await
    }

    pub(crate) async fn refund(&self, order_id: Uuid) -> Said {
        self.bed.road.ask(&RefundOrder { order_id }).await
    }

    /// The user's account, read from its row.
    pub(crate) async fn money(&self, user_id: Uuid) -> Money {
        let row = self.row::<Money>("SELECT balance, held FROM accounts WHERE user_id = $1", user_id).await;
        row.expect("the user has an account")
    }

    pub(crate) async fn hold_state(&self, order_id: Uuid) -> Option<String> {
        let sql = "SELECT state AS what FROM holds WHERE order_id = $1";
        self.row::<Finding>(sql, order_id).await.map(|found| found.what)
    }

    pub(crate) async fn has_account(&self, user_id: Uuid) -> bool {
        self.row::<Money>("SELECT balance, held FROM accounts WHERE user_id = $1", user_id).await.is_some()
    }

    pub(crate) async fn dead_letters(&self) -> usize {
        self.all("SELECT error AS what FROM dead_letters").await.len()
    }

    async fn all(&self, sql: &str) -> Vec<Finding> {
        let statement = Statement::from_string(DatabaseBackend::Postgres, sql);
        Finding::find_by_statement(statement).all(&self.bed.db).await.unwrap()
    }

    async fn row<T: FromQueryResult>(&self, sql: &str, key: Uuid) -> Option<T> {
        let statement = Statement::from_sql_and_values(DatabaseBackend::Postgres, sql, [key.into()]);
        T::find_by_statement(statement).one(&self.bed.db).await.unwrap()
    }

    /// Moves every hold into the past, as if so many hours had gone by.
    pub(crate) async fn age_holds(&self, hours: u32) {
        let sql = format!("UPDATE holds SET expires_at = expires_at - interval '{hours} hours'");
        self.bed.db.execute_unprepared(&sql).await.unwrap();
    }

    /// Moves every remembered request into the past.
    pub(crate) async fn age_keys(&self, hours: u32) {
        let sql = format!("UPDATE idempotency_keys SET created_at = created_at - interval '{hours} hours'");
        self.bed.db.execute_unprepared(&sql).await.unwrap();
    }

    /// How many requests are remembered.
    pub(crate) async fn keys(&self) -> usize {
        self.all("SELECT body_hash AS what FROM idempotency_keys").await.len()
    }

    pub(crate) async fn wait_for_state(&self, order_id: Uuid, state: &str) {
        let what = format!("the hold to be {state}");
        eventually(Duration::from_secs(20), &what, async || {
            (self.hold_state(order_id).await.as_deref() == Some(state)).then_some(())
        })
        .await;
    }

    /// Gives an account a balance that no test has the time to deposit. The books no longer agree.
    pub(crate) async fn set_balance(&self, user_id: Uuid, balance: i64) {
        let sql = format!("UPDATE accounts SET balance = {balance} WHERE user_id = '{user_id}'");
        self.bed.db.execute_unprepared(&sql).await.unwrap();
    }

    /// Sessions as a replica has them.
    pub(crate) async fn sessions(&self) -> DatabaseConnection {
        self.replicas[0].house.database("billing", service::database::Pool::Reader, 4).await.unwrap()
    }

    pub(crate) async fn wait_for_a_blocked_session(&self) {
        let sql = "SELECT wait_event AS what FROM pg_stat_activity \
                   WHERE datname = current_database() AND wait_event_type = 'Lock'";
        eventually(Duration::from_secs(20), "a session that waits for a lock", async || {
            self.all(sql).await.pop()
        })
        .await;
    }

    /// Every contradiction between accounts, holds and ledger. There must be none.
    pub(crate) async fn audit(&self) {
        assert_eq!(self.all(AUDIT).await, [], "the books must agree with themselves");
    }
}

const AUDIT: &str = "
SELECT 'postings sum to ' || sum(amount) AS what FROM postings HAVING sum(amount) <> 0
UNION ALL
SELECT 'entry ' || entry_id || ' has postings that sum to ' || sum(amount)
    FROM postings GROUP BY entry_id HAVING sum(amount) <> 0 OR count(*) <> 2
UNION ALL
SELECT 'balance of ' || a.user_id || ' is not the sum of its postings' FROM accounts a
    WHERE a.balance <> COALESCE((SELECT sum(p.amount) FROM postings p WHERE p.account_id = a.account_id), 0)
UNION ALL
SELECT 'held of ' || a.user_id || ' is not the sum of its holds' FROM accounts a
    WHERE a.held <> COALESCE((SELECT sum(h.amount) FROM holds h WHERE h.user_id = a.user_id AND h.state = 'held'), 0)
UNION ALL
SELECT 'entries of ' || a.user_id || ' are not counted' FROM accounts a
    WHERE a.entries <> (SELECT count(*) FROM entries e WHERE e.user_id = a.user_id)
UNION ALL
SELECT 'balance after entry ' || entry_id || ' does not follow from the one before' FROM (
    SELECT entry_id, balance_after, number,
        sum(CASE WHEN kind IN ('deposit', 'refund') THEN amount ELSE -amount END) OVER (PARTITION BY user_id ORDER BY number) AS running,
        row_number() OVER (PARTITION BY user_id ORDER BY number) AS place
    FROM entries) AS statement
    WHERE balance_after <> running OR number <> place
UNION ALL
SELECT 'order ' || h.order_id || ' is ' || h.state || ' without its one entry' FROM holds h
    WHERE (h.state IN ('captured', 'paid', 'refunded')) <> (1 = (
        SELECT count(*) FROM entries e
        WHERE e.order_id = h.order_id AND e.kind IN ('capture', 'payment')
        AND e.amount = h.amount AND e.user_id = h.user_id))
UNION ALL
SELECT 'order ' || order_id || ' is paid twice' FROM entries
    WHERE kind IN ('capture', 'payment') GROUP BY order_id HAVING count(*) > 1
UNION ALL
SELECT 'order ' || h.order_id || ' is refunded without its one entry' FROM holds h
    WHERE (h.state = 'refunded') <> (1 = (
        SELECT count(*) FROM entries e
        WHERE e.order_id = h.order_id AND e.kind = 'refund' AND e.amount = h.amount AND e.user_id = h.user_id))
UNION ALL
SELECT e.kind || ' ' || e.entry_id || ' has no hold' FROM entries e
    WHERE e.kind IN ('capture', 'payment', 'refund') AND NOT EXISTS (SELECT FROM holds h WHERE h.order_id = e.order_id)
UNION ALL
SELECT 'dead letter ' || error FROM dead_letters";
