//! How a saga is stored: its state and data as JSON, and plain columns derived from them for the
//! sweep and for operators.

use contracts::{Direction, Timestamp};
use messaging::record;
use messaging::rows::Json;
use saga::{Decision, Definition, Input, Instance, Note, Outcome, Phase, Record, State};
use serde::Serialize;
use serde::de::DeserializeOwned;
use service::http::TraceContext;
use uuid::Uuid;

record! {
    /// A running or finished saga.
    pub struct SagaRow in "sagas" {
        /// Its id.
        saga_id: Uuid,
        fixed {
            /// Of which workflow.
            workflow: String,
            /// Of its definition.
            version: i32,
            /// What it is about: see [`Workflow::key`](super::Workflow::key).
            key: Uuid,
            /// W3C trace context of the request that began it.
            traceparent: Option<String>,
            /// When it began.
            created_at: Timestamp,
        }
        changing {
            /// Where it is.
            state: Json<State>,
            /// JSON; of no meaning to the manager.
            data: String,
            /// See [`saga::Status`].
            status: String,
            /// The first step that is waited for, with its direction, for operators.
            step: Option<String>,
            /// The participants that are waited for.
            waits_for: String,
            /// Since when a step that has to succeed does not.
            stuck_since: Option<Timestamp>,
            /// By what it is paused; see [`saga::PausedBy`].
            paused_by: Option<String>,
            /// Until when it may go forward; none once it is decided.
            deadline_at: Option<Timestamp>,
            /// When it is woken.
            wake_at: Option<Timestamp>,
            /// When it ended.
            finished_at: Option<Timestamp>,
        }
    }
}

record! {
    /// What one commit decided for a saga.
    pub struct HistoryRow in "saga_history" by seq {
        /// Of which saga.
        saga_id: Uuid,
        fixed {
            /// The number of its last record.
            seq: i32,
            /// When.
            at: Timestamp,
            /// The inputs in their order, each with what was done about it.
            inputs: Json<Vec<(Input, Vec<Note>)>>,
        }
    }
}

impl SagaRow {
    /// The row of a saga that begins.
    pub(crate) fn new<D: Serialize>(
        definition: &Definition<D>,
        instance: &Instance<D>,
        key: Uuid,
        traceparent: String,
        now: Timestamp,
    ) -> Result<Self, serde_json::Error> {
        let mut row = Self {
            saga_id: instance.id,
            workflow: definition.name().to_owned(),
            version: i32::try_from(instance.version).unwrap_or(i32::MAX),
            key,
            state: Json(instance.state.clone()),
            data: serde_json::to_string(&instance.data)?,
            status: String::new(),
            step: None,
            waits_for: String::new(),
            stuck_since: None,
            paused_by: None,
            deadline_at: None,
            wake_at: None,
            traceparent: Some(traceparent),
            created_at: now,
            finished_at: None,
        };
        row.derive(definition, instance, now);
        Ok(row)
    }

    /// The version of the definition by which it is moved.
    pub fn definition_version(&self) -> u32 {
        u32::try_from(self.version).unwrap_or_default()
    }

    /// The saga that the row stands for.
    ///
    /// # Errors
    /// What it knows is not of this type.
    pub fn instance<D: DeserializeOwned>(&self) -> Result<Instance<D>, serde_json::Error> {
        let data = serde_json::from_str(&self.data)?;
        Ok(Instance {
            id: self.saga_id,
            version: self.definition_version(),
            state: self.state.0.clone(),
            data,
        })
    }

    /// The trace of the request that began it: 32 hexadecimal digits.
    pub(crate) fn trace_id(&self) -> Option<String> {
        TraceContext::parse(self.traceparent.as_deref()?).map(|context| context.trace_id())
    }

    /// Whom it waits for.
    pub(crate) fn participants(&self) -> impl Iterator<Item = &str> {
        self.waits_for.split(',').filter(|name| !name.is_empty())
    }

    /// Whether it can only go forward.
    pub(crate) fn is_past_pivot(&self) -> bool {
        matches!(self.state.0.phase, Phase::Tail(Decision::Confirmed, _) | Phase::Final(Outcome::Completed))
    }

