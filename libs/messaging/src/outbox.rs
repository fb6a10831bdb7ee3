//! Events leave through an outbox: nobody asks for them again, so the row remembers.
//!
//! One row a commit holds its events as they go on the wire. After the stream acknowledged them the
//! row keeps that stream's creation time and sequence. Rows that were never acknowledged, that went to
//! a stream which no longer exists, or that lie above what the stream now ends with, are sent again.
//! Listeners recognise an event by its id.
//!
//! No high-water mark is read from this table: a late commit would be skipped.

mod witness;

use std::time::Duration;

use async_nats::jetstream::stream::Stream;
use contracts::{EventData, Timestamp};
use metrics::{counter, gauge};
use sea_orm::{ConnectionTrait, DatabaseBackend, DatabaseConnection, DbErr, Statement, Value};
use serde_json::value::RawValue;
use tokio::time::{Instant, MissedTickBehavior};
use uuid::{NoContext, Uuid};

use crate::bus::Bus;
use crate::envelope::Item;
use crate::metric_names;
use crate::outgoing::{EncodedItem, rfc3339};
use crate::publisher::Publisher;
use crate::record;
use crate::rows::Changes;
use crate::rows::memory::Tables;
use crate::runtime::Runtime;
use crate::silence::heard;
use crate::topology::{EVENTS, StreamSpec};

pub(crate) use witness::{Witness, Witnesses};

/// How often what is not acknowledged is looked for.
const RELAY_EVERY: Duration = Duration::from_secs(5);
/// How long the marks of rows that arrived gather.
const MARKED_WITHIN: Duration = Duration::from_millis(500);
/// A row younger than this may still be on its way.
const IN_FLIGHT: Duration = Duration::from_secs(10);
/// How long acknowledged rows are kept for a stream that loses its store.
const KEPT: Duration = Duration::from_secs(3600);
/// Rows read in one go.
const ROWS_MAX: u64 = 500;
/// Rows deleted in one go: no long locks.
const PURGED_MAX: u64 = 5_000;

/// Events that are in the outbox and not yet with the stream.
#[derive(Debug)]
#[must_use = "give them to the publisher after the commit"]
pub struct StoredEvents {
    pub(crate) row_id: Uuid,
    pub(crate) items: Vec<EncodedItem>,
}

record! {
    /// The events of a commit, as they go on the wire.
    struct OutboxRow in "outbox" {
        row_id: Uuid,
        fixed {
            created_at: Timestamp,
            /// A JSON array.
            events: String,
        }
    }
}

/// Writes the events of a batch into the outbox.
pub(crate) fn leave(
    service: &'static str,
    events: &[EventData],
    now: Timestamp,
    new_id: impl FnMut() -> Uuid,
    changes: &mut Changes,
) -> Option<StoredEvents> {
    let (row, stored) = row_of(service, events, now, new_id)?;
    changes.append(&[row]);
    Some(stored)
}

/// Writes the events of a transaction outside of the loop into the outbox.
///
/// # Errors
/// The insert failed.
pub async fn store(
    tx: &impl ConnectionTrait,
    service: &'static str,
    events: &[EventData],
    now: Timestamp,
) -> Result<Option<StoredEvents>, DbErr> {
    let of_request = trace::current().map(|context| context.to_string());
    let traced = |event: &EventData| EventData { traceparent: of_request.clone(), ..event.clone() };
    let events: Vec<EventData> = events.iter().map(traced).collect();
    let Some((row, stored)) = row_of(service, &events, now, Uuid::now_v7) else { return Ok(None) };
    let sql = "INSERT INTO outbox (row_id, created_at, events) VALUES ($1, $2, $3)";
    let values: [Value; 3] = [row.row_id.into(), row.created_at.into(), row.events.into()];
    tx.execute_raw(Statement::from_sql_and_values(DatabaseBackend::Postgres, sql, values)).await?;
    Ok(Some(stored))
}

