//! The audit's metrics.

messaging::metric_names! {
    /// What the last audit found: rules that do not hold, orders that the services disagree on.
    Gauge AUDIT_DIFFERENCES = "rondo_audit_differences", Count, ["what"];
    /// When an audit last came to its end, in seconds since 1970.
    Gauge AUDITED_AT = "rondo_audit_timestamp_seconds", Seconds, [];
    /// Audits by their result: clean, differences, failed.
    Counter AUDITS = "rondo_audits_total", Count, ["result"];
}
