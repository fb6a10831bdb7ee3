//! A running notification, and what lies in its database.

use std::time::Duration;

use contracts::notification::{LetterKind, Notify, OrderLetter};
use contracts::user::{Locale, UserRegistered};
use sea_orm::{ConnectionTrait, DbBackend, Statement, Value};
use testkit::{Process, TestBed, eventually};
use uuid::Uuid;

/// How long anything is waited for.
pub(crate) const WITHIN: Duration = Duration::from_secs(20);

/// Servers and one replica.
pub(crate) struct Desk {
    pub(crate) bed: TestBed,
    pub(crate) notification: Process,
}

impl Desk {
    pub(crate) async fn start() -> Self {
        let bed = TestBed::start::<migrations::notification::Migrator>(&[notification::work()]).await;
        let notification = bed.run(notification::start).await;
        Self { bed, notification }
    }

    /// A number out of the database.
    pub(crate) async fn number(&self, sql: &str, values: impl IntoIterator<Item = Value>) -> i64 {
        let statement = Statement::from_sql_and_values(DbBackend::Postgres, sql, values);
        self.bed.db.query_one_raw(statement).await.unwrap().unwrap().try_get_by_index(0).unwrap()
    }

    pub(crate) async fn letters(&self) -> i64 {
        self.number("SELECT count(*) FROM letters", []).await
    }

    pub(crate) async fn letters_are(&self, expected: i64) {
        let what = format!("{expected} letters");
        eventually(WITHIN, &what, async || (self.letters().await == expected).then_some(())).await;
    }

    /// A user's welcome, once it is written.
    pub(crate) async fn is_welcomed(&self, user_id: Uuid) {
        let sql = "SELECT count(*) FROM letters WHERE user_id = $1 AND kind = 'welcome'";
        let welcomed = async || (self.number(sql, [user_id.into()]).await > 0).then_some(());
        eventually(WITHIN, "a welcome", welcomed).await;
    }
}

pub(crate) fn registered(locale: Locale) -> UserRegistered {
    let user_id = Uuid::now_v7();
    UserRegistered { user_id, email: format!("{user_id}@example.com"), name: Some("Ann".into()), locale }
}

pub(crate) fn notify(user_id: Uuid, kind: LetterKind, total: Option<i64>, reason: Option<&str>) -> Notify {
    let letter = OrderLetter { order_id: Uuid::now_v7(), total, reason: reason.map(Into::into) };
    let data = serde_json::value::to_raw_value(&letter).unwrap();
    Notify { letter_id: Uuid::new_v5(&letter.order_id, b"letter"), user_id, kind, data }
}
