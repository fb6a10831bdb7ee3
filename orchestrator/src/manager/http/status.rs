//! A saga's status as the API shows it.

use chrono::{DateTime, Utc};
use saga::{HistoryView, SagaView, StepView};
use serde::Serialize;
use serde_json::Value;
use utoipa::ToSchema;
use uuid::Uuid;

use super::super::pauses::Held;
use super::super::saga_row::SagaRow;

/// Where a saga stands, step by step, and what happened.
#[derive(Debug, Serialize, ToSchema)]
pub(crate) struct SagaStatus {
    /// The saga.
    saga_id: Uuid,
    /// Its workflow.
    workflow: String,
    /// The version of its definition.
    version: u32,
    /// What it is about: the order's id.
    key: Uuid,
    /// `running`, `compensating`, `tail`, `completed`, `rejected`, `cancelled` or `abandoned`.
    status: String,
    /// Whether it stands still because an operator paused it, its workflow or whom it waits for.
    paused: bool,
    /// What: `saga`, `workflow` or `participant <name>`; told to operators.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schema(nullable = false)]
    paused_by: Option<String>,
    /// Whether a step that has to succeed does not.
    stuck: bool,
    /// The participants that it waits for; told to operators.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    waits_for: Vec<String>,
    /// Its steps.
    steps: Vec<SagaStep>,
    /// What an operator may do now; told to operators.
    allowed_actions: Vec<String>,
    /// What happened, the oldest first.
    history: Vec<SagaEvent>,
    /// The trace of the request that began it: 32 hexadecimal digits; told to operators.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schema(nullable = false)]
    trace_id: Option<String>,
    /// When it is asked again; none when it has ended; told to operators.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schema(nullable = false)]
    wake_at: Option<DateTime<Utc>>,
    /// When it began.
    created_at: DateTime<Utc>,
    /// When it ended.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schema(nullable = false)]
    finished_at: Option<DateTime<Utc>>,
}

/// A step of a saga.
#[derive(Debug, Serialize, ToSchema)]
struct SagaStep {
    /// Its name.
    name: String,
    /// `compensatable`, `pivot` or `tail`.
    kind: Value,
    /// `waiting`, `sent`, `done`, `refused`, `undoing`, `undone`, `skipped` or `not_needed`.
    status: Value,
    /// How often it was asked for.
    attempts: u32,
    /// Why it was refused; operators are told of its latest failure, whatever became of it.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schema(nullable = false)]
    reason: Option<String>,
    /// When it was first asked for.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schema(nullable = false)]
    started_at: Option<DateTime<Utc>>,
    /// When it was answered.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schema(nullable = false)]
    finished_at: Option<DateTime<Utc>>,
}

/// A line of a saga's history.
#[derive(Debug, Serialize, ToSchema)]
struct SagaEvent {
    /// The number of the decided input.
    seq: u32,
    /// When.
    at: DateTime<Utc>,
    /// Which step.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schema(nullable = false)]
    step: Option<String>,
    /// What. Customers are told `begun`, `sent`, `done`, `refused`, `skipped`, `confirmed`, `turning_back`,
    /// `undo_sent`, `undone`, `cancel_asked`, `finished`; operators everything.
    event: String,
    /// Which asking.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schema(nullable = false)]
    attempt: Option<u32>,
    /// A code, a type or an outcome.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schema(nullable = false)]
    detail: Option<String>,
    /// What was answered; told to operators.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schema(nullable = false)]
    payload: Option<Value>,
}

impl SagaStatus {
    pub(super) fn of(view: SagaView, row: &SagaRow) -> Self {
        Self {
            saga_id: view.saga_id,
            workflow: view.workflow.to_owned(),
            version: view.version,
            key: row.key,
            status: view.status.as_str().to_owned(),
            paused: view.paused,
            paused_by: row.paused_by.clone(),
            stuck: view.stuck,
            waits_for: row.participants().map(str::to_owned).collect(),
            steps: view.steps.into_iter().map(SagaStep::of).collect(),
            allowed_actions: view.allowed_actions.into_iter().map(str::to_owned).collect(),
            history: view.history.into_iter().map(SagaEvent::of).collect(),
            trace_id: row.trace_id(),
            wake_at: row.wake_at,
            created_at: row.created_at,
            finished_at: row.finished_at,
        }
    }

    /// As it is under the pauses that hold: what waits only for paused ones stands still, also before it
    /// has met the pause.
    pub(super) fn under(mut self, held: &Held, row: &SagaRow) -> Self {
        let mut waited_for = row.participants().peekable();
        if self.paused || held.is_empty() || waited_for.peek().is_none() {
            return self;
        }
        let pauses: Option<Vec<_>> = waited_for.map(|name| held.of(&row.workflow, name)).collect();
        if let Some(pause) = pauses.as_deref().and_then(<[_]>::first) {
            self.paused = true;
            self.paused_by = Some(pause.paused_by().to_string());
            self.allowed_actions.retain(|action| action != "retry");
        }
        self
    }

    /// Without what is meant for operators, in plain words.
    pub(crate) fn for_customers(mut self) -> Self {
        self.allowed_actions.clear();
        self.waits_for.clear();
        self.wake_at = None;
        self.trace_id = None;
        self.paused_by = None;
        for step in &mut self.steps {
            step.reason = step.reason.take().filter(|_| step.status == "refused");
        }
        self.history = self.history.into_iter().filter_map(SagaEvent::for_customers).collect();
        self
    }
}

/// What customers are told of an event of a saga's history: the engine's own troubles, and who did what to
/// it, are not theirs.
pub(crate) fn customers_word(event: &str) -> Option<&'static str> {
    let plain = [
        "begun",
        "sent",
        "done",
        "refused",
        "confirmed",
        "turning_back",
        "undo_sent",
        "undone",
        "cancel_asked",
        "finished",
    ];
    match event {
        "operator_cancel" => Some("cancel_asked"),
        "operator_skip" => Some("skipped"),
        _ => plain.into_iter().find(|known| *known == event),
    }
}

impl SagaStep {
    fn of(step: StepView) -> Self {
        Self {
            name: step.name.into(),
            kind: serde_json::to_value(step.kind).unwrap_or_default(),
            status: serde_json::to_value(step.status).unwrap_or_default(),
            attempts: step.attempts,
            reason: step.reason,
            started_at: step.started_at,
            finished_at: step.finished_at,
        }
    }
}

impl SagaEvent {
    fn of(line: HistoryView) -> Self {
        Self {
            seq: line.seq,
            at: line.at,
            step: line.step,
            event: line.event.to_owned(),
            attempt: line.attempt,
            detail: line.detail,
            payload: line.payload,
        }
    }
    fn for_customers(self) -> Option<Self> {
        let event = customers_word(&self.event)?.to_owned();
        Some(Self { event, payload: None, ..self })
    }
}
