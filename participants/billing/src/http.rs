//! Billing's routes.

mod account;
mod entries;
mod payment;

use std::sync::Arc;

use messaging::Handle;
use sea_orm::DatabaseConnection;
use service::http::Problem;
use utoipa_axum::router::OpenApiRouter;
use utoipa_axum::routes;

use crate::account::Short;
use crate::billing::Billing;
use crate::once::Declined;

/// What the handlers share.
pub(crate) struct Counter {
    /// The way into the loop.
    pub(crate) handle: Handle<Billing>,
    /// Connections for reads.
    pub(crate) db: DatabaseConnection,
    /// ISO 4217.
    pub(crate) currency: String,
}

type Shared = Arc<Counter>;

/// What clients reach.
pub(crate) fn public() -> OpenApiRouter<Shared> {
    OpenApiRouter::default()
        .routes(routes!(account::read, account::deposit))
        .routes(routes!(account::withdraw))
        .routes(routes!(entries::list))
}

/// What operators and other services reach.
pub(crate) fn internal(counter: &Shared) -> OpenApiRouter {
    OpenApiRouter::default().routes(routes!(payment::take)).with_state(Arc::clone(counter))
}

impl From<Declined> for Problem {
    fn from(declined: Declined) -> Self {
        match declined {
            Declined::InsufficientFunds(Short { available, required }) => {
                let detail = "the account has less than is asked for";
                let problem = Self::payment_required("insufficient_funds", detail);
                problem.with("available", available).with("required", required)
            }
            Declined::BalanceTooLarge => {
                Self::unprocessable("balance_too_large", "the balance would be more than an account can have")
            }
            Declined::OtherPayment => Self::conflict(
                "other_payment",
                "the order was paid by another user, with another amount, or by its saga",
            ),
            Declined::KeyReused => Self::idempotency_key_reused(),
        }
    }
}
