//! How a saga is stored: its state and data as JSON, and plain columns derived from them for the
//! sweep and for operators.

use contracts::{Direction, Timestamp};
use messaging::record;
use messaging::rows::Json;
use saga::{Definition, Instance, Phase, Record, State};
use serde::Serialize;
use serde::de::DeserializeOwned;
use serde_json::value::{RawValue, to_raw_value};
use uuid::Uuid;

record! {
    /// A running or finished saga.
    pub(crate) struct SagaRow in "sagas" {
        saga_id: Uuid,
        workflow: String,
        version: i32,
        key: Uuid,
        state: Json<State>,
        data: Json<Box<RawValue>>,
        status: String,
        /// The first step that is waited for, with its direction, for operators.
        step: Option<String>,
        /// The participants that are waited for.
        waits_for: String,
        stuck_since: Option<Timestamp>,
        /// Until when it may go forward; none once it is decided.
        deadline_at: Option<Timestamp>,
        wake_at: Option<Timestamp>,
        traceparent: Option<String>,
        created_at: Timestamp,
        finished_at: Option<Timestamp>,
    }
}

record! {
    /// One decided input of a saga.
    pub(crate) struct HistoryRow in "saga_history" {
        saga_id: Uuid,
        seq: i32,
        at: Timestamp,
        record: Json<Record>,
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
            data: Json(to_raw_value(&instance.data)?),
            status: String::new(),
            step: None,
            waits_for: String::new(),
            stuck_since: None,
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
        let data = serde_json::from_str(self.data.0.get())?;
        Ok(Instance {
            id: self.saga_id,
            version: self.definition_version(),
            state: self.state.0.clone(),
            data,
        })
    }

    /// Takes over what became of the saga.
    pub(crate) fn update<D: Serialize>(
        &mut self,
        definition: &Definition<D>,
        instance: &Instance<D>,
        now: Timestamp,
    ) -> Result<(), serde_json::Error> {
        self.state = Json(instance.state.clone());
        self.data = Json(to_raw_value(&instance.data)?);
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
        self.deadline_at = matches!(instance.phase, Phase::Forward(_)).then_some(instance.deadline_at);
        self.wake_at = instance.wake_at;
        self.finished_at = instance.is_final().then_some(now);
    }
}
