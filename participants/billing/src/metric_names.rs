//! Billing's own metrics.

messaging::metric_names! {
    /// Commands that contradict what was done for their order: a repeat with another payload, an undo past the pivot.
    /// Each is a defect somewhere.
    Counter CONTRADICTIONS = "rondo_billing_contradictions_total", Count, ["command"];
    /// Holds that billing ended on its own because nobody asked for the money in time.
    Counter HOLDS_EXPIRED = "rondo_billing_holds_expired_total", Count, [];
}
