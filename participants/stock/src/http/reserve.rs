//! `POST /api/v1/stock/position/{id}/reserve`: an operator reserves for an order by hand.

use axum::extract::State;
use contracts::stock::Line;
use serde::{Deserialize, Serialize};
use service::http::documentation::{
    BodyProblems, Failures, Forbidden, NotFound, ProblemBody, Unauthenticated,
};
use service::http::{Caller, FieldErrors, Json, Path, Problem, Validate};
use service::token::Role;
use utoipa::ToSchema;
use uuid::Uuid;

use super::Shared;
use crate::commands::reserve_by_operator::{OperatorRefusal, ReserveByOperator};
use crate::commands::reserve_stock::QUANTITY_MAX;
use crate::decider::{Answer, Input};

/// What is to be reserved.
#[derive(Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub(super) struct ReserveIn {
    /// For this order; it has at most one reservation.
    order_id: Uuid,
    /// So many.
    #[schema(minimum = 1, maximum = 1_000_000_000)]
    quantity: i64,
}

impl Validate for ReserveIn {
    fn validate(&self, errors: &mut FieldErrors) {
        errors.number("quantity", self.quantity, 1..=QUANTITY_MAX);
    }
}

/// What is reserved.
#[derive(Serialize, ToSchema)]
pub(super) struct ReservedOut {
    /// For this order.
    order_id: Uuid,
    /// Of this position.
    position_id: Uuid,
    /// What it was called then.
    name: String,
    /// So many.
    quantity: i64,
    /// The price of one then, in minor units.
    price: i64,
    /// ISO 4217.
    currency: String,
}

/// Reserve by hand; the same order asked again gets the same answer
#[utoipa::path(
    post,
    path = "/api/v1/stock/position/{id}/reserve",
    operation_id = "reserve_position",
    tag = "stock",
    security(("bearer" = [])),
    params(("id" = Uuid, Path, description = "The position")),
    request_body = ReserveIn,
    responses(
        (status = 200, description = "Reserved, now or by an earlier request", body = ReservedOut),
        (status = 409, description = "`out_of_stock`, `total_too_large`, or `order_decided`: the order has asked for \
            something else before, or was refused or cancelled", body = ProblemBody,
            content_type = "application/problem+json"),
        Unauthenticated,
        Forbidden,
        NotFound,
        BodyProblems,
        Failures,
    )
)]
pub(super) async fn reserve(
    caller: Caller,
    State(shop): State<Shared>,
    Path(position_id): Path<Uuid>,
    Json(ReserveIn { order_id, quantity }): Json<ReserveIn>,
) -> Result<Json<ReservedOut>, Problem> {
    caller.require(Role::Operator)?;
    let request = ReserveByOperator { order_id, position_id, quantity };
    match shop.stock.call(Input::ReserveByOperator(request)).await? {
        Answer::Reserved(reserved) => Ok(Json(shown(order_id, reserved?, &shop.currency))),
        other @ Answer::Put(_) => Err(Problem::internal(&format!("another question's answer: {other:?}"))),
    }
}

fn shown(order_id: Uuid, line: Line, currency: &str) -> ReservedOut {
    let Line { position_id, name, quantity, price } = line;
    ReservedOut { order_id, position_id, name, quantity, price, currency: currency.to_owned() }
}

impl From<OperatorRefusal> for Problem {
    fn from(refusal: OperatorRefusal) -> Self {
        match refusal {
            OperatorRefusal::UnknownPosition => Self::not_found(),
            OperatorRefusal::OutOfStock => Self::conflict("out_of_stock", "there is less than was asked for"),
            OperatorRefusal::TotalTooLarge => {
                Self::conflict("total_too_large", "the total is above what one order may cost")
            }
            OperatorRefusal::OrderDecided => Self::conflict(
                "order_decided",
                "the order has asked for something else before, or was refused or cancelled",
            ),
        }
    }
}
