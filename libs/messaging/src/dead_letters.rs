//! Items that cannot be processed: kept with their error, so that an operator can look and nothing
//! healthy waits behind them. The saga asks again anyway.

mod desk;
mod plain_error;
mod trail;

use std::sync::Arc;
use std::time::{Duration, Instant};

use async_nats::HeaderMap;
use bytes::Bytes;
use metrics::counter;
use sea_orm::{ConnectionTrait, DatabaseBackend, DatabaseConnection, DbErr, Statement, Value};
use tokio_util::sync::CancellationToken;
use trace::seldom::Seldom;
use trace::{Kind, Span, TraceContext};
use uuid::Uuid;

use crate::metric_names;
use crate::silence::heard;

pub use desk::{DeadLetterDesk, DeadLetterDesks, Letter, LetterGroup, RedriveError};
pub(crate) use plain_error::without_values;
pub use trail::{LetterAction, OnBehalf};

/// The most of a payload that is kept, in bytes: a message's own bound.
const PAYLOAD_BYTES_MAX: usize = crate::envelope::MAX_MESSAGE_BYTES;
/// Of commands and replies so many letters with the same error are kept: what is asked again is not lost, and a flood
/// of it must not fill the disk on which the truth is. Of events every one is kept: a letter is where they wait.
const LETTERS_OF_GROUP_MAX: i64 = 1_000;
const RETRY_PAUSE: Duration = Duration::from_millis(500);

/// An item as it came, and why it was put aside.
#[derive(Debug, Clone)]
pub(crate) struct DeadLetter {
    pub(crate) subject: String,
    /// The item's own id, where it could be read.
    pub(crate) item_id: Option<Uuid>,
    pub(crate) item_type: Option<String>,
    pub(crate) about: Option<Uuid>,
    pub(crate) step: Option<String>,
    /// The place in a trace that it comes from.
    pub(crate) context: Option<TraceContext>,
    pub(crate) error: String,
    pub(crate) raw: Bytes,
    /// Of a message that is kept whole; see [`headers_json`].
    pub(crate) headers: Option<String>,
}

/// The table of one service.
#[derive(Clone)]
pub(crate) struct DeadLetters {
    service: &'static str,
    db: DatabaseConnection,
    shutdown: CancellationToken,
    not_kept: Arc<Seldom>,
    repeated: Arc<Seldom>,
}

impl DeadLetters {
    pub(crate) fn new(service: &'static str, db: DatabaseConnection, shutdown: CancellationToken) -> Self {
        Self { service, db, shutdown, not_kept: Arc::default(), repeated: Arc::default() }
    }

    /// Keeps a letter; the same item again raises its count. Tries until it is kept: only then may the
    /// item be acknowledged. `false`: the process stops first, and the item will come again.
    ///
    /// Where [enough](LETTERS_OF_GROUP_MAX) like it are kept, it is counted only.
    pub(crate) async fn keep(&self, letter: &DeadLetter) -> bool {
        let times = loop {
            let error = match heard(self.write(letter)).await {
                Ok(times) => break times,
                Err(error) => error,
            };
            tracing::warn!(service = self.service, %error, "a dead letter could not be kept; trying again");
            let pause = tokio::time::sleep(RETRY_PAUSE);
            if self.shutdown.run_until_cancelled(pause).await.is_none() {
                return false;
            }
        };
        counter!(metric_names::DEAD_LETTERS, "service" => self.service).increment(1);
        self.trace(letter);
        match times {
            Some(1) => self.tell(letter, 0),
            // The same one again, and again: the table says how often.
            Some(_) => {
                if let Some(unsaid) = self.repeated.again(Instant::now()) {
                    self.tell(letter, unsaid);
                }
            }
            None => self.tell_of_too_many(letter),
        }
        true
    }

    fn tell(&self, letter: &DeadLetter, unsaid: u64) {
        tracing::error!(
            service = self.service,
            subject = letter.subject,
            item = letter.item_id.map(tracing::field::display),
            saga = letter.about.map(tracing::field::display),
            step = letter.step,
            trace_id = letter.context.map(|context| context.trace_id()),
            error = letter.error,
            unsaid,
            "put aside as a dead letter"
        );
    }

    fn tell_of_too_many(&self, letter: &DeadLetter) {
        counter!(metric_names::DEAD_LETTERS_NOT_KEPT, "service" => self.service).increment(1);
        if let Some(unsaid) = self.not_kept.again(Instant::now()) {
            tracing::error!(
                service = self.service,
                subject = letter.subject,
                saga = letter.about.map(tracing::field::display),
                error = letter.error,
                unsaid,
                "not kept as a dead letter: {LETTERS_OF_GROUP_MAX} with this error are; it is asked again"
            );
        }
    }

    /// The error stays in the table, where the letter is looked up anyway.
    fn trace(&self, letter: &DeadLetter) {
        if let Some(parent) = letter.context.filter(|_| trace::is_on()) {
            Span::under(parent, self.service, Kind::Consumer, format!("process {}", letter.subject))
                .with_some("rondo.saga", letter.about.map(|id| id.to_string()))
                .with_some("rondo.step", letter.step.clone())
                .failed("put aside as a dead letter")
                .end();
        }
    }

