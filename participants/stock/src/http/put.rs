//! `PUT /internal/api/v1/stock/position/{id}`: makes a position or sets it.

use axum::extract::State;
use contracts::{Amount, MAX_AMOUNT};
use serde::{Deserialize, Serialize};
use service::http::documentation::{
    BodyProblems, Failures, Forbidden, NotFound, ProblemBody, Unauthenticated,
};
use service::http::{FieldErrors, InternalCaller, Json, Path, Problem, Validate};
use utoipa::ToSchema;
use uuid::Uuid;

use super::Shared;
use crate::commands::put_position::PutPosition;
use crate::decider::{Answer, Input};
use crate::position::Position;

/// What a position is to be.
#[derive(Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub(super) struct PutIn {
    /// What it is called.
    #[schema(
        min_length = 1,
        max_length = 200,
        pattern = "^[^\\u0000-\\u0008\\u000b\\u000c\\u000e-\\u001f\\u007f-\\u009f]*$"
    )]
    name: String,
    /// Of one, in minor units.
    #[schema(value_type = i64, minimum = 1, maximum = 1_000_000_000_000_i64)]
    price: Amount,
    /// How many are on hand, including what is reserved, without what is sold; not below what is reserved.
    #[schema(minimum = 0, maximum = 1_000_000_000_000_i64)]
    available: i64,
}

impl Validate for PutIn {
    fn validate(&self, errors: &mut FieldErrors) {
        errors.line("name", &self.name, 1..=200);
        errors.number("available", self.available, 0..=MAX_AMOUNT);
    }
}

/// A position as operators see it.
#[derive(Serialize, ToSchema)]
pub(super) struct PutOut {
    /// The position.
    position_id: Uuid,
    /// What it is called.
    name: String,
    /// Of one, in minor units.
    price: i64,
    /// ISO 4217.
    currency: String,
    /// How many can be ordered: what is on hand without what is reserved.
    available: i64,
    /// How many are promised to orders that are not sold yet.
    reserved: i64,
}

/// Make or set a position
///
/// `available` in the request is what is on hand, including what is reserved; in the answer it is what
/// can be ordered. What is reserved keeps its price; what is sold is no longer on hand.
#[utoipa::path(
    put,
    path = "/internal/api/v1/stock/position/{id}",
    operation_id = "put_position",
    tag = "stock",
    security(("bearer" = [])),
    params(("id" = Uuid, Path, description = "The position")),
    request_body = PutIn,
    responses(
        (status = 200, description = "The position", body = PutOut),
        (status = 409, description = "`below_reserved`, with `reserved`: less than what is reserved",
            body = ProblemBody, content_type = "application/problem+json"),
        Unauthenticated,
        Forbidden,
        NotFound,
        BodyProblems,
        Failures,
    )
)]
pub(super) async fn put(
    _: InternalCaller,
    State(shop): State<Shared>,
    Path(position_id): Path<Uuid>,
    Json(PutIn { name, price, available }): Json<PutIn>,
) -> Result<Json<PutOut>, Problem> {
    let request = PutPosition { position_id, name, price, on_hand: available };
    match shop.stock.call(Input::PutPosition(request)).await? {
        Answer::Put(Ok(position)) => Ok(Json(shown(position, &shop.currency))),
        Answer::Put(Err(refusal)) => {
            let problem = Problem::conflict("below_reserved", "more than that is reserved for orders");
            Err(problem.with("reserved", refusal.reserved))
        }
        other @ Answer::Reserved(_) => {
            Err(Problem::internal(&format!("another question's answer: {other:?}")))
        }
    }
}

fn shown(position: Position, currency: &str) -> PutOut {
    let Position { position_id, name, price, available, reserved } = position;
    PutOut { position_id, name, price, currency: currency.to_owned(), available, reserved }
}
