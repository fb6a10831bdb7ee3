//! `GET /internal/api/v1/auth`: gateways ask whose token a request carries.

use axum::http::HeaderName;
use axum::response::IntoResponse;
use serde::Serialize;
use service::http::documentation::{Failures, Unauthenticated};
use service::http::{Caller, Json};
use service::token::Role;
use utoipa::ToSchema;
use uuid::Uuid;

const USER_ID: HeaderName = HeaderName::from_static("x-user-id");
const ROLES: HeaderName = HeaderName::from_static("x-roles");

/// Who asks.
#[derive(Serialize, ToSchema)]
pub(super) struct UserOut {
    /// The user.
    user_id: Uuid,
    /// What the user may do.
    roles: Vec<Role>,
}

/// Check a user's access token
///
/// For gateways: with the user's own `Authorization` header, which is all that it takes.
#[utoipa::path(
    get,
    path = "/internal/api/v1/auth",
    operation_id = "check_token",
    tag = "auth",
    security(("bearer" = [])),
    responses(
        (status = 200, description = "A valid token of a user", body = UserOut, headers(
            ("X-User-Id" = Uuid, description = "The user"),
            ("X-Roles" = String, description = "The roles, with commas: `user,operator`"),
        )),
        Unauthenticated,
        Failures,
    )
)]
pub(super) async fn check(caller: Caller) -> impl IntoResponse {
    let (user_id, roles) = (caller.user_id, caller.roles);
    let headers = [(USER_ID, user_id.to_string()), (ROLES, roles.names().join(","))];
    (headers, Json(UserOut { user_id, roles: roles.iter().collect() }))
}