/// The row of some events, and what the publisher gets of them.
fn row_of(
    service: &'static str,
    events: &[EventData],
    now: Timestamp,
    mut new_id: impl FnMut() -> Uuid,
) -> Option<(OutboxRow, StoredEvents)> {
    if events.is_empty() {
        return None;
    }
    let row_id = new_id();
    let now_text = rfc3339(now);
    let items: Vec<EncodedItem> =
        events.iter().map(|event| encode(service, event, new_id(), &now_text)).collect();
    let texts: Vec<&str> = items.iter().map(|item| item.text.as_str()).collect();
    let row = OutboxRow { row_id, created_at: now, events: format!("[{}]", texts.join(",")) };
    Some((row, StoredEvents { row_id, items }))
}

fn encode(service: &'static str, event: &EventData, id: Uuid, now: &str) -> EncodedItem {
    let item = Item {
        traceparent: event.traceparent.as_deref().map(Into::into),
        ..Item::of_event(service, event.event_type, id, event.about, now, &*event.data)
    };
    // An `Item` is strings, numbers and JSON that already is JSON.
    let text = serde_json::to_string(&item).expect("an item always has a JSON form");
    EncodedItem { subject: event.event_type.into(), text }
}

/// An event as the outbox keeps it.
fn read_event(text: &RawValue) -> Result<EncodedItem, serde_json::Error> {
    let item: Item<'_> = serde_json::from_str(text.get())?;
    Ok(EncodedItem { subject: item.item_type.into_owned(), text: text.get().to_owned() })
}

/// The rows of an outbox in memory, each with when it was written.
pub(crate) fn rows_in(tables: &Tables) -> impl Iterator<Item = (Uuid, Timestamp)> {
    tables.all::<OutboxRow>().map(|row| (row.row_id, row.created_at))
}

/// The events of a row of an outbox in memory.
pub(crate) fn events_in(tables: &Tables, row_id: Uuid) -> Vec<EncodedItem> {
    let texts = tables.get::<OutboxRow>(row_id).map_or("[]", |row| &row.events);
    let raw: Vec<&RawValue> = serde_json::from_str(texts).unwrap_or_default();
    raw.into_iter().filter_map(|event| read_event(event).ok()).collect()
}

/// Rows that reached the stream which was created then, at most at this sequence.
#[derive(Debug)]
pub(crate) struct Reached {
    pub(crate) rows: Vec<Uuid>,
    pub(crate) stream_created_at: Timestamp,
    pub(crate) sequence: u64,
    /// How often the stream had lost something before.
    pub(crate) losses: u64,
}

/// Rows that reached a stream and are not marked so yet: the marks of many batches are one commit. If the
/// process dies before it, their events are sent again, which changes nothing.
#[derive(Debug, Default)]
pub(crate) struct Unmarked {
    reached: Vec<Reached>,
    due: Option<Instant>,
}

impl Unmarked {
    /// Resolves when they are to be marked; never without any.
    pub(crate) async fn due(&self) {
        match self.due {
            Some(due) => tokio::time::sleep_until(due).await,
            None => std::future::pending().await,
        }
    }

    /// They are to be marked a while later.
    pub(crate) fn later(&mut self) {
        self.due = Some(Instant::now() + MARKED_WITHIN);
    }

    /// Forgets the others: their events are sent again.
    pub(crate) fn keep(&mut self, are: impl FnMut(&Reached) -> bool) {
        self.reached.retain(are);
    }

    pub(crate) fn add(&mut self, news: Reached) {
        self.due.get_or_insert_with(|| Instant::now() + MARKED_WITHIN);
        let same = |before: &&mut Reached| {
            before.stream_created_at == news.stream_created_at && before.losses == news.losses
        };
        match self.reached.iter_mut().find(same) {
            Some(before) => {
                before.rows.extend(news.rows);
                before.sequence = before.sequence.max(news.sequence);
            }
            None => self.reached.push(news),
        }
    }

    /// Marks them all.
    pub(crate) async fn mark(&mut self, db: &DatabaseConnection) -> Result<(), DbErr> {
        let sql = "UPDATE outbox SET stream_created_at = $2, sequence = $3 WHERE row_id = ANY($1)";
        for Reached { rows, stream_created_at, sequence, .. } in std::mem::take(self).reached {
            let sequence = i64::try_from(sequence).unwrap_or(i64::MAX);
            let values: [Value; 3] = [rows.into(), stream_created_at.into(), sequence.into()];
            db.execute_raw(Statement::from_sql_and_values(DatabaseBackend::Postgres, sql, values)).await?;
        }
        Ok(())
    }
}

