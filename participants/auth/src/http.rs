//! Auth's routes.

mod check;
mod jwks;
mod login;
mod logout;
mod refresh;
mod register;
mod roles;
mod tokens;

use std::sync::Arc;

use utoipa_axum::router::OpenApiRouter;
use utoipa_axum::routes;

use crate::Shared;

/// What clients reach.
pub(crate) fn public() -> OpenApiRouter<Shared> {
    OpenApiRouter::default()
        .routes(routes!(login::login))
        .routes(routes!(refresh::refresh))
        .routes(routes!(logout::logout))
        .routes(routes!(jwks::jwks))
}

/// What operators, the user service and gateways reach.
pub(crate) fn internal(auth: &Shared) -> OpenApiRouter {
    OpenApiRouter::default()
        .routes(routes!(register::register))
        .routes(routes!(roles::put))
        .routes(routes!(check::check))
        .with_state(Arc::clone(auth))
}