    /// Takes over what became of the saga.
    pub(crate) fn update<D: Serialize>(
        &mut self,
        definition: &Definition<D>,
        instance: &Instance<D>,
        now: Timestamp,
    ) -> Result<(), serde_json::Error> {
        self.state = Json(instance.state.clone());
        self.data = serde_json::to_string(&instance.data)?;
        self.derive(definition, instance, now);
        Ok(())
    }

    fn derive<D>(&mut self, definition: &Definition<D>, instance: &Instance<D>, now: Timestamp) {
        let waiting: Vec<_> = instance.waiting(definition).collect();
        let mut participants: Vec<_> = waiting.iter().map(|waiting| waiting.participant).collect();
        participants.sort_unstable();
        participants.dedup();
        self.status = instance.status().as_str().to_owned();
        self.step = waiting.first().map(|waiting| match waiting.direction {
            Direction::Do => waiting.step.to_owned(),
            Direction::Undo => format!("undo {}", waiting.step),
        });
        self.waits_for = participants.join(",");
        self.stuck_since = instance.stuck_since;
        self.paused_by = instance.paused.as_ref().map(|pause| pause.by.to_string());
        self.deadline_at = matches!(instance.phase, Phase::Forward(_)).then_some(instance.deadline_at);
        self.wake_at = instance.wake_at;
        self.finished_at = instance.is_final().then_some(now);
    }
}

impl HistoryRow {
    /// The row of a commit's first record.
    pub(crate) fn new(saga_id: Uuid, record: Record) -> Self {
        let mut row = Self { saga_id, seq: 0, at: record.at, inputs: Json(Vec::new()) };
        row.add(record);
        row
    }

    /// Adds the next record of the same commit.
    pub(crate) fn add(&mut self, record: Record) {
        let Record { seq, input, effects, .. } = record;
        self.seq = i32::try_from(seq).unwrap_or(i32::MAX);
        self.inputs.0.push((input, effects));
    }

    /// The records that the row stands for.
    pub fn records(self) -> impl Iterator<Item = Record> {
        let Self { seq, at, inputs: Json(inputs), .. } = self;
        let last = u32::try_from(seq).unwrap_or_default();
        let first = last.saturating_sub(u32::try_from(inputs.len()).unwrap_or_default()) + 1;
        (first..).zip(inputs).map(move |(seq, (input, effects))| Record { seq, at, input, effects })
    }
}

#[cfg(test)]
mod tests {
    use messaging::rows::select;
    use migrations::MigratorTrait;
    use sea_orm::{ConnectionTrait, Database};

    use super::*;

    #[test]
    fn a_commits_records_read_back_with_their_numbers() {
        let at = Timestamp::default();
        let record = |seq| Record { seq, at, input: Input::Wake, effects: Vec::new() };
        let mut row = HistoryRow::new(Uuid::nil(), record(3));
        row.add(record(4));
        assert_eq!(row.seq, 4, "a reader that knows up to 3 finds it");
        assert_eq!(row.records().map(|record| record.seq).collect::<Vec<_>>(), [3, 4]);
    }

    #[tokio::test]
    async fn what_an_earlier_release_wrote_reads_back() {
        let db = Database::connect(testkit::database("history").await).await.unwrap();
        migrations::orchestrator::Migrator::up(&db, Some(3)).await.unwrap();
        let sql = "INSERT INTO saga_history (saga_id, seq, at, input, effects) \
                   SELECT '00000000-0000-0000-0000-000000000001', seq, now(), '\"wake\"', '[\"healed\"]' \
                   FROM generate_series(1, 2) seq";
        db.execute_unprepared(sql).await.unwrap();
        migrations::orchestrator::Migrator::up(&db, None).await.unwrap();

        let rows: Vec<HistoryRow> =
            select("saga_id = $1 ORDER BY seq").bind(Uuid::from_u128(1)).read(&db).await.unwrap();
        let records: Vec<Record> = rows.into_iter().flat_map(HistoryRow::records).collect();
        assert_eq!(records.iter().map(|record| record.seq).collect::<Vec<_>>(), [1, 2]);
        assert!(records.iter().all(|record| record.effects == [Note::Healed]));
    }
}
