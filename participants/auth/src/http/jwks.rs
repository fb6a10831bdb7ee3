//! `GET /.well-known/jwks.json`: the public halves of the keys whose tokens are accepted.

use axum::extract::State;
use axum::http::header::CACHE_CONTROL;
use axum::response::IntoResponse;
use serde_json::Value;
use service::http::Json;
use service::http::documentation::Failures;
use utoipa::ToSchema;

use crate::Shared;

/// A JSON Web Key Set (RFC 7517).
#[derive(ToSchema)]
#[schema(as = KeySet)]
#[expect(dead_code, reason = "only describes what jsonwebtoken writes")]
struct KeySetBody {
    /// The keys: `kty`, `crv`, `x`, `kid`, `alg`, `use`.
    keys: Vec<Value>,
}

/// The keys that verify access tokens
#[utoipa::path(
    get,
    path = "/.well-known/jwks.json",
    operation_id = "read_keys",
    tag = "auth",
    responses((status = 200, description = "The keys", body = KeySetBody), Failures)
)]
pub(super) async fn jwks(State(auth): State<Shared>) -> impl IntoResponse {
    ([(CACHE_CONTROL, "public, max-age=60")], Json(auth.public_keys.clone()))
}
