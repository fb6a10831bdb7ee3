//! How a saga is stored: its state and data as JSON, and plain columns derived from them for the
//! sweep and for operators.

use contracts::{Direction, Timestamp};
use messaging::record;
use messaging::rows::Json;
use saga::{Decision, Definition, Input, Instance, Note, Outcome, Phase, Record, State};
use serde::Serialize;
use serde::de::DeserializeOwned;
use uuid::Uuid;

record! {
    /// A running or finished saga.
    pub(crate) struct SagaRow in "sagas" {
        saga_id: Uuid,
        fixed {
            workflow: String,
            version: i32,
            key: Uuid,
            traceparent: Option<String>,
            created_at: Timestamp,
        }
        changing {
            state: Json<State>,
            /// JSON; of no meaning to the manager.
            data: String,
            status: String,
            /// The first step that is waited for, with its direction, for operators.
            step: Option<String>,
            /// The participants that are waited for.
            waits_for: String,
            stuck_since: Option<Timestamp>,
            /// By what it is paused; see [`saga::PausedBy`].
            paused_by: Option<String>,
            /// Until when it may go forward; none once it is decided.
            deadline_at: Option<Timestamp>,
            wake_at: Option<Timestamp>,
            finished_at: Option<Timestamp>,
        }
    }
}

record! {
    /// One decided input of a saga.
    pub(crate) struct HistoryRow in "saga_history" {
        saga_id: Uuid,
        fixed {
            seq: i32,
            at: Timestamp,
            input: Json<Input>,
            effects: Json<Vec<Note>>,
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
    pub(crate) fn definition_version(&self) -> u32 {
        u32::try_from(self.version).unwrap_or_default()
    }

    /// The saga that the row stands for.
    pub(crate) fn instance<D: DeserializeOwned>(&self) -> Result<Instance<D>, serde_json::Error> {
        let data = serde_json::from_str(&self.data)?;
        Ok(Instance {
            id: self.saga_id,
            version: self.definition_version(),
            state: self.state.0.clone(),
            data,
        })
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
    /// The row of a record.
    pub(crate) fn new(saga_id: Uuid, record: Record) -> Self {
        let Record { seq, at, input, effects } = record;
        let seq = i32::try_from(seq).unwrap_or(i32::MAX);
        Self { saga_id, seq, at, input: Json(input), effects: Json(effects) }
    }

    /// The record that the row stands for.
    pub(crate) fn record(self) -> Record {
        let Self { seq, at, input: Json(input), effects: Json(effects), .. } = self;
        Record { seq: u32::try_from(seq).unwrap_or_default(), at, input, effects }
    }
}
