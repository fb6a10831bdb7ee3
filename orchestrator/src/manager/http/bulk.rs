//! The same thing done to many sagas: first told (dry run), then done at a bounded rate, saga by saga,
//! and stopped when too much of it fails.

use std::time::Duration;

use axum::extract::State;
use serde::{Deserialize, Serialize};
use serde_json::Value;
use service::http::documentation::{BodyProblems, Failures, Forbidden, Unauthenticated};
use service::http::{FieldErrors, InternalCaller, Json, Problem, Validate};
use tokio::time::{Instant, MissedTickBehavior};
use utoipa::ToSchema;
use uuid::Uuid;

use super::super::act::{ActError, Actor};
use super::super::now;
use super::super::saga_row::SagaRow;
use super::act::SagaAction;
use super::list::{SagasFilter, count_open, open_rows};
use super::{Sagas, operator};

const LIMIT_DEFAULT: u32 = 100;
const LIMIT_MAX: u32 = 500;
const RATE_DEFAULT: u32 = 50;
const RATE_MAX: u32 = 200;
const FAILURES_DEFAULT: u32 = 10;
/// A call answers within about this; the cursor leads on.
const AT_MOST: Duration = Duration::from_secs(20);

/// What is done to which sagas, why, and how carefully.
#[derive(Debug, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub(super) struct BulkRequest {
    /// Which of the open sagas; at least one field.
    #[schema(inline)]
    filter: SagasFilter,
    action: SagaAction,
    /// Why; for the trail.
    #[schema(min_length = 1, max_length = 500)]
    reason: String,
    /// Only tell what would be done.
    dry_run: bool,
    /// For `skip`: see the action on one saga.
    #[schema(nullable = false, min_length = 1, max_length = 100)]
    step: Option<String>,
    /// For `skip`.
    #[schema(value_type = Object)]
    result: Option<Value>,
    /// At most so many sagas in this call; default 100.
    #[schema(nullable = false, minimum = 1, maximum = 500)]
    limit: Option<u32>,
    /// At most so many a second; default 50.
    #[schema(nullable = false, minimum = 1, maximum = 200)]
    rate_per_second: Option<u32>,
    /// After so many failures it stops by itself; default 10.
    #[schema(nullable = false, minimum = 1, maximum = 500)]
    failures_max: Option<u32>,
    /// `next_cursor` of the call before: sagas below this one.
    #[schema(nullable = false)]
    cursor: Option<Uuid>,
}

impl Validate for BulkRequest {
    fn validate(&self, errors: &mut FieldErrors) {
        self.filter.validate(errors);
        errors.check(!self.filter.is_empty(), "filter", "must name at least one property");
        errors.line("reason", &self.reason, 1..=500);
        errors.check(!self.reason.trim().is_empty(), "reason", "must say something");
        errors.optional_line("step", self.step.as_deref(), 1..=100);
        for (name, number, most) in [
            ("limit", self.limit, LIMIT_MAX),
            ("rate_per_second", self.rate_per_second, RATE_MAX),
            ("failures_max", self.failures_max, LIMIT_MAX),
        ] {
            if let Some(number) = number {
                errors.number(name, number.into(), 1..=most.into());
            }
        }
    }
}

/// What was done, or would be.
#[derive(Debug, Serialize, ToSchema)]
pub(super) struct BulkOut {
    dry_run: bool,
    /// Open sagas that the filter finds, from the cursor on.
    matched: i64,
    items: Vec<BulkItem>,
    /// Of the items: done, or possible.
    succeeded: usize,
    /// Of the items: refused.
    failed: usize,
    /// Too much failed, and it stopped by itself.
    stopped: bool,
    /// Where to go on; null when nothing is left.
    #[schema(required)]
    next_cursor: Option<Uuid>,
}

/// What became of one saga, or would.
#[derive(Debug, Serialize, ToSchema)]
pub(super) struct BulkItem {
    saga_id: Uuid,
    key: Uuid,
    workflow: String,
    /// As it is now.
    status: String,
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schema(nullable = false)]
    step: Option<String>,
    /// It can only go forward.
    past_pivot: bool,
    /// Whether it was done, or would be.
    ok: bool,
    /// Why not.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schema(nullable = false)]
    why: Option<String>,
    /// What would be sent; of a dry run.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schema(nullable = false)]
    would_send: Option<Vec<String>>,
}

