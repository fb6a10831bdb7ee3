//! Stock's routes: a file each.

mod count;
mod list;
mod put;
mod reserve;

use std::sync::Arc;

use messaging::Handle;
use sea_orm::DatabaseConnection;
use utoipa_axum::router::OpenApiRouter;
use utoipa_axum::routes;

use crate::decider::Stock;

/// What the handlers share.
pub(crate) struct Shop {
    /// The way into the loop: everything that changes stock.
    pub(crate) stock: Handle<Stock>,
    /// For everything that only looks.
    pub(crate) reader: DatabaseConnection,
    /// ISO 4217.
    pub(crate) currency: String,
}

type Shared = Arc<Shop>;

/// What clients reach.
pub(crate) fn public() -> OpenApiRouter<Shared> {
    OpenApiRouter::default()
        .routes(routes!(list::list))
        .routes(routes!(count::count))
        .routes(routes!(reserve::reserve))
}

/// What operators reach.
pub(crate) fn internal(shop: &Shared) -> OpenApiRouter {
    OpenApiRouter::default().routes(routes!(put::put)).with_state(Arc::clone(shop))
}
