//! The audit trail of operators.

use axum::extract::State;
use chrono::{DateTime, Utc};
use messaging::rows::select;
use serde::{Deserialize, Serialize};
use service::http::documentation::{Failures, Forbidden, Unauthenticated, Unprocessable};
use service::http::{FieldErrors, Json, Listed, Page, PageParameters, Problem, Validate};
use utoipa::{IntoParams, ToSchema};
use uuid::Uuid;

use super::super::audit_row::{ActionRow, Standing};
use super::Sagas;

/// What people do.
const ACTIONS: [&str; 6] = ["retry", "skip", "cancel", "abandon", "pause", "resume"];

/// Which actions.
#[derive(Debug, Default, Deserialize, IntoParams)]
#[serde(deny_unknown_fields)]
#[into_params(parameter_in = Query)]
pub(super) struct TrailFilter {
    /// On this saga.
    saga_id: Option<Uuid>,
    /// On sagas of this key (an order's id).
    key: Option<Uuid>,
    /// Of this kind: `retry`, `skip`, `cancel`, `abandon`, `pause`, `resume`.
    #[param(min_length = 1, max_length = 100)]
    action: Option<String>,
    /// After which the books of the services may differ, or may not.
    accepted_difference: Option<bool>,
}

impl Validate for TrailFilter {
    fn validate(&self, errors: &mut FieldErrors) {
        let is_known = self.action.as_deref().is_none_or(|action| ACTIONS.contains(&action));
        errors.check(is_known, "action", format!("must be one of: {}", ACTIONS.join(", ")));
    }
}

/// One action.
#[derive(Debug, Serialize, ToSchema)]
#[schema(as = OperatorAction)]
pub(super) struct ActionOut {
    action_id: Uuid,
    /// When.
    at: DateTime<Utc>,
    /// Who: `operator <id>`, or `user <id>` for a customer's cancel.
    actor: String,
    /// What.
    action: String,
    /// Why.
    reason: String,
    /// To which saga.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schema(nullable = false)]
    saga_id: Option<Uuid>,
    /// What the saga is about.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schema(nullable = false)]
    key: Option<Uuid>,
    /// The step that was skipped, or what was paused as a whole.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schema(nullable = false)]
    target: Option<String>,
    /// Whether the books of the services may differ because of it.
    accepted_difference: bool,
    /// How the saga stood before, if it had begun.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schema(nullable = false)]
    before: Option<Standing>,
    /// How it stood after.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schema(nullable = false)]
    after: Option<Standing>,
}

impl From<ActionRow> for ActionOut {
    fn from(row: ActionRow) -> Self {
        Self {
            action_id: row.action_id,
            at: row.at,
            actor: row.actor,
            action: row.action,
            reason: row.reason,
            saga_id: row.saga_id,
            key: row.key,
            target: row.target,
            accepted_difference: row.accepted_difference,
            before: row.before.0,
            after: row.after.0,
        }
    }
}

/// What people did to sagas, newest first.
#[utoipa::path(
    get, path = "/internal/api/v1/audit/actions", operation_id = "list_operator_actions", tag = "operators",
    security(("bearer" = [])),
    params(TrailFilter, PageParameters),
    responses(
        (status = 200, description = "A page of the trail", body = Listed<ActionOut>),
        Unauthenticated, Forbidden, Unprocessable, Failures,
    ),
)]
pub(super) async fn list(
    State(sagas): State<Sagas>,
    page: Page<TrailFilter>,
) -> Result<Json<Listed<ActionOut>>, Problem> {
    let wanted = "action_id < $1 AND ($2::uuid IS NULL OR saga_id = $2) AND ($3::uuid IS NULL OR key = $3) \
                  AND ($4::text IS NULL OR action = $4) \
                  AND ($5::boolean IS NULL OR accepted_difference = $5) ORDER BY action_id DESC LIMIT $6";
    let TrailFilter { saga_id, key, action, accepted_difference } = &page.filter;
    let rows: Vec<ActionRow> = select(wanted)
        .bind(page.before_or_max())
        .bind(*saga_id)
        .bind(*key)
        .bind(action.clone())
        .bind(*accepted_difference)
        .bind(page.rows())
        .read(&sagas.reader)
        .await?;
    let actions = rows.into_iter().map(ActionOut::from).collect();
    Ok(Json(Listed::new(&page, actions, |action| action.action_id)))
}
