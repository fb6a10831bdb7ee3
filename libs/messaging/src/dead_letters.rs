//! Items that cannot be processed: kept with their error, so that an operator can look and nothing
//! healthy waits behind them. The saga asks again anyway.

use std::time::Duration;

use bytes::Bytes;
use metrics::counter;
use sea_orm::{ConnectionTrait, DatabaseBackend, DatabaseConnection, DbErr, Statement, Value};
use tokio_util::sync::CancellationToken;
use uuid::Uuid;

use crate::metric_names;

/// The most of a payload that is kept, in bytes: a message's own bound.
const PAYLOAD_BYTES_MAX: usize = crate::envelope::MAX_MESSAGE_BYTES;
const RETRY_PAUSE: Duration = Duration::from_millis(500);

/// An item as it came, and why it was put aside.
#[derive(Debug, Clone)]
pub(crate) struct DeadLetter {
    pub(crate) subject: String,
    /// The item's own id, where it could be read.
    pub(crate) item_id: Option<Uuid>,
    pub(crate) item_type: Option<String>,
    pub(crate) about: Option<Uuid>,
    pub(crate) error: String,
    pub(crate) raw: Bytes,
}

/// The table of one service.
#[derive(Clone)]
pub(crate) struct DeadLetters {
    service: &'static str,
    db: DatabaseConnection,
    shutdown: CancellationToken,
}

impl DeadLetters {
    pub(crate) fn new(service: &'static str, db: DatabaseConnection, shutdown: CancellationToken) -> Self {
        Self { service, db, shutdown }
    }

    /// Keeps a letter; the same item again raises its count. Tries until it is kept: only then may the
    /// item be acknowledged. `false`: the process stops first, and the item will come again.
    pub(crate) async fn keep(&self, letter: &DeadLetter) -> bool {
        loop {
            let Err(error) = self.write(letter).await else { break };
            tracing::warn!(service = self.service, %error, "a dead letter could not be kept; trying again");
            let pause = tokio::time::sleep(RETRY_PAUSE);
            if self.shutdown.run_until_cancelled(pause).await.is_none() {
                return false;
            }
        }
        counter!(metric_names::DEAD_LETTERS, "service" => self.service).increment(1);
        tracing::error!(
            service = self.service,
            subject = letter.subject,
            item = ?letter.item_id,
            error = letter.error,
            "put aside as a dead letter"
        );
        true
    }

    async fn write(&self, letter: &DeadLetter) -> Result<(), DbErr> {
        let sql = "INSERT INTO dead_letters \
                   (letter_id, subject, item_type, about, error, payload, count, first_at, last_at) \
                   VALUES ($1, $2, $3, $4, $5, $6, 1, now(), now()) \
                   ON CONFLICT (letter_id) DO UPDATE SET count = dead_letters.count + 1, \
                   error = excluded.error, last_at = excluded.last_at";
        let kept = &letter.raw[..letter.raw.len().min(PAYLOAD_BYTES_MAX)];
        let letter_id = letter.item_id.unwrap_or_else(|| Uuid::new_v5(&Uuid::NAMESPACE_OID, &letter.raw));
        let values: [Value; 6] = [
            letter_id.into(),
            letter.subject.clone().into(),
            letter.item_type.clone().into(),
            letter.about.into(),
            letter.error.clone().into(),
            kept.to_vec().into(),
        ];
        self.db.execute_raw(Statement::from_sql_and_values(DatabaseBackend::Postgres, sql, values)).await?;
        Ok(())
    }
}
