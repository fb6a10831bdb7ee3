//! What the OpenAPI document says about errors: the problem's schema, and groups of responses that
//! handlers name in `responses(...)` so that the document is true without repeating itself.

use serde::Serialize;
use serde_json::{Map, Value};
use utoipa::{IntoParams, IntoResponses, ToSchema};

use super::validate::FieldError;

/// An RFC 9457 problem.
#[derive(Debug, Serialize, ToSchema)]
#[schema(as = Problem)]
pub struct ProblemBody {
    /// Identifies the kind of problem; ends in its code.
    #[serde(rename = "type")]
    pub problem_type: String,
    /// The kind of problem for people.
    pub title: String,
    /// The HTTP status.
    pub status: u16,
    /// What happened this time.
    pub detail: String,
    /// The path that was asked for.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schema(nullable = false)]
    pub instance: Option<String>,
    /// The stable code of this kind, in snake_case.
    pub code: String,
    /// The fields that are not acceptable.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub errors: Vec<FieldError>,
    /// The trace of the request: the same as in `X-Trace-Id`.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schema(nullable = false)]
    pub trace_id: Option<String>,
    /// What this kind of problem says besides.
    #[serde(flatten)]
    #[schema(additional_properties)]
    pub members: Map<String, Value>,
}

/// The header of requests that may be sent again.
#[derive(Debug, IntoParams)]
#[into_params(parameter_in = Header)]
pub struct IdempotencyKeyHeader {
    /// Of one's own choosing: 1 to 255 visible ASCII characters. The same request with the same key is
    /// answered the same again and changes nothing more.
    #[param(rename = "Idempotency-Key", min_length = 1, max_length = 255, pattern = "^[!-~]+$")]
    pub key: Option<String>,
}

/// 401, of everything that needs a token.
#[derive(IntoResponses)]
#[response(status = 401, description = "No valid access token", content_type = "application/problem+json")]
pub struct Unauthenticated(pub ProblemBody);

/// 403, of everything that needs a role.
#[derive(IntoResponses)]
#[response(
    status = 403,
    description = "The caller's role does not allow it",
    content_type = "application/problem+json"
)]
pub struct Forbidden(pub ProblemBody);

/// 404.
#[derive(IntoResponses)]
#[response(
    status = 404,
    description = "There is none, or it is another user's",
    content_type = "application/problem+json"
)]
pub struct NotFound(pub ProblemBody);

/// 422, of everything that takes parameters.
#[derive(IntoResponses)]
#[response(
    status = 422,
    description = "Some fields are not acceptable",
    content_type = "application/problem+json"
)]
pub struct Unprocessable(pub ProblemBody);

/// Of everything that takes a body.
#[derive(IntoResponses)]
pub enum BodyProblems {
    /// The body cannot be read.
    #[response(status = 400, description = "Malformed JSON", content_type = "application/problem+json")]
    Malformed(ProblemBody),
    /// It did not arrive in time.
    #[response(
        status = 408,
        description = "The body did not arrive in time",
        content_type = "application/problem+json"
    )]
    Timeout(ProblemBody),
    /// It is above the limit.
    #[response(
        status = 413,
        description = "The body is larger than 64 KiB",
        content_type = "application/problem+json"
    )]
    TooLarge(ProblemBody),
    /// It is not JSON.
    #[response(status = 415, description = "The body is not JSON", content_type = "application/problem+json")]
    UnsupportedMediaType(ProblemBody),
    /// Its fields are not acceptable.
    #[response(
        status = 422,
        description = "Some fields are not acceptable",
        content_type = "application/problem+json"
    )]
    Unprocessable(ProblemBody),
}

/// Of everything.
#[derive(IntoResponses)]
pub enum Failures {
    /// Our mistake.
    #[response(
        status = 500,
        description = "Something went wrong on our side",
        content_type = "application/problem+json"
    )]
    Internal(ProblemBody),
    /// Later, please.
    #[response(
        status = 503,
        description = "Not now: see Retry-After",
        content_type = "application/problem+json"
    )]
    Unavailable(ProblemBody),
}
