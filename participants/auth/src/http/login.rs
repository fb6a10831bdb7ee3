//! `POST /api/v1/login`: e-mail and password against a session's tokens.

use axum::extract::State;
use axum::http::StatusCode;
use chrono::{TimeDelta, Utc};
use contracts::Email;
use secrecy::{ExposeSecret, SecretString};
use serde::{Deserialize, Serialize};
use service::http::documentation::{BodyProblems, Failures, ProblemBody};
use service::http::{FieldErrors, Json, Problem, Validate};
use service::token::Claims;
use utoipa::ToSchema;

use crate::credentials::{self, Credentials};
use crate::sessions::{self, NewSession};
use crate::{Auth, Shared};

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

/// The tokens of a session.
#[derive(Serialize, ToSchema)]
pub(super) struct LoginOut {
    /// Says who asks, in every request: `Authorization: Bearer <access_token>`.
    access_token: String,
    /// Always `Bearer`.
    token_type: &'static str,
    /// How long the access token is valid, in seconds.
    expires_in: u32,
    /// Gets the next access token; works once.
    refresh_token: String,
}

/// Log in
#[utoipa::path(
    post,
    path = "/api/v1/login",
    operation_id = "login",
    tag = "auth",
    request_body = LoginIn,
    responses(
        (status = 200, description = "A session", body = LoginOut),
        (status = 401, description = "`invalid_credentials`", body = ProblemBody,
            content_type = "application/problem+json"),
        BodyProblems,
        Failures,
    )
)]
pub(super) async fn login(
    State(auth): State<Shared>,
    Json(login): Json<LoginIn>,
) -> Result<Json<LoginOut>, Problem> {
    // What is no e-mail is nobody's: it takes as long as a wrong password.
    let found = match Email::parse(&login.email) {
        Ok(email) => credentials::find(&auth.db, &email).await?,
        Err(_) => None,
    };
    let stored = found.as_ref().map(|credentials| credentials.password_hash.clone());
    let right = auth.passwords.verify(login.password, stored).await?;
    match found.filter(|_| right) {
        Some(credentials) => auth.begin_session(credentials).await.map(Json),
        None => {
            Err(Problem::new(StatusCode::UNAUTHORIZED, "invalid_credentials", "wrong e-mail or password"))
        }
    }
}

impl Auth {
    async fn begin_session(&self, credentials: Credentials) -> Result<LoginOut, Problem> {
        let (session, now) = (NewSession::new(), Utc::now());
        let expires_at = now + TimeDelta::days(self.security.session_days.into());
        sessions::store(&self.db, credentials.user_id, &session, now, expires_at).await?;
        let expires_in = self.security.access_token_seconds;
        let roles = credentials.roles.iter().collect();
        let claims =
            Claims::of_user(credentials.user_id, session.session_id, roles, now.timestamp(), expires_in);
        let access_token = self.signing_key.sign(&claims).map_err(|error| Problem::internal(&error))?;
        let refresh_token = session.refresh_token.expose_secret().to_owned();
        Ok(LoginOut { access_token, token_type: "Bearer", expires_in, refresh_token })
    }
}
