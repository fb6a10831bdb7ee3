//! What operators do to one saga.

use axum::extract::State;
use saga::{Action, PausedBy};
use serde::Deserialize;
use serde_json::Value;
use serde_json::value::to_raw_value;
use service::http::documentation::{
    BodyProblems, Failures, Forbidden, NotFound, ProblemBody, Unauthenticated,
};
use service::http::{FieldErrors, InternalCaller, Json, Path, Problem, Validate};
use utoipa::ToSchema;
use uuid::Uuid;

use super::super::act::Actor;
use super::{SagaStatus, Sagas, operator};

/// What is done to a saga.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Deserialize, ToSchema)]
#[serde(rename_all = "snake_case")]
pub(super) enum SagaAction {
    /// Ask again now for what is waited for.
    Retry,
    /// Take a step for done, with a stated result. It counts as possibly done and is still undone.
    Skip,
    /// Turn back; before the pivot only.
    Cancel,
    /// Stop where it is, undoing nothing.
    Abandon,
    /// Let its time stand still.
    Pause,
    /// Let its time go on.
    Resume,
}

/// Why, and for `skip` what.
#[derive(Debug, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub(super) struct ActRequest {
    /// Why; for the trail.
    #[schema(min_length = 1, max_length = 500)]
    reason: String,
    /// For `skip`: which step; may be left out when only one is waited for.
    #[schema(nullable = false, min_length = 1, max_length = 100)]
    step: Option<String>,
    /// For `skip`: what its participant would have answered. May be left out where nothing is learned
    /// from it: at an undo and after the pivot.
    #[schema(value_type = Object)]
    result: Option<Value>,
}

impl Validate for ActRequest {
    fn validate(&self, errors: &mut FieldErrors) {
        errors.line("reason", &self.reason, 1..=500);
        errors.check(!self.reason.trim().is_empty(), "reason", "must say something");
        errors.optional_line("step", self.step.as_deref(), 1..=100);
    }
}

/// Do something to a saga.
#[utoipa::path(
    post, path = "/internal/api/v1/sagas/{id}/{action}", operation_id = "act_on_saga", tag = "operators",
    security(("bearer" = [])),
    params(
        ("id" = Uuid, Path, description = "The saga"),
        ("action" = SagaAction, Path, description = "What"),
    ),
    request_body = ActRequest,
    responses(
        (status = 200, description = "It was done; the saga as it is now", body = SagaStatus),
        (status = 409, description = "`not_allowed`: it makes no sense now; nothing was changed",
         body = ProblemBody, content_type = "application/problem+json"),
        Unauthenticated, Forbidden, NotFound, BodyProblems, Failures,
    ),
)]
pub(super) async fn act(
    State(sagas): State<Sagas>,
    caller: InternalCaller,
    Path((saga_id, action)): Path<(Uuid, SagaAction)>,
    Json(request): Json<ActRequest>,
) -> Result<Json<SagaStatus>, Problem> {
    let by = operator(&caller)?;
    let ActRequest { reason, step, result } = request;
    let input = action.input(&by, &reason, step, result.as_ref())?;
    let row = sagas.row(saga_id).await?;
    let workflow = sagas.workflow(&row.workflow).ok_or_else(super::unknown_version)?;
    workflow.act(saga_id, input, by, reason).await?;
    sagas.status(saga_id).await.map(Json)
}

impl SagaAction {
    /// As what it reaches the saga.
    pub(super) fn input(
        self,
        by: &Actor,
        reason: &str,
        step: Option<String>,
        result: Option<&Value>,
    ) -> Result<saga::Input, Problem> {
        if self != Self::Skip {
            let mut errors = FieldErrors::default();
            errors.check(step.is_none(), "step", "only a skip names a step");
            errors.check(result.is_none(), "result", "only a skip states a result");
            if !errors.is_empty() {
                return Err(Problem::invalid(errors));
            }
        }
        let action = match self {
            Self::Retry => Action::Retry,
            Self::Skip => {
                let result = result.map(to_raw_value).transpose();
                Action::Skip { step, result: result.map_err(|error| Problem::internal(&error))? }
            }
            Self::Cancel => Action::Cancel,
            Self::Abandon => Action::Abandon,
            Self::Pause => Action::Pause(PausedBy::Saga),
            Self::Resume => Action::Resume(PausedBy::Saga),
        };
        Ok(saga::Input::Operator { action, by: by.to_string(), reason: reason.to_owned() })
    }
}
