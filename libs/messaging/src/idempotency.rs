//! `Idempotency-Key`: the row that remembers a request, written in the transaction of its effect.
//!
//! Because it commits with the effect there is no "still running" to clean up after a crash, and two
//! twins at once meet at the row's key: one of them is decided again and finds the other's.

use std::time::Duration;

use chrono::TimeDelta;
use contracts::Timestamp;
use sea_orm::{ConnectionTrait, DatabaseBackend, DatabaseConnection, DbErr, Statement, Value};
use serde_json::value::RawValue;
use tokio::time::MissedTickBehavior;
use uuid::Uuid;

use crate::record;
use crate::rows::{Json, Rows};
use crate::runtime::Runtime;

/// How often old requests are forgotten.
const FORGET_EVERY: Duration = Duration::from_secs(600);
/// How long a request is remembered at least: a day is promised.
pub const KEPT_MIN: TimeDelta = TimeDelta::hours(48);
/// Rows forgotten in one statement.
const FORGOTTEN_MAX: u64 = 5_000;

/// A client's key within its scope (user, route), and the hash of the body it came with.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Key {
    /// Made of user, route and key.
    pub key_id: Uuid,
    /// Whose.
    pub user_id: Uuid,
    /// Of the body's bytes.
    pub body_hash: String,
}

impl Key {
    /// The key that a user sent with a body to a route.
    pub fn new(user_id: Uuid, route: &str, key: &str, body_hash: String) -> Self {
        Self { key_id: Uuid::new_v5(&user_id, format!("{route}\n{key}").as_bytes()), user_id, body_hash }
    }

    /// The row that remembers this request's answer.
    pub fn remember(&self, response: Box<RawValue>, now: Timestamp) -> RememberedRequest {
        RememberedRequest {
            key_id: self.key_id,
            user_id: self.user_id,
            body_hash: self.body_hash.clone(),
            response: Json(response),
            created_at: now,
        }
    }
}

record! {
    /// A request that had an effect, with its answer.
    pub struct RememberedRequest in "idempotency_keys" {
        /// See [`Key::key_id`].
        key_id: Uuid,
        fixed {
            /// Whose.
            user_id: Uuid,
            /// Of the body's bytes.
            body_hash: String,
            /// What was answered, or the resource that was made.
            response: Json<Box<RawValue>>,
            /// When.
            created_at: Timestamp,
        }
    }
}

/// What is known of a request with a key.
#[derive(Debug)]
pub enum Earlier<'a> {
    /// It is the first.
    Unknown,
    /// It was answered like this.
    Answered(&'a RawValue),
    /// The key came with another body.
    OtherBody,
}

/// Looks a request up.
pub fn earlier<'a>(remembered: &'a Rows<RememberedRequest>, key: &Key) -> Earlier<'a> {
    match remembered.get(key.key_id) {
        None => Earlier::Unknown,
        Some(row) if row.body_hash == key.body_hash => Earlier::Answered(&row.response.0),
        Some(_) => Earlier::OtherBody,
    }
}

/// Starts what forgets requests that are older than `kept`, which is [`KEPT_MIN`] or more. Every service
/// that remembers requests needs it.
pub fn start_forgetting(service: &'static str, kept: TimeDelta, db: DatabaseConnection, runtime: &Runtime) {
    let shutdown = runtime.shutdown.clone();
    runtime.tasks.spawn(async move {
        let mut ticks = tokio::time::interval(FORGET_EVERY);
        ticks.set_missed_tick_behavior(MissedTickBehavior::Delay);
        while shutdown.run_until_cancelled(ticks.tick()).await.is_some() {
            if let Err(error) = forget_old(&db, kept).await {
                tracing::warn!(service, %error, "old requests were not forgotten; trying again");
            }
        }
    });
}

/// Some at a time: no long locks.
async fn forget_old(db: &DatabaseConnection, kept: TimeDelta) -> Result<(), DbErr> {
    let sql = format!(
        "DELETE FROM idempotency_keys WHERE key_id IN (SELECT key_id FROM idempotency_keys \
         WHERE created_at < $1 ORDER BY created_at LIMIT {FORGOTTEN_MAX})"
    );
    loop {
        let values: [Value; 1] = [(chrono::Utc::now() - kept).into()];
        let statement = Statement::from_sql_and_values(DatabaseBackend::Postgres, &sql, values);
        if db.execute_raw(statement).await?.rows_affected() < FORGOTTEN_MAX {
            return Ok(());
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn keys_are_scoped_to_user_and_route() {
        let user = Uuid::from_u128(1);
        let key = |user, route| Key::new(user, route, "k", String::new()).key_id;
        assert_eq!(key(user, "/a"), key(user, "/a"));
        assert_ne!(key(user, "/a"), key(user, "/b"));
        assert_ne!(key(user, "/a"), key(Uuid::from_u128(2), "/a"));
    }

    #[test]
    fn the_same_key_with_another_body_is_told_apart() {
        let key = Key::new(Uuid::nil(), "/a", "k", "hash".into());
        let response = RawValue::from_string("7".into()).unwrap();
        let rows = Rows::of([key.remember(response, Timestamp::default())]);
        assert!(matches!(earlier(&rows, &key), Earlier::Answered(answer) if answer.get() == "7"));
        let other = Key { body_hash: "other".into(), ..key };
        assert!(matches!(earlier(&rows, &other), Earlier::OtherBody));
    }
}
