//! `POST /internal/api/v1/register`: the user service brings a new user's credentials.

use axum::extract::State;
use axum::http::StatusCode;
use chrono::Utc;
use contracts::Email;
use sea_orm::{DbErr, TransactionTrait};
use secrecy::SecretString;
use serde::{Deserialize, Serialize};
use service::http::documentation::{BodyProblems, Failures, Forbidden, ProblemBody, Unauthenticated};
use service::http::{FieldErrors, InternalCaller, Json, Problem, Validate};
use utoipa::ToSchema;
use uuid::Uuid;

use crate::credentials::{self, Registration, Stored};
use crate::revocations::Term;
use crate::{Auth, Shared, sessions};

/// The service that registers users.
const REGISTRAR: &str = "user";

/// A user's credentials.
#[derive(Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub(super) struct RegisterIn {
    /// Chosen by the user service; the same id is the same user.
    user_id: Uuid,
    /// Not yet another user's.
    #[schema(value_type = String, format = "email", max_length = 254)]
    email: Email,
    /// The password; its length is checked where the user typed it.
    #[schema(value_type = String, format = Password)]
    password: SecretString,
    /// Counts the tries of one user; of two tries the later wins. Default 1.
    #[serde(default = "first")]
    #[schema(minimum = 1)]
    attempt: i32,
}

const fn first() -> i32 {
    1
}

impl Validate for RegisterIn {
    fn validate(&self, errors: &mut FieldErrors) {
        errors.number("attempt", self.attempt.into(), 1..=i64::from(i32::MAX));
    }
}

/// Whose credentials are stored.
#[derive(Serialize, ToSchema)]
pub(super) struct RegisterOut {
    /// The user.
    user_id: Uuid,
}

/// Store a new user's credentials; repeated, the password is set again and every session ends
#[utoipa::path(
    post,
    path = "/internal/api/v1/register",
    operation_id = "register_credentials",
    tag = "auth",
    security(("bearer" = [])),
    request_body = RegisterIn,
    responses(
        (status = 201, description = "Stored", body = RegisterOut),
        (status = 409, description = "`email_taken`, or `superseded` by a later try", body = ProblemBody,
            content_type = "application/problem+json"),
        Unauthenticated,
        Forbidden,
        BodyProblems,
        Failures,
    )
)]
pub(super) async fn register(
    caller: InternalCaller,
    State(auth): State<Shared>,
    Json(register): Json<RegisterIn>,
) -> Result<(StatusCode, Json<RegisterOut>), Problem> {
    // Whoever may come here may set anybody's password: that is no operator's right.
    if caller != InternalCaller::Service(REGISTRAR.to_owned()) {
        return Err(Problem::forbidden("only the user service brings credentials"));
    }
    let RegisterIn { user_id, email, password, attempt } = register;
    let password_hash = auth.passwords.hash(password).await?;
    let registration = Registration { user_id, email, password_hash, attempt };
    match auth.store(registration).await? {
        Stored::Yes => Ok((StatusCode::CREATED, Json(RegisterOut { user_id }))),
        Stored::EmailTaken => Err(Problem::conflict("email_taken", "another user has this e-mail")),
        Stored::Superseded => Err(Problem::conflict("superseded", "a later try of this user came first")),
    }
}

impl Auth {
    /// Whoever logged in with a password of before is logged out.
    async fn store(&self, registration: Registration) -> Result<Stored, DbErr> {
        let (now, user_id) = (Utc::now(), registration.user_id);
        let tx = self.db.begin().await?;
        let stored = credentials::store(&tx, registration, now).await?;
        if stored == Stored::Yes {
            let revoked = sessions::end_all(&tx, user_id, Term::new(&self.security, now)).await?;
            tx.commit().await?;
            self.announcer.announce(&revoked);
        }
        Ok(stored)
    }
}
