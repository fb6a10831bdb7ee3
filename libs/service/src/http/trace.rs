//! What is known of the request while it is handled: its place in a trace (W3C Trace Context) and its address.
//! A problem names both without any handler passing them on.

use std::future::Future;

use axum::http::{HeaderMap, Uri};
use trace::TraceContext;

tokio::task_local! {
    static ADDRESS: Uri;
}

/// The place in a trace that the caller names.
pub(crate) fn caller(headers: &HeaderMap) -> Option<TraceContext> {
    let said = headers.get("traceparent").and_then(|value| value.to_str().ok());
    said.and_then(TraceContext::parse)
}

/// Handles a request of this address under this context.
pub(crate) fn scope<F: Future>(
    context: TraceContext,
    address: Uri,
    handled: F,
) -> impl Future<Output = F::Output> {
    trace::as_request(context, ADDRESS.scope(address, handled))
}

/// The path of the request that this task handles.
pub(crate) fn path() -> Option<String> {
    ADDRESS.try_with(|address| address.path().to_owned()).ok()
}

/// Its trace id.
pub(crate) fn trace_id() -> Option<String> {
    trace::current().map(|context| context.trace_id())
}
