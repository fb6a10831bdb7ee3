//! Pausing whole workflows and participants.

use axum::extract::State;
use chrono::{DateTime, SecondsFormat, Utc};
use messaging::rows::select;
use sea_orm::{ConnectionTrait, DatabaseBackend, Statement, TransactionTrait, Value};
use serde::{Deserialize, Serialize};
use service::http::documentation::{
    BodyProblems, Failures, Forbidden, NotFound, ProblemBody, Unauthenticated,
};
use service::http::{FieldErrors, InternalCaller, Json, Problem, Validate};
use utoipa::ToSchema;
use uuid::Uuid;

use super::super::now;
use super::super::pauses::PauseRow;
use super::{Sagas, operator};

/// What is paused as a whole.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
#[serde(rename_all = "snake_case")]
pub(super) enum PauseScope {
    /// Every saga of a workflow.
    Workflow,
    /// Every command to a participant.
    Participant,
}

/// What to pause or to resume, and why.
#[derive(Debug, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub(super) struct PauseRequest {
    scope: PauseScope,
    /// The workflow's name, or the participant's.
    #[schema(min_length = 1, max_length = 100)]
    name: String,
    /// Why; for the trail.
    #[schema(min_length = 1, max_length = 500)]
    reason: String,
}

/// A pause that holds.
#[derive(Debug, Serialize, ToSchema)]
#[schema(as = Pause)]
pub(super) struct PauseOut {
    scope: String,
    name: String,
    since: DateTime<Utc>,
    /// Who.
    actor: String,
    /// Why.
    reason: String,
}

/// The pauses that hold.
#[derive(Debug, Serialize, ToSchema)]
pub(super) struct PausesOut {
    items: Vec<PauseOut>,
}

impl PauseScope {
    const fn as_str(self) -> &'static str {
        match self {
            Self::Workflow => "workflow",
            Self::Participant => "participant",
        }
    }
}

impl Validate for PauseRequest {
    fn validate(&self, errors: &mut FieldErrors) {
        errors.line("name", &self.name, 1..=100);
        errors.line("reason", &self.reason, 1..=500);
        errors.check(!self.reason.trim().is_empty(), "reason", "must say something");
    }
}

impl From<PauseRow> for PauseOut {
    fn from(row: PauseRow) -> Self {
        let PauseRow { scope, name, since, actor, reason, .. } = row;
        Self { scope, name, since, actor, reason }
    }
}

/// What is paused as a whole.
#[utoipa::path(
    get, path = "/internal/api/v1/pauses", operation_id = "list_pauses", tag = "operators",
    security(("bearer" = [])),
    responses((status = 200, description = "The pauses that hold", body = PausesOut), Unauthenticated, Forbidden, Failures),
)]
pub(super) async fn list(State(sagas): State<Sagas>) -> Result<Json<PausesOut>, Problem> {
    let rows: Vec<PauseRow> = select("true ORDER BY scope, name").read(&sagas.reader).await?;
    Ok(Json(PausesOut { items: rows.into_iter().map(PauseOut::from).collect() }))
}

/// Pause a workflow or a participant.
///
/// In effect everywhere within about a second: nothing is sent, answers are learned. The same asked again
/// by the same operator is answered alike; another reason for what is paused already is refused, with the
/// pause that holds.
#[utoipa::path(
    post, path = "/internal/api/v1/pauses", operation_id = "pause", tag = "operators",
    security(("bearer" = [])),
    request_body = PauseRequest,
    responses(
        (status = 200, description = "It is paused", body = PauseOut),
        (status = 409, description = "`already_paused`, with `since`, `actor`, `reason` of the pause that holds; \
         nothing was changed", body = ProblemBody, content_type = "application/problem+json"),
        Unauthenticated, Forbidden, BodyProblems, Failures,
    ),
)]
pub(super) async fn pause(
    State(sagas): State<Sagas>,
    caller: InternalCaller,
    Json(request): Json<PauseRequest>,
) -> Result<Json<PauseOut>, Problem> {
    let by = operator(&caller)?.to_string();
    let known = sagas.can_be_paused(request.scope);
    if !known.contains(&request.name.as_str()) {
        return Err(Problem::invalid_field("name", format!("must be one of: {}", known.join(", "))));
    }
    let tx = sagas.reader.begin().await?;
    let sql = "INSERT INTO pauses (pause_id, scope, name, since, actor, reason) \
               VALUES ($1, $2, $3, $4, $5, $6) ON CONFLICT (scope, name) DO NOTHING";
    let values: [Value; 6] = [
        Uuid::now_v7().into(),
        request.scope.as_str().into(),
        request.name.clone().into(),
        now().into(),
        by.clone().into(),
        request.reason.clone().into(),
    ];
    let inserted = tx.execute_raw(Statement::from_sql_and_values(DatabaseBackend::Postgres, sql, values));
    if inserted.await?.rows_affected() > 0 {
        write_trail(&tx, "pause", &request, &by).await?;
    }
    tx.commit().await?;
    sagas.pauses.read_again().await?;
    let wanted = select("scope = $1 AND name = $2").bind(request.scope.as_str()).bind(request.name.clone());
    let row: Option<PauseRow> = wanted.read(&sagas.reader).await?.pop();
    let held = row.ok_or_else(Problem::not_found)?;
    if held.actor == by && held.reason == request.reason {
        return Ok(Json(held.into()));
    }
    Err(already_paused(held))
}