/// Do something to many sagas.
///
/// A client that hangs up stops it.
#[utoipa::path(
    post, path = "/internal/api/v1/sagas/bulk", operation_id = "act_on_sagas", tag = "operators",
    security(("bearer" = [])),
    request_body = BulkRequest,
    responses(
        (status = 200, description = "What was done, or would be, saga by saga", body = BulkOut),
        Unauthenticated, Forbidden, BodyProblems, Failures,
    ),
)]
pub(super) async fn bulk(
    State(sagas): State<Sagas>,
    caller: InternalCaller,
    Json(request): Json<BulkRequest>,
) -> Result<Json<BulkOut>, Problem> {
    let by = operator(&caller)?;
    sagas.check(&request.filter, "filter.")?;
    let below = request.cursor.unwrap_or(Uuid::max());
    let limit = request.limit.unwrap_or(LIMIT_DEFAULT);
    let input = request.action.input(&by, &request.reason, request.step.clone(), request.result.as_ref())?;
    let matched = count_open(&sagas.reader, &request.filter, below).await?;
    let rows = open_rows(&sagas.reader, &request.filter, below, limit).await?;
    let is_full = rows.len() == limit as usize;
    let last = rows.last().map(|row| row.saga_id);
    if request.dry_run {
        let items: Vec<_> = rows.iter().map(|row| sagas.foreseen(row, &input)).collect();
        return Ok(Json(BulkOut::of(&request, matched, items, false, last.filter(|_| is_full))));
    }
    let run = Run { sagas: &sagas, input: &input, by: &by, request: &request };
    let Done { items, stopped } = run.all(&rows).await;
    let reached = items.last().map(|item| item.saga_id);
    let is_through = items.len() == rows.len() && !is_full;
    Ok(Json(BulkOut::of(&request, matched, items, stopped, reached.filter(|_| !is_through))))
}

/// One call's work.
struct Run<'a> {
    sagas: &'a Sagas,
    input: &'a saga::Input,
    by: &'a Actor,
    request: &'a BulkRequest,
}

struct Done {
    items: Vec<BulkItem>,
    stopped: bool,
}

impl Run<'_> {
    async fn all(&self, rows: &[SagaRow]) -> Done {
        let rate = self.request.rate_per_second.unwrap_or(RATE_DEFAULT);
        let failures_max = self.request.failures_max.unwrap_or(FAILURES_DEFAULT) as usize;
        let mut pace = tokio::time::interval(Duration::from_secs(1) / rate);
        pace.set_missed_tick_behavior(MissedTickBehavior::Delay);
        let until = Instant::now() + AT_MOST;
        let (mut items, mut failures) = (Vec::with_capacity(rows.len()), 0);
        for row in rows {
            pace.tick().await;
            if Instant::now() >= until {
                break;
            }
            let item = self.one(row).await;
            failures += usize::from(!item.ok);
            items.push(item);
            if failures >= failures_max {
                return Done { items, stopped: true };
            }
        }
        Done { items, stopped: false }
    }

    async fn one(&self, row: &SagaRow) -> BulkItem {
        let item = BulkItem::of(row);
        let Some(workflow) = self.sagas.workflow(&row.workflow) else {
            return item.refused("only a newer process knows this workflow");
        };
        let reason = self.request.reason.clone();
        match workflow.act(row.saga_id, self.input.clone(), self.by.clone(), reason).await {
            Ok(acted) => BulkItem { status: acted.status.as_str().to_owned(), ..item },
            Err(ActError::Refused(why)) => item.refused(why.to_string()),
            Err(ActError::Call(why)) => item.refused(why.to_string()),
        }
    }
}

impl Sagas {
    fn foreseen(&self, row: &SagaRow, input: &saga::Input) -> BulkItem {
        let item = BulkItem::of(row);
        let Some(workflow) = self.workflow(&row.workflow) else {
            return item.refused("only a newer process knows this workflow");
        };
        match workflow.foresee(row, input, &self.pauses.held(), now()) {
            Ok(sends) => BulkItem { would_send: Some(sends), ..item },
            Err(why) => item.refused(why.to_string()),
        }
    }
}

impl BulkItem {
    fn of(row: &SagaRow) -> Self {
        Self {
            saga_id: row.saga_id,
            key: row.key,
            workflow: row.workflow.clone(),
            status: row.status.clone(),
            step: row.step.clone(),
            past_pivot: row.is_past_pivot(),
            ok: true,
            why: None,
            would_send: None,
        }
    }

    fn refused(self, why: impl Into<String>) -> Self {
        Self { ok: false, why: Some(why.into()), ..self }
    }
}

impl BulkOut {
    fn of(
        request: &BulkRequest,
        matched: i64,
        items: Vec<BulkItem>,
        stopped: bool,
        next_cursor: Option<Uuid>,
    ) -> Self {
        let succeeded = items.iter().filter(|item| item.ok).count();
        let failed = items.len() - succeeded;
        Self { dry_run: request.dry_run, matched, items, succeeded, failed, stopped, next_cursor }
    }
}