/// Starts what looks for events that did not arrive. `made` is the stream itself, for its maker: it is
/// made again when it is gone.
pub fn start_relay(
    service: &'static str,
    bus: Bus,
    db: DatabaseConnection,
    publisher: Publisher,
    made: Option<StreamSpec>,
    runtime: &Runtime,
) {
    // From the beginning, so that their first increase is seen as one.
    for name in [metric_names::OUTBOX_RESENT, metric_names::EVENTS_LOST] {
        counter!(name, "service" => service).increment(0);
    }
    let shutdown = runtime.shutdown.clone();
    let relay = Relay { service, bus, db, publisher, made };
    runtime.tasks.spawn(async move {
        let mut ticks = tokio::time::interval(RELAY_EVERY);
        ticks.set_missed_tick_behavior(MissedTickBehavior::Delay);
        while shutdown.run_until_cancelled(ticks.tick()).await.is_some() {
            if let Err(error) = heard(relay.measure()).await {
                tracing::debug!(service, %error, "the outbox was not counted");
            }
            match shutdown.run_until_cancelled(relay.round()).await {
                None | Some(Ok(())) => {}
                // Its maker makes it; until then the events wait here.
                Some(Err(RelayError::Stream(error))) => {
                    tracing::debug!(service, error, "no stream of events yet");
                }
                Some(Err(error)) => {
                    tracing::warn!(service, %error, "the outbox was not looked through; trying again");
                }
            }
        }
    });
}

struct Relay {
    service: &'static str,
    bus: Bus,
    db: DatabaseConnection,
    publisher: Publisher,
    made: Option<StreamSpec>,
}

#[derive(Debug, thiserror::Error)]
enum RelayError {
    #[error(transparent)]
    Database(#[from] DbErr),
    #[error("the stream of events: {0}")]
    Stream(String),
}

impl Relay {
    /// What waits, and since when. An id tells when its row was written.
    async fn measure(&self) -> Result<(), DbErr> {
        let sql = "SELECT count(*), min(row_id::text) FROM outbox WHERE sequence IS NULL";
        let statement = Statement::from_string(DatabaseBackend::Postgres, sql);
        let Some(row) = self.db.query_one_raw(statement).await? else { return Ok(()) };
        let (unsent, oldest): (i64, Option<String>) = (row.try_get_by_index(0)?, row.try_get_by_index(1)?);
        let oldest = oldest.and_then(|id| id.parse().ok()).map_or(0.0, age_seconds);
        gauge!(metric_names::OUTBOX_UNSENT, "service" => self.service).set(unsent as f64);
        gauge!(metric_names::OUTBOX_OLDEST_SECONDS, "service" => self.service).set(oldest);
        Ok(())
    }

    async fn round(&self) -> Result<(), RelayError> {
        // Before the look at the stream: what is published after a reconnection is in doubt until the next round.
        let epoch = self.bus.epoch();
        let (stream, created_at, last_sequence) = self.stream_state().await?;
        self.examine(&stream, created_at, epoch).await?;
        let rows = heard(self.unacknowledged(created_at, last_sequence)).await?;
        for stored in rows {
            counter!(metric_names::OUTBOX_RESENT, "service" => self.service).increment(1);
            self.publisher.events(stored).await;
        }
        heard(self.purge()).await?;
        Ok(())
    }

    async fn stream_state(&self) -> Result<(Stream, Timestamp, u64), RelayError> {
        let failed = |error: &dyn std::fmt::Display| RelayError::Stream(error.to_string());
        if let Some(spec) = &self.made {
            self.bus.ensure_stream(self.service, spec).await.map_err(|error| failed(&error))?;
        }
        let stream = self.bus.jetstream().get_stream(EVENTS).await.map_err(|error| failed(&error))?;
        let info = stream.cached_info();
        // Postgres keeps microseconds: a finer time would never be equal again.
        let micros = info.created.unix_timestamp_nanos() / 1_000;
        let created_at = i64::try_from(micros).ok().and_then(Timestamp::from_timestamp_micros);
        let last_sequence = info.state.last_sequence;
        Ok((stream, created_at.unwrap_or_default(), last_sequence))
    }

