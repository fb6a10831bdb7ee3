//! `POST /api/v1/logout`: ends the caller's session.

use axum::extract::State;
use axum::http::StatusCode;
use chrono::Utc;
use service::http::documentation::{Failures, Unauthenticated};
use service::http::{Caller, Problem};

use crate::Shared;
use crate::revocations::Term;
use crate::sessions;

/// Log out
///
/// The session's tokens stop working: here at once, in every service within a second.
#[utoipa::path(
    post,
    path = "/api/v1/logout",
    operation_id = "logout",
    tag = "auth",
    security(("bearer" = [])),
    responses((status = 204, description = "The session is over"), Unauthenticated, Failures)
)]
pub(super) async fn logout(caller: Caller, State(auth): State<Shared>) -> Result<StatusCode, Problem> {
    let term = Term::new(&auth.security, Utc::now());
    let revoked = sessions::end(&auth.db, caller.session_id, term).await?;
    auth.announcer.announce(&[revoked]);
    Ok(StatusCode::NO_CONTENT)
}
