//! `POST /api/v1/order/sent`: a courier took the order along.

use axum::extract::State;
use service::http::documentation::{
    BodyProblems, Failures, Forbidden, NotFound, ProblemBody, Unauthenticated,
};
use service::http::{Caller, Json, Problem};
use service::token::Role;

use super::{DeliveryOut, OrderIn, Shared, shown};
use crate::decider::Input;

/// Say that an order is with its courier; the same again gets the same answer
#[utoipa::path(
    post,
    path = "/api/v1/order/sent",
    operation_id = "mark_order_sent",
    tag = "delivery",
    security(("bearer" = [])),
    request_body = OrderIn,
    responses(
        (status = 200, description = "It is sent, now or by an earlier request", body = DeliveryOut),
        (status = 409, description = "`wrong_state`: it is neither scheduled nor sent", body = ProblemBody,
            content_type = "application/problem+json"),
        Unauthenticated,
        Forbidden,
        NotFound,
        BodyProblems,
        Failures,
    )
)]
pub(super) async fn sent(
    caller: Caller,
    State(desk): State<Shared>,
    Json(OrderIn { order_id }): Json<OrderIn>,
) -> Result<Json<DeliveryOut>, Problem> {
    caller.require(Role::Courier)?;
    let delivery = desk.deliveries.call(Input::MarkSent(order_id)).await??;
    shown(&delivery).map(Json).ok_or_else(Problem::not_found)
}
