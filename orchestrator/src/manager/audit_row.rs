//! The audit trail: who did what to which saga, when and why, and how it stood before and after.
//! Written in the transaction of what was done.

use contracts::Timestamp;
use messaging::record;
use messaging::rows::Json;
use saga::{Action, Input, Phase};
use serde::{Deserialize, Serialize};
use utoipa::ToSchema;
use uuid::Uuid;

use super::act::{Act, Wanted};
use super::saga_row::SagaRow;

record! {
    /// One action.
    pub struct ActionRow in "operator_actions" {
        /// Its id.
        action_id: Uuid,
        fixed {
            /// When.
            at: Timestamp,
            /// `operator <id>` or `user <id>`.
            actor: String,
            /// What was done, as the API says it.
            action: String,
            /// Why.
            reason: String,
            /// To which saga; none for what was done to many.
            saga_id: Option<Uuid>,
            /// What the saga is about: an order.
            key: Option<Uuid>,
            /// The step that was skipped, or the name of what was paused.
            target: Option<String>,
            /// Whether from now on the books of the services may differ because of it.
            accepted_difference: bool,
            /// How the saga stood before.
            before: Json<Option<Standing>>,
            /// How it stood after.
            after: Json<Option<Standing>>,
        }
    }
}

/// How a saga stands, for people.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, ToSchema)]
pub struct Standing {
    /// What it is doing, as a word.
    pub status: String,
    /// The first step that is waited for.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schema(nullable = false)]
    pub step: Option<String>,
    /// Which asking.
    pub attempt: u32,
    /// Whether a step is stuck.
    pub stuck: bool,
    /// Whether its time stands still.
    pub paused: bool,
}

impl Standing {
    pub(crate) fn of(row: &SagaRow) -> Self {
        Self {
            status: row.status.clone(),
            step: row.step.clone(),
            attempt: row.state.0.attempt,
            stuck: row.stuck_since.is_some(),
            paused: row.state.0.paused.is_some(),
        }
    }
}

impl ActionRow {
    /// The row of an act that moved a saga from `before` to `after`.
    pub(crate) fn of(act: &Act, before: &SagaRow, after: &SagaRow, now: Timestamp) -> Self {
        let (action, target) = described(&act.input);
        Self {
            action_id: act.action_id,
            at: now,
            actor: act.by.to_string(),
            action: action.to_owned(),
            reason: act.reason.clone(),
            saga_id: Some(act.saga_id),
            key: Some(before.key),
            target: target.or_else(|| (action == "skip").then(|| before.step.clone()).flatten()),
            accepted_difference: may_leave_a_difference(&act.input, &before.state.0.phase),
            before: Json(Some(Standing::of(before))),
            after: Json(Some(Standing::of(after))),
        }
    }

    /// The row of an act by which a saga began.
    pub(crate) fn of_beginning(wanted: &Wanted, begun: &SagaRow, now: Timestamp) -> Self {
        Self {
            action_id: wanted.action_id,
            at: now,
            actor: wanted.by.to_string(),
            action: wanted.action.to_owned(),
            reason: wanted.reason.clone(),
            saga_id: Some(begun.saga_id),
            key: Some(begun.key),
            target: None,
            accepted_difference: false,
            before: Json(None),
            after: Json(Some(Standing::of(begun))),
        }
    }
}

fn described(input: &Input) -> (&'static str, Option<String>) {
    match input {
        Input::Operator { action: Action::Skip { step, .. }, .. } => ("skip", step.clone()),
        Input::Operator { action, .. } => (action.as_str(), None),
        Input::Cancel => ("cancel", None),
        Input::Begin | Input::Reply { .. } | Input::Wake => ("other", None),
    }
}

/// Skipping forward says that something is done which nobody did; skipping an undo or a step of the
/// tail, that it never will be; abandoning leaves what stands.
fn may_leave_a_difference(input: &Input, phase: &Phase) -> bool {
    let Input::Operator { action, .. } = input else { return false };
    match action {
        Action::Skip { .. } => true,
        Action::Abandon => !matches!(phase, Phase::Final(_)),
        Action::Retry | Action::Cancel | Action::Pause(_) | Action::Resume(_) => false,
    }
}