/// A reason that nobody will ever read must not be taken.
fn already_paused(held: PauseRow) -> Problem {
    let PauseRow { scope, name, since, actor, reason, .. } = held;
    let at = since.to_rfc3339_opts(SecondsFormat::Secs, true);
    let detail = format!("{scope} {name} is paused already: since {at}, by {actor}: {reason}");
    let problem = Problem::conflict("already_paused", detail).with("scope", scope).with("name", name);
    problem.with("since", since).with("actor", actor).with("reason", reason)
}

/// Let a workflow or a participant go on.
///
/// The sagas that stood still go on where they stopped, at most a thousand a second.
#[utoipa::path(
    post, path = "/internal/api/v1/pauses/resume", operation_id = "resume", tag = "operators",
    security(("bearer" = [])),
    request_body = PauseRequest,
    responses(
        (status = 200, description = "The pause that held", body = PauseOut),
        Unauthenticated, Forbidden, NotFound, BodyProblems, Failures,
    ),
)]
pub(super) async fn resume(
    State(sagas): State<Sagas>,
    caller: InternalCaller,
    Json(request): Json<PauseRequest>,
) -> Result<Json<PauseOut>, Problem> {
    let by = operator(&caller)?.to_string();
    let wanted = select("scope = $1 AND name = $2").bind(request.scope.as_str()).bind(request.name.clone());
    let held: Option<PauseRow> = wanted.read(&sagas.reader).await?.pop();
    let held = held.ok_or_else(Problem::not_found)?;
    let tx = sagas.reader.begin().await?;
    let values: [Value; 1] = [held.pause_id.into()];
    let sql = "DELETE FROM pauses WHERE pause_id = $1";
    let deleted = tx.execute_raw(Statement::from_sql_and_values(DatabaseBackend::Postgres, sql, values));
    if deleted.await?.rows_affected() == 0 {
        return Err(Problem::not_found());
    }
    write_trail(&tx, "resume", &request, &by).await?;
    tx.commit().await?;
    sagas.pauses.read_again().await?;
    Ok(Json(held.into()))
}

impl Sagas {
    /// The names of all that can be paused.
    fn can_be_paused(&self, scope: PauseScope) -> Vec<&'static str> {
        let mut names: Vec<_> = match scope {
            PauseScope::Workflow => self.workflows.iter().map(|workflow| workflow.name()).collect(),
            PauseScope::Participant => {
                self.workflows.iter().flat_map(|workflow| workflow.participants()).collect()
            }
        };
        names.sort_unstable();
        names.dedup();
        names
    }
}

async fn write_trail(
    tx: &impl ConnectionTrait,
    action: &str,
    request: &PauseRequest,
    by: &str,
) -> Result<(), Problem> {
    let sql = "INSERT INTO operator_actions \
               (action_id, at, actor, action, reason, target, accepted_difference, before, after) \
               VALUES ($1, $2, $3, $4, $5, $6, false, 'null', 'null')";
    let values: [Value; 6] = [
        Uuid::now_v7().into(),
        now().into(),
        by.into(),
        action.into(),
        request.reason.clone().into(),
        format!("{} {}", request.scope.as_str(), request.name).into(),
    ];
    tx.execute_raw(Statement::from_sql_and_values(DatabaseBackend::Postgres, sql, values)).await?;
    Ok(())
}
