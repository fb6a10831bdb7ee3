//! The user service's routes.

mod profile;
mod register;

use std::sync::Arc;

use utoipa_axum::router::OpenApiRouter;
use utoipa_axum::routes;

use crate::Shared;

/// What clients reach.
pub(crate) fn public() -> OpenApiRouter<Shared> {
    OpenApiRouter::default()
        .routes(routes!(register::register))
        .routes(routes!(profile::read, profile::change))
}

/// What operators and other services reach.
pub(crate) fn internal(users: &Shared) -> OpenApiRouter {
    OpenApiRouter::default().routes(routes!(profile::read_of)).with_state(Arc::clone(users))
}