    /// How often it came, if it is kept.
    async fn write(&self, letter: &DeadLetter) -> Result<Option<i32>, DbErr> {
        let sql = "INSERT INTO dead_letters \
                   (letter_id, subject, item_type, about, error, payload, headers, group_id, count, \
                   first_at, last_at) SELECT $1, $2, $3, $4, $5, $6, $7, $8, 1, now(), now() \
                   WHERE NOT $9 OR EXISTS (SELECT FROM dead_letters WHERE letter_id = $1) \
                   OR (SELECT count(*) FROM (SELECT FROM dead_letters WHERE group_id = $8 LIMIT $10) AS kept) < $10 \
                   ON CONFLICT (letter_id) DO UPDATE SET count = dead_letters.count + 1, \
                   error = excluded.error, group_id = excluded.group_id, last_at = excluded.last_at RETURNING count";
        let kept = &letter.raw[..letter.raw.len().min(PAYLOAD_BYTES_MAX)];
        let letter_id =
            letter.item_id.unwrap_or_else(|| id_of_bytes(self.service, &letter.subject, &letter.raw));
        let values: [Value; 10] = [
            letter_id.into(),
            letter.subject.clone().into(),
            letter.item_type.as_deref().map(storable).into(),
            letter.about.into(),
            storable(&letter.error).into(),
            kept.to_vec().into(),
            letter.headers.clone().into(),
            group_id(self.service, &letter.subject, &letter.error).into(),
            is_asked_again(&letter.subject).into(),
            LETTERS_OF_GROUP_MAX.into(),
        ];
        let statement = Statement::from_sql_and_values(DatabaseBackend::Postgres, sql, values);
        let row = self.db.query_one_raw(statement).await?;
        row.map(|row| row.try_get_by_index(0)).transpose()
    }
}

/// Commands are asked again by their sagas, and with them their replies.
fn is_asked_again(subject: &str) -> bool {
    ["cmd.", "reply."].iter().any(|road| subject.starts_with(road))
}

/// PostgreSQL's texts hold every character but one. What came stands in the payload as it came; an error, or a
/// type, that names that one must not keep the letter from being written, or everything would wait behind it.
fn storable(text: &str) -> String {
    text.replace('\0', "\u{fffd}")
}

/// A message's headers as JSON: pairs of name and value.
pub(crate) fn headers_json(headers: Option<&HeaderMap>) -> String {
    let pairs = headers.into_iter().flat_map(HeaderMap::iter);
    let pairs: Vec<(&str, &str)> = pairs
        .flat_map(|(name, values)| values.iter().map(move |value| (name.as_ref(), value.as_str())))
        .collect();
    serde_json::to_string(&pairs).unwrap_or_default()
}

/// The id of what has none: the same bytes from the same place are the same letter.
fn id_of_bytes(service: &str, subject: &str, raw: &[u8]) -> Uuid {
    let place = Uuid::new_v5(&Uuid::NAMESPACE_OID, format!("{service}\n{subject}").as_bytes());
    Uuid::new_v5(&place, raw)
}

/// Letters of one service, subject and error belong together, whatever ids and numbers the error names.
fn group_id(service: &str, subject: &str, error: &str) -> Uuid {
    let text = format!("{service}\n{subject}\n{}", without_numbers(error));
    Uuid::new_v5(&Uuid::NAMESPACE_OID, text.as_bytes())
}

fn without_numbers(error: &str) -> String {
    let is_part = |character: char| character.is_ascii_alphanumeric() || character == '-';
    let mut text = String::with_capacity(error.len());
    for word in error.split_inclusive(|character| !is_part(character)) {
        let (word, end) = match word.char_indices().next_back() {
            Some((at, last)) if !is_part(last) => word.split_at(at),
            _ => (word, ""),
        };
        let has_digit = word.contains(|character: char| character.is_ascii_digit());
        text.push_str(if has_digit { "#" } else { word });
        text.push_str(end);
    }
    text
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_same_bytes_are_the_same_letter_only_from_the_same_place() {
        let of = |service, subject| id_of_bytes(service, subject, b"SAME");
        assert_eq!(of("billing", "cmd.a"), of("billing", "cmd.a"));
        assert_ne!(of("billing", "cmd.a"), of("billing", "cmd.b"));
        assert_ne!(of("billing", "user.x"), of("notification", "user.x"));
    }

    #[test]
    fn letters_group_by_their_error_whatever_it_counts_or_names() {
        let of = |error: &str| group_id("billing", "order.x.v1", error);
        assert_eq!(of("missing field `a` at line 1 column 7"), of("missing field `a` at line 1 column 90"));
        assert_eq!(
            of("no account 0199a0f6-0000-7000-8000-000000000001"),
            of("no account 0199a0f6-0000-7000-8000-00000000000a")
        );
        assert_ne!(of("missing field `a`"), of("missing field `b`"));
        assert_ne!(of("no"), group_id("stock", "order.x.v1", "no"));
        assert_eq!(without_numbers("сбой 7 раз"), "сбой # раз");
    }
}
