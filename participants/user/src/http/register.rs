//! `POST /api/v1/register`: a pending row, the credentials at auth, the active user with its event.

use axum::extract::State;
use axum::http::StatusCode;
use chrono::Utc;
use contracts::Email;
use contracts::user::{Locale, UserRegistered};
use messaging::outbox;
use sea_orm::TransactionTrait;
use secrecy::{ExposeSecret, SecretString};
use serde::{Deserialize, Serialize};
use service::http::documentation::{BodyProblems, Failures, ProblemBody};
use service::http::{FieldErrors, Json, Problem, Validate};
use utoipa::ToSchema;
use uuid::Uuid;

use crate::auth_client::email_taken;
use crate::users::{self, Attempt, User};
use crate::{NAME, Shared, Users};

/// Who registers.
#[derive(Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub(super) struct RegisterIn {
    /// Where letters go; also the name to log in with.
    #[schema(value_type = String, format = "email", max_length = 254, example = "ann@example.com")]
    email: Email,
    /// 8 to 128 characters.
    #[schema(value_type = String, format = Password, min_length = 8, max_length = 128)]
    password: SecretString,
    /// How to address the user.
    #[schema(
        min_length = 1,
        max_length = 100,
        pattern = "^[^\\u0000-\\u0008\\u000b\\u000c\\u000e-\\u001f\\u007f-\\u009f]*$"
    )]
    name: Option<String>,
}

impl Validate for RegisterIn {
    fn validate(&self, errors: &mut FieldErrors) {
        let characters = self.password.expose_secret().chars().count();
        errors.check((8..=128).contains(&characters), "password", "must have 8 to 128 characters");
        errors.optional_line("name", self.name.as_deref(), 1..=100);
    }
}

/// A new user.
#[derive(Serialize, ToSchema)]
pub(super) struct RegisterOut {
    /// The user's id.
    user_id: Uuid,
    /// The e-mail, in lower case.
    email: String,
    /// How to address the user.
    #[schema(required)]
    name: Option<String>,
}

/// Register
#[utoipa::path(
    post,
    path = "/api/v1/register",
    operation_id = "register",
    tag = "user",
    request_body = RegisterIn,
    responses(
        (status = 201, description = "The user can log in", body = RegisterOut),
        (status = 409, description = "`email_taken`", body = ProblemBody,
            content_type = "application/problem+json"),
        BodyProblems,
        Failures,
    )
)]
pub(super) async fn register(
    State(users): State<Shared>,
    Json(register): Json<RegisterIn>,
) -> Result<(StatusCode, Json<RegisterOut>), Problem> {
    let RegisterIn { email, password, name } = register;
    let begun = users::begin(&users.db, &email, name.as_deref(), Utc::now()).await?;
    let attempt = begun.ok_or_else(email_taken)?;
    users.auth.register(attempt.user_id, attempt.attempt, &email, &password).await?;
    let User { user_id, email, name, .. } = users.finish(&attempt).await?;
    Ok((StatusCode::CREATED, Json(RegisterOut { user_id, email, name })))
}

impl Users {
    /// The profile and what is told of it, in one transaction.
    async fn finish(&self, attempt: &Attempt) -> Result<User, Problem> {
        let (now, transaction) = (Utc::now(), self.db.begin().await?);
        let activated = users::activate(&transaction, attempt, now).await?;
        // A later try with the same e-mail is under way; it has the last word, also on the password.
        let user = activated.ok_or_else(email_taken)?;
        let event = UserRegistered {
            user_id: user.user_id,
            email: user.email.clone(),
            name: user.name.clone(),
            locale: Locale::default(),
        };
        let stored = outbox::store(&transaction, NAME, &[event.into()], now).await?;
        transaction.commit().await?;
        if let Some(stored) = stored {
            self.publisher.events(stored).await;
        }
        Ok(user)
    }
}
