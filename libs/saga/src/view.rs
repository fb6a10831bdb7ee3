//! A saga told to people: each step with its status, and history line by line. Made from the
//! history alone, so it costs nothing until somebody asks.

mod line;
mod step;

use contracts::Timestamp;
use serde::Serialize;
use serde_json::Value;
use uuid::Uuid;

use crate::{Definition, Instance, Note, Record, Status, allowed_actions};

pub use step::{StepStatus, StepView};

/// The status of a saga, as the API shows it.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct SagaView {
    /// The saga.
    pub saga_id: Uuid,
    /// Its definition's name.
    pub workflow: &'static str,
    /// Its definition's version.
    pub version: u32,
    /// What it is doing.
    pub status: Status,
    /// Whether a step that has to succeed does not.
    pub stuck: bool,
    /// Whether its time stands still.
    pub paused: bool,
    /// Its steps; the tail is the one of its decision, before it that of joy.
    pub steps: Vec<StepView>,
    /// What an operator may do now.
    pub allowed_actions: Vec<&'static str>,
    /// What happened, the oldest first.
    pub history: Vec<HistoryView>,
    /// When it began.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub created_at: Option<Timestamp>,
    /// When it ended.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub finished_at: Option<Timestamp>,
}

/// A line of history. One record makes one or more.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct HistoryView {
    /// The record's number.
    pub seq: u32,
    /// When.
    pub at: Timestamp,
    /// Which step.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub step: Option<String>,
    /// What happened, as a word: `begun`, `sent`, `done`, `refused`, `fault`, `undo_sent`, `undone`,
    /// `undo_refused`, `undo_fault`, `cancel_asked`, `operator_retry` (`_skip`, `_cancel`, `_abandon`),
    /// `paused`, `resumed`, `confirmed`, `turning_back`, `published`, `stuck`, `healed`, `finished`.
    pub event: &'static str,
    /// Which asking.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub attempt: Option<u32>,
    /// A code, a type or an outcome.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub detail: Option<String>,
    /// What was answered, or who did it and why; for operators.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub payload: Option<Value>,
}

/// Tells a saga by its history: all of it, in the order of `seq`.
pub fn describe<D>(definition: &Definition<D>, instance: &Instance<D>, history: &[Record]) -> SagaView {
    SagaView {
        saga_id: instance.id,
        workflow: definition.name(),
        version: instance.version,
        status: instance.status(),
        stuck: instance.stuck_since.is_some(),
        paused: instance.paused.is_some(),
        steps: step::steps(definition, instance, history),
        allowed_actions: allowed_actions(instance),
        history: history.iter().flat_map(|record| line::lines(definition, record)).collect(),
        created_at: history.first().map(|record| record.at),
        finished_at: history.iter().rev().find(|record| is_last(record)).map(|record| record.at),
    }
}

/// What one record of history tells.
pub fn tell<D>(definition: &Definition<D>, record: &Record) -> Vec<HistoryView> {
    line::lines(definition, record).collect()
}

impl SagaView {
    /// Without what is meant for operators only.
    #[must_use]
    pub fn without_payloads(mut self) -> Self {
        for line in &mut self.history {
            line.payload = None;
        }
        self
    }
}

fn is_last(record: &Record) -> bool {
    record.effects.iter().any(|note| matches!(note, Note::Finished(_)))
}
