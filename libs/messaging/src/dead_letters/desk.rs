//! The dead letters of one service as operators meet them: looked at by group, sent again as they came,
//! or discarded.

use std::sync::{Arc, Mutex, PoisonError};

use async_nats::HeaderMap;
use bytes::Bytes;
use contracts::Timestamp;
use sea_orm::{ConnectionTrait, DatabaseBackend, DatabaseConnection, DbErr, QueryResult, Statement, Value};
use uuid::Uuid;

use super::PAYLOAD_BYTES_MAX;
use super::trail::OnBehalf;
use crate::bus::Bus;
use crate::envelope::BATCH_CONTENT_TYPE;

/// The most groups that are told of one service.
const GROUPS_MAX: u32 = 200;

/// The desks of a process: one a service, put up by its loop. Cheap to clone.
#[derive(Debug, Clone, Default)]
pub struct DeadLetterDesks(Arc<Mutex<Vec<DeadLetterDesk>>>);

/// The dead letters of one service. Cheap to clone.
#[derive(Debug, Clone)]
pub struct DeadLetterDesk {
    service: &'static str,
    pub(super) db: DatabaseConnection,
    bus: Bus,
}

/// Letters with the same error.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct LetterGroup {
    /// Made of service, subject and error.
    pub group_id: Uuid,
    /// Where they came from.
    pub subject: String,
    /// The error of one of them.
    pub error: String,
    /// How many letters.
    pub letters: i64,
    /// How often they came.
    pub times: i64,
    /// When the first came.
    pub first_at: Timestamp,
    /// When one came last.
    pub last_at: Timestamp,
}

/// A letter as it came.
#[derive(Debug, Clone)]
pub struct Letter {
    /// The item's own id, where it has one.
    pub letter_id: Uuid,
    /// See [`LetterGroup::group_id`].
    pub group_id: Uuid,
    /// Where it came from.
    pub subject: String,
    /// The item's type, where it could be read.
    pub item_type: Option<String>,
    /// The saga, or what the event is about, where it could be read.
    pub about: Option<Uuid>,
    /// Why it was put aside.
    pub error: String,
    /// The bytes.
    pub payload: Vec<u8>,
    /// A message's headers as a JSON object; none when it was one item of a batch.
    pub headers: Option<String>,
    /// How often it came.
    pub count: i32,
    /// When it came first.
    pub first_at: Timestamp,
    /// When it came last.
    pub last_at: Timestamp,
}

/// A letter was not sent again; it is still there.
#[derive(Debug, thiserror::Error)]
pub enum RedriveError {
    /// No stream took it.
    #[error("it was not published: {0}")]
    Publish(#[from] async_nats::jetstream::context::PublishError),
    /// It is not there as it came.
    #[error("it was longer than what is kept, and cannot be sent again")]
    Cut,
    /// The database refuses.
    #[error(transparent)]
    Database(#[from] DbErr),
}

impl DeadLetterDesks {
    /// Puts up the desk of a service, once.
    pub(crate) fn put_up(&self, service: &'static str, db: &DatabaseConnection, bus: &Bus) {
        let mut desks = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        if desks.iter().all(|desk| desk.service != service) {
            desks.push(DeadLetterDesk { service, db: db.clone(), bus: bus.clone() });
        }
    }

    /// All of them.
    pub fn all(&self) -> Vec<DeadLetterDesk> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner).clone()
    }
}

const LETTER: &str = "SELECT letter_id, group_id, subject, item_type, about, error, payload, headers, count, \
     first_at, last_at FROM dead_letters WHERE ";

