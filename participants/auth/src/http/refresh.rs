//! `POST /api/v1/token/refresh`: a refresh token against the session's next tokens.
//!
//! A refresh token works once, without any grace for an answer that was lost: a token that comes twice
//! cannot be told from a stolen one, and then the session ends for both who have it.

use axum::extract::State;
use axum::http::StatusCode;
use chrono::Utc;
use contracts::Timestamp;
use sea_orm::TransactionTrait;
use secrecy::{ExposeSecret, SecretString};
use serde::Deserialize;
use service::http::documentation::{BodyProblems, Failures, ProblemBody};
use service::http::{FieldErrors, Json, Problem, Validate};
use utoipa::ToSchema;

use super::tokens::TokensOut;
use crate::metric_names::REFRESH_TOKENS_REUSED;
use crate::refresh_token::RefreshToken;
use crate::revocations::Term;
use crate::sessions::{self, Session, Worth};
use crate::{Auth, Shared, credentials};

/// Who wants to go on.
#[derive(Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub(super) struct RefreshIn {
    /// What the login or the last refresh gave out.
    #[schema(value_type = String, min_length = 1, max_length = 128)]
    refresh_token: SecretString,
}

impl Validate for RefreshIn {
    fn validate(&self, errors: &mut FieldErrors) {
        let characters = self.refresh_token.expose_secret().chars().count();
        errors.check((1..=128).contains(&characters), "refresh_token", "must have 1 to 128 characters");
    }
}

/// The same words for every reason.
fn refused() -> Problem {
    let detail = "the refresh token is unknown, was used before, or its session is over: log in again";
    Problem::new(StatusCode::UNAUTHORIZED, "invalid_refresh_token", detail)
}

/// Get the next tokens of a session
///
/// A refresh token works once; one that comes a second time ends its session. The roles are read anew.
#[utoipa::path(
    post,
    path = "/api/v1/token/refresh",
    operation_id = "refresh_token",
    tag = "auth",
    request_body = RefreshIn,
    responses(
        (status = 200, description = "The session's next tokens", body = TokensOut),
        (status = 401, description = "`invalid_refresh_token`", body = ProblemBody,
            content_type = "application/problem+json"),
        BodyProblems,
        Failures,
    )
)]
pub(super) async fn refresh(
    State(auth): State<Shared>,
    Json(refresh): Json<RefreshIn>,
) -> Result<Json<TokensOut>, Problem> {
    let brought = RefreshToken::parse(&refresh.refresh_token).ok_or_else(refused)?;
    let now = Utc::now();
    let tx = auth.db.begin().await?;
    let session = sessions::lock(&tx, &brought).await?.ok_or_else(refused)?;
    match session.worth(&brought, now) {
        Worth::Current => {}
        Worth::Over => return Err(refused()),
        Worth::Used => {
            auth.end_stolen(tx, &session, now).await?;
            return Err(refused());
        }
    }
    let next = brought.next();
    sessions::renew(&tx, session.session_id, &next, now).await?;
    let roles = credentials::roles(&tx, session.user_id).await?.ok_or_else(refused)?;
    tx.commit().await?;
    auth.tokens((session.user_id, session.session_id), &roles, &next, now).map(Json)
}

impl Auth {
    async fn end_stolen(
        &self,
        tx: sea_orm::DatabaseTransaction,
        session: &Session,
        now: Timestamp,
    ) -> Result<(), Problem> {
        let revoked = sessions::end(&tx, session.session_id, Term::new(&self.security, now)).await?;
        tx.commit().await?;
        self.announcer.announce(&[revoked]);
        metrics::counter!(REFRESH_TOKENS_REUSED).increment(1);
        let (session_id, user_id) = (session.session_id, session.user_id);
        tracing::warn!(%session_id, %user_id, "a refresh token came twice; its session is ended");
        Ok(())
    }
}
