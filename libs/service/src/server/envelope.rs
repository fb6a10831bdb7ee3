//! What happens around every handler, in one layer: the trace, the guard of the internal listener, the
//! limit of the body, panics, metrics, and the headers of every response.

use std::panic::AssertUnwindSafe;
use std::sync::Arc;
use std::time::Instant;

use axum::extract::{MatchedPath, Request, State};
use axum::http::header::{CACHE_CONTROL, CONNECTION, X_CONTENT_TYPE_OPTIONS};
use axum::http::{HeaderMap, HeaderName, HeaderValue, Method, Uri};
use axum::middleware::Next;
use axum::response::{IntoResponse, Response};
use futures::FutureExt;

use super::Owners;
use super::request_span::RequestSpan;
use crate::http::{
    BODY_BYTES_MAX, DISCARD_BYTES_MAX, InternalCaller, Problem, TraceContext, bearer_token, declared_length,
    discard, trace as request_trace,
};
use crate::metric_names::{HTTP_PANICS, HTTP_REQUEST_SECONDS};
use crate::token::TokenVerifier;

const TRACE_ID: HeaderName = HeaderName::from_static("x-trace-id");

/// What the layer knows of its listener.
pub(super) struct Listener {
    /// In metrics.
    pub(super) name: &'static str,
    /// In metrics, too.
    pub(super) owners: Owners,
    /// None where nobody has to be known: in a gateway.
    pub(super) tokens: Option<TokenVerifier>,
    /// Whether only operators and services are let in, except to the paths in `open`.
    pub(super) guarded: bool,
    pub(super) open: &'static [&'static str],
}

/// The layer.
pub(super) async fn envelope(
    State(listener): State<Arc<Listener>>,
    request: Request,
    next: Next,
) -> Response {
    let started = Instant::now();
    let method = method_label(request.method());
    let route = request.extensions().get::<MatchedPath>().cloned();
    let route = route.as_ref().map_or("none", MatchedPath::as_str);
    let caller = request_trace::caller(request.headers());
    let context = caller.map_or_else(TraceContext::begin, TraceContext::child);
    let span = RequestSpan::begin(listener.name, caller, context, method, route);

    let address = request.uri().clone();
    let mut response = request_trace::scope(context, address, listener.answer(request, next)).await;

    let status = response.status();
    span.answered(status);
    let trace_id = context.trace_id();
    tracing::debug!(target: "requests", listener = listener.name, method, route, status = status.as_u16(), trace_id, "answered");
    let headers = response.headers_mut();
    if let Ok(value) = HeaderValue::try_from(trace_id) {
        headers.insert(TRACE_ID, value);
    }
    headers.insert(X_CONTENT_TYPE_OPTIONS, HeaderValue::from_static("nosniff"));
    headers.entry(CACHE_CONTROL).or_insert(HeaderValue::from_static("no-store"));
    metrics::histogram!(
        HTTP_REQUEST_SECONDS,
        "listener" => listener.name,
        "service" => listener.owner(route),
        "method" => method,
        "route" => route.to_owned(),
        "status" => status.as_str().to_owned(),
    )
    .record(started.elapsed());
    response
}

impl Listener {
    fn owner(&self, route: &str) -> &'static str {
        self.owners.get(route).copied().unwrap_or("house")
    }

    async fn answer(&self, mut request: Request, next: Next) -> Response {
        if let Err(problem) = self.admit(request.uri(), request.headers()).await {
            return problem.into_response();
        }
        if let Some(length) =
            declared_length(request.headers()).filter(|length| *length > BODY_BYTES_MAX as u64)
        {
            return refuse_length(length, request).await;
        }
        if let Some(tokens) = &self.tokens {
            request.extensions_mut().insert(tokens.clone());
        }
        AssertUnwindSafe(next.run(request)).catch_unwind().await.unwrap_or_else(|panic| after_panic(&*panic))
    }

    /// Before routing: who may not be here does not learn what there is.
    async fn admit(&self, uri: &Uri, headers: &HeaderMap) -> Result<(), Problem> {
        if self.guarded && !self.open.contains(&uri.path()) {
            let token = bearer_token(headers)?;
            let tokens = self.tokens.as_ref();
            let tokens = tokens.ok_or_else(|| Problem::internal("a guard that knows no tokens"))?;
            InternalCaller::of(&*tokens.verify(token).await?)?;
        }
        Ok(())
    }
}

/// A body that is too large even to be read off ends the connection.
async fn refuse_length(length: u64, request: Request) -> Response {
    let too_long = length > DISCARD_BYTES_MAX as u64;
    let body = if too_long { axum::body::Body::empty() } else { request.into_body() };
    let mut response = discard(body).await.into_response();
    if too_long {
        response.headers_mut().insert(CONNECTION, HeaderValue::from_static("close"));
    }
    response
}

fn after_panic(panic: &(dyn std::any::Any + Send)) -> Response {
    metrics::counter!(HTTP_PANICS).increment(1);
    let message = panic.downcast_ref::<&str>().copied();
    let message = message.or_else(|| panic.downcast_ref::<String>().map(String::as_str));
    Problem::internal(&format!("a handler panicked: {}", message.unwrap_or("no message"))).into_response()
}

/// Anybody can invent methods; a metric has a bounded number of labels.
fn method_label(method: &Method) -> &'static str {
    match method.as_str() {
        "GET" => "GET",
        "POST" => "POST",
        "PUT" => "PUT",
        "DELETE" => "DELETE",
        "PATCH" => "PATCH",
        "HEAD" => "HEAD",
        "OPTIONS" => "OPTIONS",
        _ => "other",
    }
}
