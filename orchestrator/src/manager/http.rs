//! Sagas over HTTP, for operators: the list, one saga, what can be done to one and to many, what is
//! paused, and the trail of it all.

mod act;
mod bulk;
mod list;
mod pauses;
mod status;
mod trail;

use std::sync::Arc;

use axum::extract::State;
use messaging::rows::select;
pub(crate) use saga::HistoryView as SagaLine;
use saga::Record;
use sea_orm::DatabaseConnection;
use service::http::documentation::{Failures, Forbidden, NotFound, Unauthenticated, Unprocessable};
use service::http::{InternalCaller, Json, Listed, Page, PageParameters, Path, Problem};
use utoipa_axum::router::OpenApiRouter;
use utoipa_axum::routes;
use uuid::Uuid;

use super::act::Actor;
use super::operated::describe;
use super::saga_row::{HistoryRow, SagaRow};
use super::{Operated, Pauses, Workflow};
use list::{SagaSummary, SagasFilter, list_sagas};
pub(crate) use status::{SagaStatus, customers_word};

/// What operators' routes work with.
#[derive(Clone)]
pub(crate) struct Sagas {
    pub(crate) reader: DatabaseConnection,
    pub(crate) workflows: Arc<[Arc<dyn Operated>]>,
    pub(crate) pauses: Arc<Pauses>,
}

/// The internal routes of sagas.
pub(crate) fn routes(sagas: Sagas) -> OpenApiRouter {
    OpenApiRouter::new()
        .routes(routes!(list))
        .routes(routes!(detail))
        .routes(routes!(act::act))
        .routes(routes!(bulk::bulk))
        .routes(routes!(pauses::list, pauses::pause))
        .routes(routes!(pauses::resume))
        .routes(routes!(trail::list))
        .with_state(sagas)
}

impl Sagas {
    /// The workflow of this name.
    fn workflow(&self, name: &str) -> Option<&Arc<dyn Operated>> {
        self.workflows.iter().find(|workflow| workflow.name() == name)
    }

    async fn row(&self, saga_id: Uuid) -> Result<SagaRow, Problem> {
        let found: Vec<SagaRow> = select("saga_id = $1").bind(saga_id).read(&self.reader).await?;
        found.into_iter().next().ok_or_else(Problem::not_found)
    }

    /// Everything that is known about a saga.
    async fn status(&self, saga_id: Uuid) -> Result<SagaStatus, Problem> {
        let row = self.row(saga_id).await?;
        let history = history(&self.reader, saga_id).await?;
        let workflow = self.workflow(&row.workflow).ok_or_else(unknown_version)?;
        let view = workflow.describe(&row, &history)?.ok_or_else(unknown_version)?;
        Ok(SagaStatus::of(view, &row).under(&self.pauses.held(), &row))
    }
}

/// The status of a saga of this workflow, made from its row and its history.
pub(crate) async fn saga_status<W: Workflow>(
    db: &DatabaseConnection,
    saga_id: Uuid,
) -> Result<Option<SagaStatus>, Problem> {
    let found: Vec<SagaRow> = select("saga_id = $1").bind(saga_id).read(db).await?;
    let Some(row) = found.first() else { return Ok(None) };
    let history = history(db, saga_id).await?;
    let view = describe::<W>(row, &history)?.ok_or_else(unknown_version)?;
    Ok(Some(SagaStatus::of(view, row)))
}

/// What the history of a saga of this workflow tells from the record with this number on.
pub(crate) async fn lines_from<W: Workflow>(
    db: &DatabaseConnection,
    saga_id: Uuid,
    seq: u32,
) -> Result<Vec<SagaLine>, Problem> {
    let from = i32::try_from(seq).unwrap_or(i32::MAX);
    let wanted = select("saga_id = $1 AND seq >= $2 ORDER BY seq").bind(saga_id).bind(from);
    let news: Vec<HistoryRow> = wanted.read(db).await?;
    if news.is_empty() {
        return Ok(Vec::new());
    }
    let found: Vec<SagaRow> = select("saga_id = $1").bind(saga_id).read(db).await?;
    let version = found.first().map(SagaRow::definition_version);
    let definitions = W::definitions();
    let definition = definitions.iter().find(|definition| Some(definition.version()) == version);
    let definition = definition.ok_or_else(|| Problem::internal("a saga of an unknown version"))?;
    let records = news.into_iter().flat_map(HistoryRow::records).filter(|record| record.seq >= seq);
    Ok(records.flat_map(|record| saga::tell(definition, &record)).collect())
}

async fn history(db: &DatabaseConnection, saga_id: Uuid) -> Result<Vec<Record>, Problem> {
    let rows: Vec<HistoryRow> = select("saga_id = $1 ORDER BY seq").bind(saga_id).read(db).await?;
    Ok(rows.into_iter().flat_map(HistoryRow::records).collect())
}

fn unknown_version() -> Problem {
    Problem::unavailable("unknown_version", "only a newer process knows sagas of this version", 5)
}

/// On whose behalf; services have no business here.
fn operator(caller: &InternalCaller) -> Result<Actor, Problem> {
    match caller {
        InternalCaller::Operator(user_id) => Ok(Actor::Operator(*user_id)),
        InternalCaller::Service(_) => Err(Problem::forbidden("this needs the role operator")),
    }
}

/// Sagas, newest first.
#[utoipa::path(
    get, path = "/internal/api/v1/sagas", operation_id = "list_sagas", tag = "operators",
    security(("bearer" = [])),
    params(SagasFilter, PageParameters),
    responses(
        (status = 200, description = "A page of sagas", body = Listed<SagaSummary>),
        Unauthenticated, Forbidden, Unprocessable, Failures,
    ),
)]
async fn list(
    State(sagas): State<Sagas>,
    page: Page<SagasFilter>,
) -> Result<Json<Listed<SagaSummary>>, Problem> {
    sagas.check(&page.filter, "")?;
    let found = list_sagas(&sagas.reader, &page).await?;
    Ok(Json(Listed::new(&page, found, |saga| saga.saga_id)))
}

/// One saga with everything that is known about it.
#[utoipa::path(
    get, path = "/internal/api/v1/sagas/{id}", operation_id = "read_saga", tag = "operators",
    security(("bearer" = [])),
    params(("id" = Uuid, Path, description = "The saga")),
    responses(
        (status = 200, description = "Status and history with payloads", body = SagaStatus),
        Unauthenticated, Forbidden, NotFound, Failures,
    ),
)]
async fn detail(State(sagas): State<Sagas>, Path(saga_id): Path<Uuid>) -> Result<Json<SagaStatus>, Problem> {
    sagas.status(saga_id).await.map(Json)
}
