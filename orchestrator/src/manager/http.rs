//! Sagas over HTTP: the status of one, and the operators' list.

mod list;
mod status;

use axum::extract::State;
use saga::Record;
use sea_orm::DatabaseConnection;
use service::http::documentation::{Failures, Forbidden, NotFound, Unauthenticated, Unprocessable};
use service::http::{Json, Listed, Page, PageParameters, Path, Problem};
use utoipa_axum::router::OpenApiRouter;
use utoipa_axum::routes;
use uuid::Uuid;

use super::Workflow;
use super::saga_row::{HistoryRow, SagaRow};
use crate::order::OrderWorkflow;
use list::{SagaSummary, SagasFilter, list_sagas};
use messaging::rows::select;
pub(crate) use status::SagaStatus;

/// The internal routes of sagas.
pub(crate) fn routes(reader: DatabaseConnection) -> OpenApiRouter {
    OpenApiRouter::new().routes(routes!(list)).routes(routes!(detail)).with_state(reader)
}

/// The status of a saga of this workflow, made from its row and its history.
pub(crate) async fn saga_status<W: Workflow>(
    db: &DatabaseConnection,
    saga_id: Uuid,
) -> Result<Option<SagaStatus>, Problem> {
    let found: Vec<SagaRow> = select("saga_id = $1").bind(saga_id).read(db).await?;
    let Some(row) = found.first() else { return Ok(None) };
    let history = history(db, saga_id).await?;
    let definitions = W::definitions();
    let definition = definitions.iter().find(|definition| definition.version() == row.definition_version());
    let definition = definition.ok_or_else(|| Problem::internal("a saga of an unknown version"))?;
    let instance = row.instance::<W::Data>().map_err(|error| Problem::internal(&error))?;
    let view = saga::describe(definition, &instance, &history);
    Ok(Some(SagaStatus::of(view, row)))
}

async fn history(db: &DatabaseConnection, saga_id: Uuid) -> Result<Vec<Record>, Problem> {
    let rows: Vec<HistoryRow> = select("saga_id = $1 ORDER BY seq").bind(saga_id).read(db).await?;
    Ok(rows.into_iter().map(HistoryRow::record).collect())
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
    State(db): State<DatabaseConnection>,
    page: Page<SagasFilter>,
) -> Result<Json<Listed<SagaSummary>>, Problem> {
    let sagas = list_sagas(&db, &page).await?;
    Ok(Json(Listed::new(&page, sagas, |saga| saga.saga_id)))
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
async fn detail(
    State(db): State<DatabaseConnection>,
    Path(saga_id): Path<Uuid>,
) -> Result<Json<SagaStatus>, Problem> {
    let status = saga_status::<OrderWorkflow>(&db, saga_id).await?;
    status.map(Json).ok_or_else(Problem::not_found)
}
