//! The public listener: the parts' public routes, and a problem for everything else.

use std::sync::Arc;

use axum::Router;
use axum::middleware::from_fn_with_state;
use utoipa_axum::router::OpenApiRouter;

use super::envelope::{Listener, envelope};
use super::{Owners, docs, openapi};
use crate::House;
use crate::http::Problem;
use crate::token::TokenVerifier;

pub(super) fn router(house: &House, parts: OpenApiRouter, owners: Owners) -> Router {
    shown(parts, owners, Some(house.tokens.clone()))
}

/// With the document and its page.
pub(super) fn shown(parts: OpenApiRouter, owners: Owners, tokens: Option<TokenVerifier>) -> Router {
    let listener = Listener { name: "public", owners, tokens, guarded: false, open: &[] };
    finish(openapi::served(parts).merge(docs::routes()), listener)
}

/// Problems for unknown paths and methods, and the envelope around all of it.
pub(super) fn finish(router: Router, listener: Listener) -> Router {
    router
        .method_not_allowed_fallback(async || Problem::method_not_allowed())
        .fallback(async || Problem::not_found())
        .layer(from_fn_with_state(Arc::new(listener), envelope))
}
