//! `GET /api/v1/stock/positions`: what can be ordered.

use axum::extract::State;
use messaging::rows::select;
use serde::Serialize;
use service::http::documentation::{Failures, Unauthenticated, Unprocessable};
use service::http::{Caller, Json, Listed, Page, PageParameters, Problem};
use utoipa::ToSchema;
use uuid::Uuid;

use super::Shared;
use crate::position::Position;

/// A position as customers see it.
#[derive(Serialize, ToSchema)]
pub(super) struct PositionOut {
    /// The position.
    position_id: Uuid,
    /// What it is called.
    #[schema(example = "Green tea, 100 g")]
    name: String,
    /// Of one, in minor units.
    #[schema(minimum = 1, example = 25_000)]
    price: i64,
    /// ISO 4217.
    #[schema(example = "RUB")]
    currency: String,
    /// How many can be ordered.
    #[schema(minimum = 0)]
    available: i64,
}

/// List the positions
#[utoipa::path(
    get,
    path = "/api/v1/stock/positions",
    operation_id = "list_positions",
    tag = "stock",
    security(("bearer" = [])),
    params(PageParameters),
    responses(
        (status = 200, description = "A page of positions", body = Listed<PositionOut>),
        Unauthenticated,
        Unprocessable,
        Failures,
    )
)]
pub(super) async fn list(
    _: Caller,
    State(shop): State<Shared>,
    page: Page,
) -> Result<Json<Listed<PositionOut>>, Problem> {
    let found: Vec<Position> = select("position_id < $1 ORDER BY position_id DESC LIMIT $2")
        .bind(page.before_or_max())
        .bind(page.rows())
        .read(&shop.reader)
        .await?;
    let positions = found.iter().map(|position| shown(position, &shop.currency)).collect();
    Ok(Json(Listed::new(&page, positions, |position| position.position_id)))
}

fn shown(position: &Position, currency: &str) -> PositionOut {
    PositionOut {
        position_id: position.position_id,
        name: position.name.clone(),
        price: position.price,
        currency: currency.to_owned(),
        available: position.available,
    }
}
