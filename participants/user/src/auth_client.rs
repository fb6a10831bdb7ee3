//! Brings credentials to auth: the only call from one service to another.

use std::time::Duration;

use contracts::Email;
use reqwest::StatusCode;
use secrecy::{ExposeSecret, SecretString};
use serde::Deserialize;
use serde_json::json;
use service::http::{CONNECTION_UNUSED_MAX, Problem};
use uuid::Uuid;

/// How long auth may take; it may have a queue of passwords to hash.
const TIMEOUT: Duration = Duration::from_secs(10);

/// Speaks to auth's internal listener as this service.
#[derive(Debug)]
pub(crate) struct AuthClient {
    client: reqwest::Client,
    register_url: String,
    token: SecretString,
}

/// Auth did not store the credentials.
#[derive(Debug, thiserror::Error)]
pub(crate) enum AuthError {
    /// Another user has the e-mail, or a later try of this one.
    #[error("this e-mail is taken")]
    EmailTaken,
    /// Auth is away or busy: whether the credentials are stored is unknown; asking again is safe.
    #[error("auth is not available: {0}")]
    Unavailable(String),
    /// Auth and this service do not understand each other.
    #[error("auth refuses: {0}")]
    Refused(String),
}

impl From<AuthError> for Problem {
    fn from(error: AuthError) -> Self {
        match error {
            AuthError::EmailTaken => email_taken(),
            AuthError::Unavailable(reason) => {
                tracing::warn!(reason, "a registration waits for auth");
                Self::unavailable("registration_unavailable", "registration is not possible now", 2)
            }
            AuthError::Refused(_) => Self::internal(&error),
        }
    }
}

/// 409 `email_taken`.
pub(crate) fn email_taken() -> Problem {
    Problem::conflict("email_taken", "somebody has registered with this e-mail")
}

#[derive(Deserialize)]
struct Refusal {
    #[serde(default)]
    code: String,
}

impl AuthClient {
    pub(crate) fn new(auth_internal_url: &str, token: SecretString) -> Result<Self, reqwest::Error> {
        let client = reqwest::Client::builder().timeout(TIMEOUT).no_proxy();
        let client = client.pool_idle_timeout(CONNECTION_UNUSED_MAX).build()?;
        let register_url = format!("{auth_internal_url}/internal/api/v1/register");
        Ok(Self { client, register_url, token })
    }

    /// Stores the credentials of a user's try to register; of two tries the later wins.
    pub(crate) async fn register(
        &self,
        user_id: Uuid,
        attempt: i32,
        email: &Email,
        password: &SecretString,
    ) -> Result<(), AuthError> {
        let password = password.expose_secret();
        let body = json!({ "user_id": user_id, "attempt": attempt, "email": email, "password": password });
        let request =
            self.client.post(&self.register_url).bearer_auth(self.token.expose_secret()).json(&body);
        let traced = request.header("traceparent", service::http::TraceContext::current().to_string());
        let response = traced.send().await.map_err(|error| AuthError::Unavailable(error.to_string()))?;
        let status = response.status();
        if status == StatusCode::CREATED {
            return Ok(());
        }
        let code = response.json::<Refusal>().await.map(|refusal| refusal.code).unwrap_or_default();
        Err(match (status, code.as_str()) {
            (StatusCode::CONFLICT, "email_taken" | "superseded") => AuthError::EmailTaken,
            _ if status.is_server_error() => AuthError::Unavailable(format!("{status} {code}")),
            _ => AuthError::Refused(format!("{status} {code}")),
        })
    }
}
