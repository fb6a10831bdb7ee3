//! The house's own metrics. What is read from a database is exported the same by every replica: take the largest, not
//! the sum.

messaging::metric_names! {
    /// Which build runs: always 1.
    Gauge BUILD_INFO = "rondo_build_info", Count, ["version"];
    /// When this process started, in seconds since 1970.
    Gauge PROCESS_STARTED = "rondo_process_start_time_seconds", Seconds, [];
    /// Which services this process runs: always 1.
    Gauge SERVICE_INFO = "rondo_service_info", Count, ["service"];
    /// Time from a request's head to its response's head. Requests that no route was found for have the route `none`.
    Histogram HTTP_REQUEST_SECONDS = "rondo_http_request_duration_seconds", Seconds,
        ["listener", "service", "method", "route", "status"];
    /// Connections that are open.
    Gauge HTTP_CONNECTIONS = "rondo_http_connections_open", Count, ["listener"];
    /// Handlers that panicked; each was answered 500.
    Counter HTTP_PANICS = "rondo_http_panics_total", Count, [];
    /// Fetches of auth's keys.
    Counter JWKS_FETCHES = "rondo_jwks_fetches_total", Count, ["result"];
    /// Revoked sessions and changed roles that this process refuses tokens for.
    Gauge REVOCATIONS_KNOWN = "rondo_revocations_known", Count, [];
    /// Requests that a service behind the gateway did not answer: away, broken, timeout.
    Counter GATEWAY_FAILURES = "rondo_gateway_failures_total", Count, ["service", "kind"];
    /// Spans by what became of them: sent, lost (the receiver was away or refused them), dropped (too many waited).
    Counter SPANS = "rondo_spans_total", Count, ["result"];
    /// Connections of a pool to its database by what they do: idle, used.
    Gauge POOL_CONNECTIONS = "rondo_pool_connections", Count, ["service", "pool", "state"];
    /// Connections that a pool may have.
    Gauge POOL_CONNECTIONS_MAX = "rondo_pool_connections_max", Count, ["service", "pool"];
    /// Whether the service's database answered when it was looked at last: 1 or 0.
    Gauge DATABASE_UP = "rondo_database_up", Count, ["service"];
    /// Size of the service's database on disk.
    Gauge DATABASE_BYTES = "rondo_database_size_bytes", Bytes, ["service"];
    /// Sessions in the service's database, whoever has them.
    Gauge DATABASE_SESSIONS = "rondo_database_sessions", Count, ["service"];
    /// Transactions since the oldest one, or the oldest snapshot, that is open in the service's database (VACUUM's keep nothing alive).
    Gauge DATABASE_OLDEST_TRANSACTION = "rondo_database_oldest_transaction_age", Count, ["service"];
    /// Transactions of the service's database by how they ended: commit, rollback.
    Counter DATABASE_TRANSACTIONS = "rondo_database_transactions_total", Count, ["service", "ended"];
    /// Deadlocks in the service's database.
    Counter DATABASE_DEADLOCKS = "rondo_database_deadlocks_total", Count, ["service"];
    /// Pages that the service's database wanted by where they were found: cache, disk.
    Counter DATABASE_PAGES = "rondo_database_pages_total", Count, ["service", "found"];
    /// Rows of the service's database that were updated: in place (hot), or with new entries in every index (cold).
    Counter DATABASE_UPDATES = "rondo_database_updates_total", Count, ["service", "how"];
    /// Rows of the service's database that nobody sees any more and no vacuum has removed.
    Gauge DATABASE_DEAD_ROWS = "rondo_database_dead_rows", Count, ["service"];
}