impl DeadLetterDesk {
    /// Whose.
    pub fn service(&self) -> &'static str {
        self.service
    }

    /// The groups, at most 200; the one that came last first.
    ///
    /// # Errors
    /// The database refuses.
    pub async fn groups(&self) -> Result<Vec<LetterGroup>, DbErr> {
        let sql = format!(
            "SELECT group_id, min(subject), min(error), count(*), sum(count)::bigint, min(first_at), \
             max(last_at) FROM dead_letters GROUP BY group_id ORDER BY max(last_at) DESC LIMIT {GROUPS_MAX}"
        );
        self.query(&sql, []).await?.iter().map(read_group).collect()
    }

    /// Letters of a group, those with the highest ids first, from below an id.
    ///
    /// # Errors
    /// The database refuses.
    pub async fn of_group(&self, group_id: Uuid, below: Uuid, limit: i64) -> Result<Vec<Letter>, DbErr> {
        let sql = format!("{LETTER} group_id = $1 AND letter_id < $2 ORDER BY letter_id DESC LIMIT $3");
        self.query(&sql, [group_id.into(), below.into(), limit.into()]).await?.iter().map(read).collect()
    }

    /// Letters of a group, those that came longest ago first: one that fails again goes to the end.
    ///
    /// # Errors
    /// The database refuses.
    pub async fn oldest_of_group(&self, group_id: Uuid, limit: i64) -> Result<Vec<Letter>, DbErr> {
        let sql = format!("{LETTER} group_id = $1 ORDER BY last_at, letter_id LIMIT $2");
        self.query(&sql, [group_id.into(), limit.into()]).await?.iter().map(read).collect()
    }

    /// How many letters of a group came last before a time.
    ///
    /// # Errors
    /// The database refuses.
    pub async fn count(&self, group_id: Uuid, before: Timestamp) -> Result<i64, DbErr> {
        let sql = "SELECT count(*) FROM dead_letters WHERE group_id = $1 AND last_at < $2";
        let rows = self.query(sql, [group_id.into(), before.into()]).await?;
        rows.first().map_or(Ok(0), |row| row.try_get_by_index(0))
    }

    /// The letters with these ids, as far as they are there.
    ///
    /// # Errors
    /// The database refuses.
    pub async fn with_ids(&self, ids: &[Uuid]) -> Result<Vec<Letter>, DbErr> {
        let sql = format!("{LETTER} letter_id = ANY($1) ORDER BY letter_id DESC");
        self.query(&sql, [ids.to_vec().into()]).await?.iter().map(read).collect()
    }

    /// Sends a letter again as it came and takes it off the table once its stream has it. Safe to
    /// repeat: whoever reads it recognises what was done already. If it failed again in between, it stays.
    ///
    /// # Errors
    /// It was not taken by a stream; it is still there.
    pub async fn redrive(&self, letter: &Letter, by: OnBehalf<'_>) -> Result<(), RedriveError> {
        if letter.payload.len() >= PAYLOAD_BYTES_MAX {
            return Err(RedriveError::Cut);
        }
        let (headers, payload) = letter.as_message();
        let jetstream = self.bus.jetstream();
        jetstream.publish_with_headers(letter.subject.clone(), headers, payload).await?.await?;
        self.take_off_redriven(letter, by).await?;
        Ok(())
    }

    pub(super) async fn query(
        &self,
        sql: &str,
        values: impl IntoIterator<Item = Value>,
    ) -> Result<Vec<QueryResult>, DbErr> {
        self.db.query_all_raw(Statement::from_sql_and_values(DatabaseBackend::Postgres, sql, values)).await
    }
}

impl Letter {
    /// An item of a batch travels as a batch of one.
    fn as_message(&self) -> (HeaderMap, Bytes) {
        let mut headers = HeaderMap::new();
        let Some(kept) = &self.headers else {
            headers.insert("content-type", BATCH_CONTENT_TYPE);
            return (headers, [b"[", self.payload.as_slice(), b"]"].concat().into());
        };
        // Written by `super::headers_json`.
        let kept: Vec<(String, String)> = serde_json::from_str(kept).unwrap_or_default();
        for (name, value) in kept {
            headers.append(name, value);
        }
        (headers, self.payload.clone().into())
    }
}

fn read_group(row: &QueryResult) -> Result<LetterGroup, DbErr> {
    Ok(LetterGroup {
        group_id: row.try_get_by_index(0)?,
        subject: row.try_get_by_index(1)?,
        error: row.try_get_by_index(2)?,
        letters: row.try_get_by_index(3)?,
        times: row.try_get_by_index(4)?,
        first_at: row.try_get_by_index(5)?,
        last_at: row.try_get_by_index(6)?,
    })
}

fn read(row: &QueryResult) -> Result<Letter, DbErr> {
    Ok(Letter {
        letter_id: row.try_get_by_index(0)?,
        group_id: row.try_get_by_index(1)?,
        subject: row.try_get_by_index(2)?,
        item_type: row.try_get_by_index(3)?,
        about: row.try_get_by_index(4)?,
        error: row.try_get_by_index(5)?,
        payload: row.try_get_by_index(6)?,
        headers: row.try_get_by_index(7)?,
        count: row.try_get_by_index(8)?,
        first_at: row.try_get_by_index(9)?,
        last_at: row.try_get_by_index(10)?,
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    fn letter(headers: Option<&str>) -> Letter {
        let now = Timestamp::default();
        Letter {
            letter_id: Uuid::nil(),
            group_id: Uuid::nil(),
            subject: "order.x.v1".to_owned(),
            item_type: None,
            about: None,
            error: "no".to_owned(),
            payload: b"{\"a\":1}".to_vec(),
            headers: headers.map(str::to_owned),
            count: 1,
            first_at: now,
            last_at: now,
        }
    }

    #[test]
    fn an_item_travels_as_a_batch_of_one_and_a_message_as_it_came() {
        let (headers, payload) = letter(None).as_message();
        assert_eq!(headers.get("content-type").unwrap().as_str(), BATCH_CONTENT_TYPE);
        assert_eq!(payload, Bytes::from_static(b"[{\"a\":1}]"));
        let (headers, payload) = letter(Some(r#"[["ce-id","7"]]"#)).as_message();
        assert_eq!(headers.get("ce-id").unwrap().as_str(), "7");
        assert_eq!((headers.len(), payload), (1, Bytes::from_static(b"{\"a\":1}")));
    }
}
