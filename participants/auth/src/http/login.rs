//! `POST /api/v1/login`: e-mail and password against a session's tokens.

use axum::extract::State;
use axum::http::StatusCode;
use chrono::{TimeDelta, Utc};
use contracts::Email;
use secrecy::{ExposeSecret, SecretString};
use serde::Deserialize;
use service::http::documentation::{BodyProblems, Failures, ProblemBody};
use service::http::{ClientAddress, FieldErrors, Json, Problem, Validate};
use utoipa::ToSchema;
use uuid::Uuid;

use super::tokens::TokensOut;
use crate::credentials::{self, Credentials};
use crate::metric_names::LOGINS_THROTTLED;
use crate::refresh_token::RefreshToken;
use crate::sessions::{self, NewSession};
use crate::throttle::Attempt;
use crate::{Auth, Shared, login_failures};

/// Who logs in.
#[derive(Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub(super) struct LoginIn {
    /// The e-mail of the registration.
    #[schema(
        min_length = 1,
        max_length = 254,
        pattern = "^[^\\u0000-\\u0008\\u000b\\u000c\\u000e-\\u001f\\u007f-\\u009f]*$",
        example = "ann@example.com"
    )]
    email: String,
    /// The password.
    #[schema(value_type = String, format = Password, min_length = 1, max_length = 128)]
    password: SecretString,
}

impl Validate for LoginIn {
    fn validate(&self, errors: &mut FieldErrors) {
        errors.text("email", &self.email, 1..=254);
        let characters = self.password.expose_secret().chars().count();
        errors.check((1..=128).contains(&characters), "password", "must have 1 to 128 characters");
    }
}

/// Log in
#[utoipa::path(
    post,
    path = "/api/v1/login",
    operation_id = "login",
    tag = "auth",
    request_body = LoginIn,
    responses(
        (status = 200, description = "A session", body = TokensOut),
        (status = 401, description = "`invalid_credentials`", body = ProblemBody,
            content_type = "application/problem+json"),
        (status = 429, description = "`too_many_failures`: see Retry-After", body = ProblemBody,
            content_type = "application/problem+json"),
        BodyProblems,
        Failures,
    )
)]
pub(super) async fn login(
    address: ClientAddress,
    State(auth): State<Shared>,
    Json(login): Json<LoginIn>,
) -> Result<Json<TokensOut>, Problem> {
    let attempt = Attempt::new(address.0, &login.email);
    let credentials = auth.checked(&attempt, login).await?.ok_or_else(invalid_credentials)?;
    // The password was set anew while it was checked: then it was the wrong one.
    auth.begin_session(&credentials).await?.ok_or_else(invalid_credentials).map(Json)
}

fn invalid_credentials() -> Problem {
    Problem::new(StatusCode::UNAUTHORIZED, "invalid_credentials", "wrong e-mail or password")
}

/// Nothing is said of the account, for nothing was looked at.
fn throttled(wait_seconds: u32) -> Problem {
    metrics::counter!(LOGINS_THROTTLED).increment(1);
    let detail = "too many logins have failed from this address";
    Problem::new(StatusCode::TOO_MANY_REQUESTS, "too_many_failures", detail).retry_after(wait_seconds)
}

impl Auth {
    /// Whose password it is; nothing if it is wrong. Looking, checking and noting the failure are one turn:
    /// as many as have a turn can slip past the throttle at once, and no more.
    async fn checked(&self, attempt: &Attempt, login: LoginIn) -> Result<Option<Credentials>, Problem> {
        let turn = self.passwords.turn().await?;
        let now = Utc::now();
        let failures = login_failures::look(&self.db, attempt, now).await?;
        if let Some(seconds) = failures.wait_seconds(now) {
            return Err(throttled(seconds));
        }
        // What is no e-mail is nobody's: it takes as long as a wrong password.
        let found = match Email::parse(&login.email) {
            Ok(email) => credentials::find(&self.db, &email).await?,
            Err(_) => None,
        };
        let stored = found.as_ref().map(|credentials| credentials.password_hash.clone());
        let (right, _turn) = self.passwords.verify(turn, login.password, stored).await?;
        if right {
            return Ok(found);
        }
        let before = login_failures::note(&self.db, attempt, now).await?;
        before.wait_seconds(now).map_or(Ok(None), |seconds| Err(throttled(seconds)))
    }

    async fn begin_session(&self, credentials: &Credentials) -> Result<Option<TokensOut>, Problem> {
        let (session_id, token, begins_at) = (Uuid::now_v7(), RefreshToken::first(), Utc::now());
        let expires_at = begins_at + TimeDelta::days(self.security.session_days.into());
        let session = NewSession { session_id, token, begins_at, expires_at };
        let roles = sessions::begin(&self.db, credentials, &session).await?;
        let tokens = |roles: Vec<String>| {
            self.tokens((credentials.user_id, session_id), &roles, &session.token, begins_at)
        };
        roles.map(tokens).transpose()
    }
}
