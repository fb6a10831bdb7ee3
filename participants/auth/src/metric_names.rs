//! Auth's own metrics.

messaging::metric_names! {
    /// Logins that were refused unseen because too many had failed before.
    Counter LOGINS_THROTTLED = "rondo_auth_logins_throttled_total", Count, [];
    /// Refresh tokens that were brought a second time: each ended its session. Somebody else may have it.
    Counter REFRESH_TOKENS_REUSED = "rondo_auth_refresh_tokens_reused_total", Count, [];
}
