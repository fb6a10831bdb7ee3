//! What belongs together across services: the W3C trace context that every request begins or goes on with and
//! that sagas and messages carry, what is being handled just now, and the spans that tell of it.
//!
//! Contexts are always there: an answer's `X-Trace-Id`, a saga and a log line name the same trace. Spans leave
//! only where [`start`] was called; elsewhere nothing is made for them ([`is_on`]).
//!
//! What goes wrong on the way is said [`seldom`], as is whatever else may happen thousands of times a second.
//!
//! A span is made of its context when it is over, at the few places where something begins and ends: a request,
//! an input of a batch, the batch, a message that was sent.

mod context;
mod counted;
mod current;
mod export;
pub mod seldom;
mod span;

pub use context::TraceContext;
pub use counted::{SpanCounts, span_counts};
pub use current::{About, Handled, as_request, current, handle, handled};
pub use export::{Export, StartError, is_on, start, stop};
pub use span::{Kind, Span};
