//! Whether the stream of events still has what it acknowledged. A server that comes back with an older store keeps the
//! stream's creation time, and others soon publish past the sequences of what is lost; only the messages tell.
//!
//! A store changes only while the server is away, so nothing needs to be looked at but the last message before each
//! reconnection, the witness of all before it. Until it was looked at, nothing newer is marked in the outbox. A process
//! that starts takes the newest marked row for its first witness.

use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use async_nats::jetstream::ErrorCode;
use async_nats::jetstream::stream::{LastRawMessageErrorKind, Stream};
use bytes::Bytes;
use contracts::Timestamp;
use metrics::counter;
use sea_orm::{ConnectionTrait, DatabaseBackend, DbErr, Statement, Value};

use super::{Relay, RelayError, read_row};
use crate::metric_names;
use crate::silence::heard;

/// A message that the stream has acknowledged.
#[derive(Debug, Clone)]
pub(crate) struct Witness {
    /// The connection by which it was.
    pub(crate) epoch: u64,
    /// The stream's.
    pub(crate) stream_created_at: Timestamp,
    pub(crate) sequence: u64,
    /// One of these stands in it.
    pub(crate) said: Vec<Bytes>,
}

/// What publisher and relay know of the stream. Cheap to clone, and then the same.
#[derive(Debug, Clone, Default)]
pub(crate) struct Witnesses(Arc<Mutex<Known>>);

#[derive(Debug, Default)]
struct Known {
    stream_created_at: Option<Timestamp>,
    /// The last one of each connection that was not looked at, the oldest first.
    unseen: Vec<Witness>,
    /// The connection before which everything was looked at.
    seen_in: Option<u64>,
    losses: u64,
}

impl Witnesses {
    fn known(&self) -> MutexGuard<'_, Known> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// The creation time of the stream, as last seen.
    pub(crate) fn stream_created_at(&self) -> Option<Timestamp> {
        self.known().stream_created_at
    }

    /// How often it turned out to have lost something.
    pub(crate) fn losses(&self) -> u64 {
        self.known().losses
    }

    /// Whether the newest was published by a connection before which nobody has looked.
    pub(crate) fn are_in_doubt(&self) -> bool {
        let known = self.known();
        known.unseen.last().is_some_and(|newest| known.seen_in != Some(newest.epoch))
    }

    /// The stream has one more. It stands for those before it by the same connection.
    pub(crate) fn published(&self, witness: Witness) {
        let mut known = self.known();
        match known.unseen.last_mut().filter(|last| last.epoch == witness.epoch) {
            Some(last) => *last = witness,
            None => known.unseen.push(witness),
        }
    }

    /// Those that have to be looked at: by connections before this one.
    fn before(&self, epoch: u64) -> Vec<Witness> {
        self.known().unseen.iter().filter(|witness| witness.epoch < epoch).cloned().collect()
    }

    /// All before this connection were looked at, and this is what came out.
    fn looked(&self, stream_created_at: Timestamp, epoch: u64, lost: bool) {
        let mut known = self.known();
        known.unseen.retain(|witness| witness.epoch >= epoch);
        known.seen_in = Some(epoch);
        known.stream_created_at = Some(stream_created_at);
        known.losses += u64::from(lost);
    }

    fn are_new(&self) -> bool {
        self.known().seen_in.is_none()
    }
}

impl Witness {
    /// Whether the stream has it.
    async fn is_there(&self, stream: &Stream) -> Result<bool, RelayError> {
        use LastRawMessageErrorKind::{JetStream, NoMessageFound};
        match stream.get_raw_message(self.sequence).await {
            Ok(message) => Ok(self.said.iter().any(|said| contains(&message.payload, said))),
            Err(error) => match error.kind() {
                NoMessageFound => Ok(false),
                JetStream(refused) if refused.error_code() == ErrorCode::NO_MESSAGE_FOUND => Ok(false),
                _ => Err(RelayError::Stream(error.to_string())),
            },
        }
    }
}

impl Relay {
    /// Looks whether the stream has lost what it had before this connection. Then all that the outbox keeps is sent
    /// again: how much was lost, nobody can tell.
    pub(super) async fn examine(
        &self,
        stream: &Stream,
        created_at: Timestamp,
        epoch: u64,
    ) -> Result<(), RelayError> {
        let witnesses = self.publisher.witnesses();
        let mut before = witnesses.before(epoch);
        if witnesses.are_new() {
            before.extend(heard(self.newest_marked(created_at)).await?);
        }
        let mut lost = false;
        // What another stream had is sent again anyway.
        for witness in before.iter().filter(|witness| witness.stream_created_at == created_at) {
            lost |= !witness.is_there(stream).await?;
        }
        if lost {
            tracing::warn!(service = self.service, "the stream of events has lost some; all are sent again");
            counter!(metric_names::EVENTS_LOST, "service" => self.service).increment(1);
            let unmark =
                "UPDATE outbox SET sequence = NULL, stream_created_at = NULL WHERE sequence IS NOT NULL";
            heard(self.db.execute_unprepared(unmark)).await?;
        }
        witnesses.looked(created_at, epoch, lost);
        Ok(())
    }

    /// The message in which the newest marked rows are: one of theirs stands in it.
    async fn newest_marked(&self, created_at: Timestamp) -> Result<Option<Witness>, DbErr> {
        let sql = "SELECT row_id, events, sequence FROM outbox WHERE stream_created_at = $1 \
                   AND sequence = (SELECT max(sequence) FROM outbox WHERE stream_created_at = $1)";
        let values: [Value; 1] = [created_at.into()];
        let statement = Statement::from_sql_and_values(DatabaseBackend::Postgres, sql, values);
        let rows = self.db.query_all_raw(statement).await?;
        let Some(first) = rows.first() else { return Ok(None) };
        let sequence: i64 = first.try_get_by_index(2)?;
        let mut said = Vec::new();
        for row in &rows {
            said.extend(read_row(row)?.items.into_iter().map(|item| Bytes::from(item.text)));
        }
        let sequence = u64::try_from(sequence).unwrap_or_default();
        Ok(Some(Witness { epoch: 0, stream_created_at: created_at, sequence, said }))
    }
}

fn contains(message: &[u8], said: &[u8]) -> bool {
    !said.is_empty() && message.windows(said.len()).any(|part| part == said)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn witness(epoch: u64, sequence: u64) -> Witness {
        Witness { epoch, stream_created_at: Timestamp::default(), sequence, said: Vec::new() }
    }

    #[test]
    fn the_last_before_each_reconnection_is_looked_at() {
        let witnesses = Witnesses::default();
        for (epoch, sequence) in [(1, 5), (1, 6), (2, 3), (3, 9)] {
            witnesses.published(witness(epoch, sequence));
        }
        let sequences = |epoch| witnesses.before(epoch).iter().map(|one| one.sequence).collect::<Vec<_>>();
        assert_eq!(sequences(3), [6, 3]);
        witnesses.looked(Timestamp::default(), 3, true);
        assert_eq!((sequences(4), witnesses.losses()), (vec![9], 1));
    }

    #[test]
    fn what_follows_a_reconnection_is_in_doubt_until_somebody_has_looked() {
        let witnesses = Witnesses::default();
        assert!(!witnesses.are_in_doubt());
        witnesses.looked(Timestamp::default(), 1, false);
        witnesses.published(witness(1, 5));
        assert!(!witnesses.are_in_doubt());
        witnesses.published(witness(2, 6));
        assert!(witnesses.are_in_doubt());
        witnesses.looked(Timestamp::default(), 2, false);
        assert!(!witnesses.are_in_doubt());
    }
}
