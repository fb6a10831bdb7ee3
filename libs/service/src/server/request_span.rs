//! The span of a request, where it is recorded: until it is answered, or nobody waits for the answer any more.

use axum::http::StatusCode;
use trace::{Kind, Span, TraceContext};

/// Asked by machines every few seconds: they tell nothing.
const PROBES: [&str; 3] = ["/livez", "/readyz", "/metrics"];

pub(super) struct RequestSpan(Option<Span>);

impl RequestSpan {
    /// Of a request with this context, under what its caller named.
    pub(super) fn begin(
        listener: &'static str,
        caller: Option<TraceContext>,
        context: TraceContext,
        method: &'static str,
        route: &str,
    ) -> Self {
        if !context.is_sampled() || !trace::is_on() || PROBES.contains(&route) {
            return Self(None);
        }
        let span = Span::of(context, caller, listener, Kind::Server, format!("{method} {route}"));
        Self(Some(span.with("http.request.method", method).with("http.route", route.to_owned())))
    }

    pub(super) fn answered(mut self, status: StatusCode) {
        let Some(span) = self.0.take() else { return };
        let span = span.with("http.response.status_code", i64::from(status.as_u16()));
        if status.is_server_error() { span.failed(status.as_str().to_owned()).end() } else { span.end() }
    }
}

/// What the request began goes on: its span must not be missing.
impl Drop for RequestSpan {
    fn drop(&mut self) {
        if let Some(span) = self.0.take() {
            span.failed("nobody waited for the answer").end();
        }
    }
}
