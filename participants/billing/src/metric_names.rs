//! The names of billing's own metrics.

/// Commands that contradict what was done for their order (a repeat with another payload, an undo past
/// the pivot), by `command`. Each is a defect somewhere: alert on any.
pub const CONTRADICTIONS: &str = "rondo_billing_contradictions_total";
/// Holds that billing ended on its own because nobody asked for the money in time.
pub const HOLDS_EXPIRED: &str = "rondo_billing_holds_expired_total";
