//! Errors as RFC 9457 problems: the one place where errors become HTTP.

use std::borrow::Cow;

use axum::http::header::{CONTENT_TYPE, RETRY_AFTER, WWW_AUTHENTICATE};
use axum::http::{HeaderValue, StatusCode};
use axum::response::{IntoResponse, Response};
use messaging::{CallError, FailureKind};
use sea_orm::DbErr;
use serde::Serialize;
use serde_json::{Map, Value};

use super::documentation::ProblemBody;
use super::trace;
use super::validate::{FieldError, FieldErrors};

/// The media type of every error.
pub const PROBLEM_JSON: &str = "application/problem+json";

/// An error as the client sees it. The code is stable and in snake_case; the rest is for people.
#[derive(Debug, Clone)]
pub struct Problem(Box<Parts>);

#[derive(Debug, Clone)]
struct Parts {
    status: StatusCode,
    code: Cow<'static, str>,
    detail: Cow<'static, str>,
    errors: Vec<FieldError>,
    members: Map<String, Value>,
    retry_after_seconds: Option<u32>,
    challenge: Option<&'static str>,
}

impl Problem {
    /// A problem with a stable snake_case `code`.
    pub fn new(
        status: StatusCode,
        code: impl Into<Cow<'static, str>>,
        detail: impl Into<Cow<'static, str>>,
    ) -> Self {
        Self(Box::new(Parts {
            status,
            code: code.into(),
            detail: detail.into(),
            errors: Vec::new(),
            members: Map::new(),
            retry_after_seconds: None,
            challenge: None,
        }))
    }

    /// 400 `malformed_request`: it cannot be read at all.
    pub fn malformed(detail: impl Into<Cow<'static, str>>) -> Self {
        Self::new(StatusCode::BAD_REQUEST, "malformed_request", detail)
    }

    /// 401 `unauthenticated`, for a missing or unusable token.
    pub fn unauthenticated(detail: impl Into<Cow<'static, str>>) -> Self {
        let mut problem = Self::new(StatusCode::UNAUTHORIZED, "unauthenticated", detail);
        problem.0.challenge = Some("Bearer");
        problem
    }

    /// 401 `unauthenticated` for a token that was shown but is not valid (RFC 6750).
    pub fn invalid_token(detail: impl Into<Cow<'static, str>>) -> Self {
        let mut problem = Self::unauthenticated(detail);
        problem.0.challenge = Some("Bearer error=\"invalid_token\"");
        problem
    }

    /// 402 with a stable code.
    pub fn payment_required(
        code: impl Into<Cow<'static, str>>,
        detail: impl Into<Cow<'static, str>>,
    ) -> Self {
        Self::new(StatusCode::PAYMENT_REQUIRED, code, detail)
    }

    /// 403 `forbidden`: the caller's role does not allow it.
    pub fn forbidden(detail: impl Into<Cow<'static, str>>) -> Self {
        Self::new(StatusCode::FORBIDDEN, "forbidden", detail)
    }

    /// 404 `not_found`: there is none, or it is another user's.
    pub fn not_found() -> Self {
        Self::new(StatusCode::NOT_FOUND, "not_found", "there is nothing at this address")
    }

    /// 405 `method_not_allowed`.
    pub fn method_not_allowed() -> Self {
        Self::new(
            StatusCode::METHOD_NOT_ALLOWED,
            "method_not_allowed",
            "this resource does not know the method",
        )
    }

    /// 409 with a stable code.
    pub fn conflict(code: impl Into<Cow<'static, str>>, detail: impl Into<Cow<'static, str>>) -> Self {
        Self::new(StatusCode::CONFLICT, code, detail)
    }

    /// 422 with a stable code.
    pub fn unprocessable(code: impl Into<Cow<'static, str>>, detail: impl Into<Cow<'static, str>>) -> Self {
        Self::new(StatusCode::UNPROCESSABLE_ENTITY, code, detail)
    }

    /// 422 `validation_failed`, naming the fields.
    pub fn invalid(errors: FieldErrors) -> Self {
        let mut problem = Self::unprocessable("validation_failed", "some fields are not acceptable");
        problem.0.errors = errors.into_vec();
        problem
    }

    /// 422 `validation_failed` for one field.
    pub fn invalid_field(field: impl Into<String>, message: impl Into<Cow<'static, str>>) -> Self {
        let mut errors = FieldErrors::default();
        errors.add(field, message);
        Self::invalid(errors)
    }

    /// 422 `idempotency_key_reused`: the key came with another body before.
    pub fn idempotency_key_reused() -> Self {
        Self::unprocessable("idempotency_key_reused", "this Idempotency-Key was used with another body")
    }

    /// 503 with `Retry-After`.
    pub fn unavailable(
        code: impl Into<Cow<'static, str>>,
        detail: impl Into<Cow<'static, str>>,
        retry_after_seconds: u32,
    ) -> Self {
        Self::new(StatusCode::SERVICE_UNAVAILABLE, code, detail).retry_after(retry_after_seconds)
    }

