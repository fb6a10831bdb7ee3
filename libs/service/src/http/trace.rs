//! The trace a request belongs to (W3C Trace Context), and what is known of the request while it is
//! handled: a problem names both without any handler passing them on.

use std::fmt;

use axum::http::{HeaderMap, Uri};

/// The trace of a request: taken from the caller's `traceparent`, else new.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Trace {
    trace_id: u128,
    span_id: u64,
    flags: u8,
}

/// What problems and logs say about the request being handled.
#[derive(Debug, Clone)]
pub(crate) struct RequestContext {
    pub(crate) trace: Trace,
    pub(crate) uri: Uri,
}

tokio::task_local! {
    pub(crate) static REQUEST: RequestContext;
}

impl Trace {
    /// A trace that begins here.
    pub fn new() -> Self {
        // Zero is not allowed in either; it is as likely as guessing a key.
        Self { trace_id: rand::random(), span_id: rand::random(), flags: 1 }
    }

    /// The trace of the request that this task handles; a new one outside of requests.
    pub fn current() -> Self {
        REQUEST.try_with(|request| request.trace).unwrap_or_default()
    }

    /// Continues the caller's trace with a span of ours; begins one if the caller has none.
    pub fn of_request(headers: &HeaderMap) -> Self {
        let caller = headers.get("traceparent").and_then(|value| value.to_str().ok());
        caller.and_then(Self::parse).unwrap_or_default()
    }

    fn parse(traceparent: &str) -> Option<Self> {
        let mut parts = traceparent.split('-');
        let (version, trace, parent, flags) = (parts.next()?, parts.next()?, parts.next()?, parts.next()?);
        let is_version = hex(version, 2) && version != "ff" && (version != "00" || parts.next().is_none());
        if !is_version || !hex(trace, 32) || !hex(parent, 16) || !hex(flags, 2) {
            return None;
        }
        let trace_id = u128::from_str_radix(trace, 16).ok().filter(|id| *id != 0)?;
        u64::from_str_radix(parent, 16).ok().filter(|id| *id != 0)?;
        let flags = u8::from_str_radix(flags, 16).ok()? & 1;
        Some(Self { trace_id, span_id: rand::random(), flags })
    }

    /// The trace id: 32 hexadecimal digits.
    pub fn id(&self) -> String {
        format!("{:032x}", self.trace_id)
    }
}

/// The `traceparent` that continues this trace: kept with a saga, sent with messages.
impl fmt::Display for Trace {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "00-{:032x}-{:016x}-{:02x}", self.trace_id, self.span_id, self.flags)
    }
}

impl Default for Trace {
    fn default() -> Self {
        Self::new()
    }
}

fn hex(text: &str, digits: usize) -> bool {
    text.len() == digits && text.bytes().all(|byte| matches!(byte, b'0'..=b'9' | b'a'..=b'f'))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn of(traceparent: &'static str) -> Trace {
        let mut headers = HeaderMap::new();
        headers.insert("traceparent", traceparent.parse().unwrap());
        Trace::of_request(&headers)
    }

    #[test]
    fn the_callers_trace_goes_on_with_a_span_of_ours() {
        let trace = of("00-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-01");
        assert_eq!(trace.id(), "4bf92f3577b34da6a3ce929d0e0e4736");
        assert!(!trace.to_string().contains("00f067aa0ba902b7"));
        assert_eq!(Trace::parse(&trace.to_string()).unwrap().trace_id, trace.trace_id);
    }

    #[test]
    fn what_is_no_traceparent_begins_a_new_trace() {
        for bad in [
            "",
            "00-4BF92F3577B34DA6A3CE929D0E0E4736-00f067aa0ba902b7-01",
            "00-00000000000000000000000000000000-00f067aa0ba902b7-01",
            "00-4bf92f3577b34da6a3ce929d0e0e4736-0000000000000000-01",
            "ff-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-01",
            "00-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-01-more",
            "00-+bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-01",
        ] {
            assert!(Trace::parse(bad).is_none(), "{bad}");
        }
        assert_ne!(of("nonsense").id(), of("nonsense").id());
    }
}
