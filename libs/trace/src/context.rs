//! A place in a trace (W3C Trace Context), in the form in which it travels.

use std::fmt;

use crate::export;

/// A span's identity, and whether its trace is recorded.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct TraceContext {
    trace_id: u128,
    span_id: u64,
    sampled: bool,
}

impl TraceContext {
    /// A trace that begins here. Whether it is recorded, the configured ratio decides by its id.
    pub fn begin() -> Self {
        // Zero is not allowed in either; it is as likely as guessing a key.
        let trace_id = rand::random();
        Self { trace_id, span_id: rand::random(), sampled: export::samples(trace_id) }
    }

    /// The context of the request that this task handles; a new trace outside of requests.
    pub fn current() -> Self {
        crate::current().unwrap_or_else(Self::begin)
    }

    /// Another span of the same trace.
    pub fn child(self) -> Self {
        Self { span_id: rand::random(), ..self }
    }

    /// What a `traceparent` says; none if it is none.
    pub fn parse(traceparent: &str) -> Option<Self> {
        let mut parts = traceparent.split('-');
        let (version, trace, span, flags) = (parts.next()?, parts.next()?, parts.next()?, parts.next()?);
        let is_version = hex(version, 2) && version != "ff" && (version != "00" || parts.next().is_none());
        if !is_version || !hex(trace, 32) || !hex(span, 16) || !hex(flags, 2) {
            return None;
        }
        let trace_id = u128::from_str_radix(trace, 16).ok().filter(|id| *id != 0)?;
        let span_id = u64::from_str_radix(span, 16).ok().filter(|id| *id != 0)?;
        let sampled = u8::from_str_radix(flags, 16).ok()? & 1 == 1;
        Some(Self { trace_id, span_id, sampled })
    }

    /// The trace id: 32 hexadecimal digits.
    pub fn trace_id(&self) -> String {
        format!("{:032x}", self.trace_id)
    }

    /// Whether spans of this trace are recorded, where they are recorded at all.
    pub fn is_sampled(&self) -> bool {
        self.sampled
    }

    pub(crate) fn ids(&self) -> (u128, u64) {
        (self.trace_id, self.span_id)
    }

    /// For what is recorded although it belongs to no request: a batch.
    pub(crate) fn recorded(self) -> Self {
        Self { sampled: true, ..self }
    }
}

/// The `traceparent` by which others go on with it: kept with a saga, sent with messages.
impl fmt::Display for TraceContext {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let flags = u8::from(self.sampled);
        write!(f, "00-{:032x}-{:016x}-{flags:02x}", self.trace_id, self.span_id)
    }
}

fn hex(text: &str, digits: usize) -> bool {
    text.len() == digits && text.bytes().all(|byte| matches!(byte, b'0'..=b'9' | b'a'..=b'f'))
}

#[cfg(test)]
mod tests {
    use super::*;

    const KNOWN: &str = "00-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-01";

    #[test]
    fn a_traceparent_reads_back_and_a_child_keeps_the_trace_with_a_span_of_its_own() {
        let context = TraceContext::parse(KNOWN).unwrap();
        assert_eq!(context.to_string(), KNOWN);
        assert_eq!(context.trace_id(), "4bf92f3577b34da6a3ce929d0e0e4736");
        let child = context.child();
        assert_eq!(child.trace_id(), context.trace_id());
        assert!(!child.to_string().contains("00f067aa0ba902b7") && child.is_sampled());
    }

    #[test]
    fn the_callers_word_on_recording_is_kept() {
        let unrecorded = KNOWN.replace("-01", "-00");
        assert_eq!(TraceContext::parse(&unrecorded).unwrap().child().to_string()[53..], *"00");
    }

    #[test]
    fn what_is_no_traceparent_is_none() {
        for bad in [
            "",
            "00-4BF92F3577B34DA6A3CE929D0E0E4736-00f067aa0ba902b7-01",
            "00-00000000000000000000000000000000-00f067aa0ba902b7-01",
            "00-4bf92f3577b34da6a3ce929d0e0e4736-0000000000000000-01",
            "ff-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-01",
            "00-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-01-more",
            "00-+bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-01",
        ] {
            assert!(TraceContext::parse(bad).is_none(), "{bad}");
        }
        assert_ne!(TraceContext::begin().trace_id(), TraceContext::begin().trace_id());
    }
}
