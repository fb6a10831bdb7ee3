//! `GET /api/v1/order/{id}/delivery`: where an order is on its way.

use axum::extract::State;
use messaging::rows::select;
use service::http::documentation::{Failures, NotFound, Unauthenticated};
use service::http::{Caller, Json, Path, Problem};
use service::token::Role;
use uuid::Uuid;

use super::{DeliveryOut, Shared, shown};
use crate::delivery::Delivery;

/// Look at an order's delivery
///
/// One's own; couriers and operators see all.
#[utoipa::path(
    get,
    path = "/api/v1/order/{id}/delivery",
    operation_id = "get_delivery",
    tag = "delivery",
    security(("bearer" = [])),
    params(("id" = Uuid, Path, description = "The order")),
    responses((status = 200, description = "The delivery", body = DeliveryOut), Unauthenticated, NotFound, Failures)
)]
pub(super) async fn show(
    caller: Caller,
    State(desk): State<Shared>,
    Path(id): Path<Uuid>,
) -> Result<Json<DeliveryOut>, Problem> {
    let found: Vec<Delivery> = select("order_id = $1").bind(id).read(&desk.reader).await?;
    let delivery = found.first().filter(|delivery| may_see(&caller, delivery));
    delivery.and_then(shown).map(Json).ok_or_else(Problem::not_found)
}

fn may_see(caller: &Caller, delivery: &Delivery) -> bool {
    let is_owner = delivery.parcel().is_some_and(|parcel| parcel.user_id == caller.user_id);
    is_owner || caller.roles.has(Role::Courier) || caller.roles.has(Role::Operator)
}
