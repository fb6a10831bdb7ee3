//! `POST /api/v1/order/received`, also under the spelling `recieved`: the order is with its user.

use axum::extract::State;
use service::http::documentation::{BodyProblems, Failures, NotFound, ProblemBody, Unauthenticated};
use service::http::{Caller, Json, Problem};
use service::token::Role;

use super::{DeliveryOut, OrderIn, Shared, shown};
use crate::commands::mark_received::{By, MarkReceived};
use crate::decider::Input;

/// Say that an order arrived; the same again gets the same answer
///
/// Couriers may say it of every order, users of their own.
#[utoipa::path(
    post,
    path = "/api/v1/order/received",
    operation_id = "mark_order_received",
    tag = "delivery",
    security(("bearer" = [])),
    request_body = OrderIn,
    responses(
        (status = 200, description = "It is received, now or by an earlier request", body = DeliveryOut),
        (status = 409, description = "`wrong_state`: it is neither sent nor received", body = ProblemBody,
            content_type = "application/problem+json"),
        Unauthenticated,
        NotFound,
        BodyProblems,
        Failures,
    )
)]
pub(super) async fn received(
    caller: Caller,
    State(desk): State<Shared>,
    Json(OrderIn { order_id }): Json<OrderIn>,
) -> Result<Json<DeliveryOut>, Problem> {
    let is_courier = caller.roles.has(Role::Courier);
    let by = if is_courier { By::Courier } else { By::User(caller.user_id) };
    let delivery = desk.deliveries.call(Input::MarkReceived(MarkReceived { order_id, by })).await??;
    shown(&delivery).map(Json).ok_or_else(Problem::not_found)
}

/// Say that an order arrived, in the other spelling
///
/// The same as `/api/v1/order/received`.
#[utoipa::path(
    post,
    path = "/api/v1/order/recieved",
    operation_id = "mark_order_recieved",
    tag = "delivery",
    security(("bearer" = [])),
    request_body = OrderIn,
    responses(
        (status = 200, description = "It is received, now or by an earlier request", body = DeliveryOut),
        (status = 409, description = "`wrong_state`: it is neither sent nor received", body = ProblemBody,
            content_type = "application/problem+json"),
        Unauthenticated,
        NotFound,
        BodyProblems,
        Failures,
    )
)]
pub(super) async fn recieved(
    caller: Caller,
    desk: State<Shared>,
    request: Json<OrderIn>,
) -> Result<Json<DeliveryOut>, Problem> {
    received(caller, desk, request).await
}
