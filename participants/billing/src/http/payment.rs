//! `/internal/api/v1/payment`: takes the money for an order at once.

use axum::extract::State;
use axum::response::Response;
use contracts::Amount;
use serde::{Deserialize, Serialize};
use service::http::documentation::{
    BodyProblems, Failures, Forbidden, IdempotencyKeyHeader, ProblemBody, Unauthenticated,
};
use service::http::{FieldErrors, InternalCaller, Json, Keyed, Problem, Validate};
use utoipa::ToSchema;
use uuid::Uuid;

use super::Shared;
use super::account::replayable;
use crate::commands::Call;
use crate::commands::take_payment::TakePayment;

const ROUTE: &str = "POST /internal/api/v1/payment";

/// What is to be paid.
#[derive(Debug, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub(super) struct PaymentIn {
    /// The order; paid at most once.
    order_id: Uuid,
    /// Who pays.
    user_id: Uuid,
    /// How much, in minor units.
    #[schema(value_type = i64, minimum = 1, maximum = 1_000_000_000_000_i64)]
    amount: Amount,
}

impl Validate for PaymentIn {
    fn validate(&self, _: &mut FieldErrors) {}
}

/// What was paid.
#[derive(Debug, Serialize, ToSchema)]
pub(super) struct PaymentOut {
    /// The entry in the ledger.
    entry_id: Uuid,
    /// The order.
    order_id: Uuid,
    /// Who paid.
    user_id: Uuid,
    /// How much, in minor units.
    amount: i64,
    /// ISO 4217.
    #[schema(example = "RUB")]
    currency: String,
}

/// Take the money for an order now
///
/// The same payment again is answered the same and takes nothing more. An order's saga that asks for the same
/// money later finds it paid, and gives it back where it turns back.
#[utoipa::path(
    post,
    path = "/internal/api/v1/payment",
    operation_id = "take_payment",
    tag = "billing",
    security(("bearer" = [])),
    params(IdempotencyKeyHeader),
    request_body = PaymentIn,
    responses(
        (
            status = 200,
            description = "The money is taken",
            body = PaymentOut,
            headers(("Idempotency-Replayed" = String, description = "`true` when it is an earlier answer"))
        ),
        (
            status = 402,
            description = "`insufficient_funds`, with `available` and `required`",
            body = ProblemBody,
            content_type = "application/problem+json"
        ),
        (
            status = 409,
            description = "`other_payment`: the order was paid by another user, with another amount, or its saga asked for the money before",
            body = ProblemBody,
            content_type = "application/problem+json"
        ),
        Unauthenticated,
        Forbidden,
        BodyProblems,
        Failures,
    )
)]
pub(super) async fn take(
    caller: InternalCaller,
    State(counter): State<Shared>,
    Keyed { body, key }: Keyed<PaymentIn>,
) -> Result<Response, Problem> {
    let PaymentIn { order_id, user_id, amount } = body;
    let key = key.map(|key| key.scoped(scope_of(&caller), ROUTE));
    let payment = TakePayment { order_id, user_id, amount, key };
    let entry_id = payment.entry_id();
    let booked = counter.booked(Call::TakePayment(payment)).await?;
    let currency = counter.currency.clone();
    let paid = PaymentOut { entry_id, order_id, user_id, amount: amount.get(), currency };
    Ok(replayable(booked.replayed, Json(paid)))
}

/// Keys are the caller's own; a service has no id, so its name stands for one.
fn scope_of(caller: &InternalCaller) -> Uuid {
    match caller {
        InternalCaller::Operator(user_id) => *user_id,
        InternalCaller::Service(name) => Uuid::new_v5(&Uuid::NAMESPACE_OID, name.as_bytes()),
    }
}
