//! The names of auth's own metrics.

/// Logins that were refused unseen because too many had failed before.
pub const LOGINS_THROTTLED: &str = "rondo_auth_logins_throttled_total";
/// Refresh tokens that were brought a second time: each ended its session. Somebody else may have it.
pub const REFRESH_TOKENS_REUSED: &str = "rondo_auth_refresh_tokens_reused_total";
