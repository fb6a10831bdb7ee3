//! The names of the house's own metrics: each is one constant, and dashboards are tested against them.

use metrics::{Unit, describe_counter, describe_gauge, describe_histogram};

/// Seconds from a request's head to its response's head, by `route`, `method`, `status` and
/// `listener`; its `_count` is the number of requests.
pub const HTTP_REQUEST_SECONDS: &str = "rondo_http_request_duration_seconds";
/// Connections that are open, by `listener`.
pub const HTTP_CONNECTIONS: &str = "rondo_http_connections_open";
/// Handlers that panicked; each was answered 500.
pub const HTTP_PANICS: &str = "rondo_http_panics_total";
/// Fetches of auth's keys, by `result`.
pub const JWKS_FETCHES: &str = "rondo_jwks_fetches_total";
/// Revoked sessions and changed roles that this process refuses tokens for.
pub const REVOCATIONS_KNOWN: &str = "rondo_revocations_known";

/// Requests that a gateway could not have answered, by `service` and `kind` (`away`, `broken`,
/// `timeout`).
pub const GATEWAY_FAILURES: &str = "rondo_gateway_failures_total";

/// Tells the recorder what the names mean.
pub(crate) fn describe() {
    describe_histogram!(
        HTTP_REQUEST_SECONDS,
        Unit::Seconds,
        "Time from a request's head to its response's head"
    );
    describe_gauge!(HTTP_CONNECTIONS, Unit::Count, "Open connections");
    describe_counter!(HTTP_PANICS, Unit::Count, "Handlers that panicked");
    describe_counter!(JWKS_FETCHES, Unit::Count, "Fetches of auth's keys");
    describe_counter!(
        GATEWAY_FAILURES,
        Unit::Count,
        "Requests that a service behind the gateway did not answer"
    );
    describe_gauge!(REVOCATIONS_KNOWN, Unit::Count, "Revocations that this process knows");
}
