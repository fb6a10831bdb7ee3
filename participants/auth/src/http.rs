//! Auth's routes.

mod jwks;
mod login;
mod register;

use std::sync::Arc;

use utoipa_axum::router::OpenApiRouter;
use utoipa_axum::routes;

use crate::Shared;

/// What clients reach.
pub(crate) fn public(auth: &Shared) -> OpenApiRouter {
    let router = OpenApiRouter::default().routes(routes!(login::login)).routes(routes!(jwks::jwks));
    router.with_state(Arc::clone(auth))
}

/// What the user service reaches.
pub(crate) fn internal(auth: &Shared) -> OpenApiRouter {
    OpenApiRouter::default().routes(routes!(register::register)).with_state(Arc::clone(auth))
}
