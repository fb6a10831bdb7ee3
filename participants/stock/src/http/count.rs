//! `GET /api/v1/stock/position/{id}/count`: how many there are.

use axum::extract::State;
use messaging::rows::select;
use serde::Serialize;
use service::http::documentation::{Failures, NotFound, Unauthenticated};
use service::http::{Caller, Json, Path, Problem};
use utoipa::ToSchema;
use uuid::Uuid;

use super::Shared;
use crate::position::Position;

/// How many there are of a position.
#[derive(Serialize, ToSchema)]
pub(super) struct CountOut {
    /// The position.
    position_id: Uuid,
    /// How many can be ordered.
    #[schema(minimum = 0)]
    available: i64,
    /// How many are promised to orders that are not sold yet.
    #[schema(minimum = 0)]
    reserved: i64,
}

/// Count a position
#[utoipa::path(
    get,
    path = "/api/v1/stock/position/{id}/count",
    operation_id = "count_position",
    tag = "stock",
    security(("bearer" = [])),
    params(("id" = Uuid, Path, description = "The position")),
    responses((status = 200, description = "How many there are", body = CountOut), Unauthenticated, NotFound, Failures)
)]
pub(super) async fn count(
    _: Caller,
    State(shop): State<Shared>,
    Path(id): Path<Uuid>,
) -> Result<Json<CountOut>, Problem> {
    let found: Vec<Position> = select("position_id = $1").bind(id).read(&shop.reader).await?;
    let Position { position_id, available, reserved, .. } = *found.first().ok_or_else(Problem::not_found)?;
    Ok(Json(CountOut { position_id, available, reserved }))
}
