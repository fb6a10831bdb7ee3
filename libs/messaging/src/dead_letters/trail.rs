//! What operators did with dead letters: who, when, what, why, and the letter as it was before. Written in
//! the statement that takes the letter off the table, beside which it lies.

use contracts::Timestamp;
use sea_orm::{ConnectionTrait, DatabaseBackend, DbErr, QueryResult, Statement, Value};
use serde_json::json;
use uuid::Uuid;

use super::desk::{DeadLetterDesk, Letter};

/// On whose behalf something is done with a letter, and why.
#[derive(Debug, Clone, Copy)]
pub struct OnBehalf<'a> {
    /// Who, for people: `operator <id>`.
    pub actor: &'a str,
    /// Why.
    pub reason: &'a str,
}

/// Something that was done with a letter.
#[derive(Debug, Clone, PartialEq)]
pub struct LetterAction {
    /// Its own id; they sort by it in the order of time.
    pub action_id: Uuid,
    /// When.
    pub at: Timestamp,
    /// Who.
    pub actor: String,
    /// `redrive` or `discard`.
    pub action: String,
    /// Why.
    pub reason: String,
    /// With which letter.
    pub letter_id: Uuid,
    /// The letter as it was: a JSON object without its payload.
    pub before: serde_json::Value,
    /// What became of it: `sent_again`, `failed_again` or `discarded`.
    pub after: String,
}

/// A redriven letter was sent, so that stands in the trail, also where it came again in between and stays.
const REDRIVEN: &str = "INSERT INTO dead_letter_actions \
     SELECT $3, now(), $4, 'redrive', $5, $1, $6, CASE WHEN EXISTS (SELECT FROM gone) THEN 'sent_again' \
     ELSE 'failed_again' END";
const DISCARDED: &str = "INSERT INTO dead_letter_actions \
     SELECT $3, now(), $4, 'discard', $5, $1, $6, 'discarded' FROM gone";

impl DeadLetterDesk {
    /// Takes a letter that its stream has again off the table, unless it failed again in between.
    pub(super) async fn take_off_redriven(&self, letter: &Letter, by: OnBehalf<'_>) -> Result<(), DbErr> {
        self.take_off(letter, by, REDRIVEN).await.map(|_| ())
    }

    /// Takes a letter off the table; whether it was still there as it was read.
    ///
    /// # Errors
    /// The database refuses.
    pub async fn discard(&self, letter: &Letter, by: OnBehalf<'_>) -> Result<bool, DbErr> {
        Ok(self.take_off(letter, by, DISCARDED).await? > 0)
    }

    async fn take_off(&self, letter: &Letter, by: OnBehalf<'_>, trail: &str) -> Result<u64, DbErr> {
        let sql = format!(
            "WITH gone AS (DELETE FROM dead_letters WHERE letter_id = $1 AND count = $2 RETURNING 1) {trail}"
        );
        let values: [Value; 6] = [
            letter.letter_id.into(),
            letter.count.into(),
            Uuid::now_v7().into(),
            by.actor.into(),
            by.reason.into(),
            letter.described().to_string().into(),
        ];
        let statement = Statement::from_sql_and_values(DatabaseBackend::Postgres, sql, values);
        Ok(self.db.execute_raw(statement).await?.rows_affected())
    }

    /// What was done with this service's letters, the latest first, from below an id.
    ///
    /// # Errors
    /// The database refuses.
    pub async fn actions(&self, below: Uuid, limit: i64) -> Result<Vec<LetterAction>, DbErr> {
        let sql = "SELECT action_id, at, actor, action, reason, letter_id, before, after \
                   FROM dead_letter_actions WHERE action_id < $1 ORDER BY action_id DESC LIMIT $2";
        let rows = self.query(sql, [below.into(), limit.into()]).await?;
        rows.iter().map(read).collect()
    }
}

impl Letter {
    fn described(&self) -> serde_json::Value {
        json!({
            "group": self.group_id, "subject": self.subject, "item_type": self.item_type, "about": self.about,
            "error": self.error, "times": self.count, "first_at": self.first_at, "last_at": self.last_at,
        })
    }
}

fn read(row: &QueryResult) -> Result<LetterAction, DbErr> {
    let before: String = row.try_get_by_index(6)?;
    Ok(LetterAction {
        action_id: row.try_get_by_index(0)?,
        at: row.try_get_by_index(1)?,
        actor: row.try_get_by_index(2)?,
        action: row.try_get_by_index(3)?,
        reason: row.try_get_by_index(4)?,
        letter_id: row.try_get_by_index(5)?,
        before: serde_json::from_str(&before).map_err(|error| DbErr::Json(error.to_string()))?,
        after: row.try_get_by_index(7)?,
    })
}