    async fn unacknowledged(&self, created_at: Timestamp, last: u64) -> Result<Vec<StoredEvents>, DbErr> {
        let sql = format!(
            "SELECT row_id, events FROM outbox WHERE (sequence IS NULL AND row_id < $1) \
             OR sequence > $2 OR stream_created_at <> $3 ORDER BY row_id LIMIT {ROWS_MAX}"
        );
        let last = i64::try_from(last).unwrap_or(i64::MAX);
        let values: [Value; 3] =
            [first_id_at(chrono::Utc::now() - IN_FLIGHT).into(), last.into(), created_at.into()];
        let statement = Statement::from_sql_and_values(DatabaseBackend::Postgres, sql, values);
        let rows = self.db.query_all_raw(statement).await?;
        rows.iter().map(read_row).collect()
    }

    async fn purge(&self) -> Result<(), DbErr> {
        let sql = format!(
            "DELETE FROM outbox WHERE row_id IN (SELECT row_id FROM outbox WHERE row_id < $1 \
             AND sequence IS NOT NULL ORDER BY row_id LIMIT {PURGED_MAX})"
        );
        let values: [Value; 1] = [first_id_at(chrono::Utc::now() - KEPT).into()];
        let statement = Statement::from_sql_and_values(DatabaseBackend::Postgres, sql, values);
        self.db.execute_raw(statement).await.map(|_| ())
    }
}

fn read_row(row: &sea_orm::QueryResult) -> Result<StoredEvents, DbErr> {
    let texts: String = row.try_get_by_index(1)?;
    let json = |error: serde_json::Error| DbErr::Json(error.to_string());
    let raw: Vec<&RawValue> = serde_json::from_str(&texts).map_err(json)?;
    let items = raw.into_iter().map(|event| read_event(event).map_err(json));
    Ok(StoredEvents { row_id: row.try_get_by_index(0)?, items: items.collect::<Result<_, _>>()? })
}

/// How long ago an id was made.
fn age_seconds(id: Uuid) -> f64 {
    let made = id.get_timestamp().map(|at| at.to_unix());
    let made = made.and_then(|(seconds, nanos)| Timestamp::from_timestamp(seconds.cast_signed(), nanos));
    made.map_or(0.0, |made| (chrono::Utc::now() - made).as_seconds_f64().max(0.0))
}

/// The smallest UUIDv7 of a time: ids are in the order of time, so no index on a time is needed.
pub fn first_id_at(at: Timestamp) -> Uuid {
    let seconds = u64::try_from(at.timestamp()).unwrap_or_default();
    let id = Uuid::new_v7(uuid::Timestamp::from_unix(NoContext, seconds, at.timestamp_subsec_nanos()));
    // The first six bytes are the time.
    let mut bytes = [0; 16];
    bytes[..6].copy_from_slice(&id.as_bytes()[..6]);
    Uuid::from_bytes(bytes)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn ids_of_a_time_are_not_below_its_first() {
        let before = chrono::Utc::now();
        let id = Uuid::now_v7();
        assert!(first_id_at(before) < id);
        assert!(id < first_id_at(before + chrono::TimeDelta::seconds(60)));
    }

    fn reached(stream: i64, sequence: u64) -> Reached {
        let stream_created_at = Timestamp::from_timestamp_nanos(stream);
        Reached { rows: vec![Uuid::now_v7()], stream_created_at, sequence, losses: 0 }
    }

    #[test]
    fn marks_gather_by_stream_under_the_highest_sequence() {
        let mut unmarked = Unmarked::default();
        for news in [reached(1, 7), reached(1, 5), reached(2, 1)] {
            unmarked.add(news);
        }
        let kept: Vec<_> = unmarked.reached.iter().map(|kept| (kept.rows.len(), kept.sequence)).collect();
        assert_eq!(kept, [(2, 7), (1, 1)], "a stream made anew counts from the start");
    }
}