    /// 500 `internal`. The error is logged here, once, and not shown.
    pub fn internal(error: &(impl std::fmt::Display + ?Sized)) -> Self {
        tracing::error!(%error, "a request failed");
        Self::new(StatusCode::INTERNAL_SERVER_ERROR, "internal", "something went wrong on our side")
    }

    /// Adds an extension member.
    #[must_use]
    pub fn with(mut self, name: &'static str, value: impl Serialize) -> Self {
        // A value that has no JSON form (a map with keys that are not strings) is left out.
        if let Ok(value) = serde_json::to_value(value) {
            self.0.members.insert(name.to_owned(), value);
        }
        self
    }

    /// Adds `Retry-After`, in seconds.
    #[must_use]
    pub fn retry_after(mut self, seconds: u32) -> Self {
        self.0.retry_after_seconds = Some(seconds);
        self
    }

    /// The HTTP status.
    pub fn status(&self) -> StatusCode {
        self.0.status
    }

    /// The stable code.
    pub fn code(&self) -> &str {
        &self.0.code
    }
}

/// `out_of_stock` is titled "Out of stock": a title belongs to its code.
fn title(code: &str) -> String {
    let mut title = code.replace('_', " ");
    if let Some(first) = title.get_mut(..1) {
        first.make_ascii_uppercase();
    }
    title
}

impl IntoResponse for Problem {
    fn into_response(self) -> Response {
        let Parts { status, code, detail, errors, members, retry_after_seconds, challenge } = *self.0;
        let body = ProblemBody {
            problem_type: format!("urn:rondo:problem:{code}"),
            title: title(&code),
            status: status.as_u16(),
            detail: detail.into_owned(),
            instance: trace::path(),
            code: code.into_owned(),
            errors,
            trace_id: trace::trace_id(),
            members,
        };
        // Every part is a string, a number or a JSON value already: it has a JSON form.
        let mut response = (status, serde_json::to_vec(&body).unwrap_or_default()).into_response();
        let headers = response.headers_mut();
        headers.insert(CONTENT_TYPE, HeaderValue::from_static(PROBLEM_JSON));
        if let Some(seconds) = retry_after_seconds {
            headers.insert(RETRY_AFTER, HeaderValue::from(seconds));
        }
        if let Some(challenge) = challenge {
            headers.insert(WWW_AUTHENTICATE, HeaderValue::from_static(challenge));
        }
        response
    }
}

/// A database that is away or overloaded is 503, anything else is our mistake: 500. Logged once.
impl From<DbErr> for Problem {
    fn from(error: DbErr) -> Self {
        if !matches!(FailureKind::from(&error), FailureKind::Transient | FailureKind::LockTimeout) {
            return Self::internal(&error);
        }
        tracing::warn!(%error, "the database cannot answer now");
        Self::unavailable("database_unavailable", "the database cannot answer now", 1)
    }
}

/// What a loop says when it has no answer.
impl From<CallError> for Problem {
    fn from(error: CallError) -> Self {
        match error {
            CallError::Busy => Self::unavailable("too_busy", error.to_string(), 1),
            CallError::Unavailable => Self::unavailable("database_unavailable", error.to_string(), 1),
            CallError::Stopping => Self::unavailable("stopping", error.to_string(), 1),
            CallError::Failed => Self::internal(&error),
        }
    }
}

#[cfg(test)]
mod tests {
    use axum::body::to_bytes;

    use super::*;

    async fn body(problem: Problem) -> Value {
        let bytes = to_bytes(problem.into_response().into_body(), 10_000).await.unwrap();
        serde_json::from_slice(&bytes).unwrap()
    }

    #[tokio::test]
    async fn a_problem_has_its_code_title_and_extension_members() {
        let problem =
            Problem::payment_required("insufficient_funds", "not enough money").with("available", 5);
        let body = body(problem).await;
        assert_eq!(body["type"], "urn:rondo:problem:insufficient_funds");
        assert_eq!(body["title"], "Insufficient funds");
        assert_eq!(body["status"], 402);
        assert_eq!(body["code"], "insufficient_funds");
        assert_eq!(body["available"], 5);
        assert!(body.get("errors").is_none());
    }

    #[tokio::test]
    async fn a_database_error_is_not_shown() {
        let error = DbErr::Custom("relation \"secret_table\" does not exist".to_owned());
        let problem = Problem::from(error);
        assert_eq!(problem.status(), 500);
        assert!(!body(problem).await.to_string().contains("secret_table"));
    }

    #[test]
    fn a_database_that_is_away_is_503_with_retry_after() {
        let error = DbErr::ConnectionAcquire(sea_orm::error::ConnAcquireErr::Timeout);
        let response = Problem::from(error).into_response();
        assert_eq!(response.status(), 503);
        assert_eq!(response.headers()[RETRY_AFTER], "1");
    }
}
