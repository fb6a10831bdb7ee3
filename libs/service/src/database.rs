//! A service's connections to its database, with the session settings that keep a frozen or slow
//! process from holding rows.

mod watch;

use std::time::Duration;

use messaging::Runtime;
use sea_orm::{ConnectOptions, ConnectionTrait, Database, DatabaseConnection, DbErr};
use secrecy::{ExposeSecret, SecretString};
use tokio_retry::Retry;
use tokio_retry::strategy::{ExponentialBackoff, jitter};
use tokio_util::sync::CancellationToken;

use crate::{ReadyCheck, StartError};

/// How long a caller waits for a free connection.
const ACQUIRE_TIMEOUT: Duration = Duration::from_secs(3);
/// A connection that was not used for so long is tested before its next use.
const IDLE_BEFORE_TEST: Duration = Duration::from_secs(10);

/// What every session of ours sets. Keepalives let the server notice within 20 s that a client's
/// machine is gone; the timeouts bound how long anybody holds a row; statements are prepared once and
/// their plans need no custom planning.
///
/// Such a plan may be made while the tables are empty, and kept while they grow: then reading a whole
/// table looks cheap, and joining by hash too. Every statement of ours goes by keys, so both are ruled
/// out where an index can serve; without this a busy system got slower with every order.
const SESSION_SETTINGS: [(&str, &str); 12] = [
    ("idle_in_transaction_session_timeout", "2s"),
    ("lock_timeout", "1s"),
    ("statement_timeout", "5s"),
    ("plan_cache_mode", "force_generic_plan"),
    ("jit", "off"),
    ("enable_seqscan", "off"),
    ("enable_hashjoin", "off"),
    ("enable_mergejoin", "off"),
    ("timezone", "UTC"),
    ("tcp_keepalives_idle", "10"),
    ("tcp_keepalives_interval", "5"),
    ("tcp_keepalives_count", "2"),
];

/// What a service's connections are for; in metrics.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Pool {
    /// For the loops alone.
    Writer,
    /// For everything else. A service has one of these.
    Reader,
}

impl Pool {
    const fn name(self) -> &'static str {
        match self {
            Self::Writer => "writer",
            Self::Reader => "reader",
        }
    }
}

/// As [`connect`], and the pool and its database are measured from then on.
///
/// # Errors
/// As [`connect`].
pub(crate) async fn connect_watched(
    url: &SecretString,
    service: &'static str,
    (pool, max_connections): (Pool, u32),
    draining: &CancellationToken,
    runtime: &Runtime,
) -> Result<DatabaseConnection, StartError> {
    let db = connect(url, service, max_connections, draining).await?;
    watch::start(service, pool, max_connections, &db, runtime);
    Ok(db)
}

/// Connects to `url` as `application_name`, asking again until it works or `shutdown` is cancelled.
///
/// # Errors
/// The address has no meaning, or the process shuts down.
pub async fn connect(
    url: &SecretString,
    application_name: &'static str,
    max_connections: u32,
    shutdown: &CancellationToken,
) -> Result<DatabaseConnection, StartError> {
    if !url.expose_secret().starts_with("postgres") {
        return Err(StartError::DatabaseAddress(application_name));
    }
    let options = options(url, application_name, max_connections);
    let backoff = ExponentialBackoff::from_millis(2).factor(50).max_delay(Duration::from_secs(5)).map(jitter);
    let connecting = Retry::start(backoff, || connect_once(&options, application_name));
    tokio::select! {
        connected = connecting => connected.map_err(StartError::Database),
        () = shutdown.cancelled() => Err(StartError::ShutDown),
    }
}

async fn connect_once(options: &ConnectOptions, name: &'static str) -> Result<DatabaseConnection, DbErr> {
    Database::connect(options.clone()).await.inspect_err(|error| {
        tracing::warn!(database = name, %error, "cannot connect to the database yet");
    })
}

fn options(url: &SecretString, application_name: &str, max_connections: u32) -> ConnectOptions {
    let application_name = format!("rondo-{application_name}");
    let mut options = ConnectOptions::new(url.expose_secret());
    options
        .max_connections(max_connections)
        .min_connections(1)
        .acquire_timeout(ACQUIRE_TIMEOUT)
        .connect_timeout(ACQUIRE_TIMEOUT)
        // Asking before each use costs 10 %; one that was idle may have died with its server.
        .test_before_acquire_if_idle_for(IDLE_BEFORE_TEST)
        .sqlx_logging(false)
        .record_stmt_in_spans(false)
        .map_sqlx_postgres_pool_opts(messaging::give_up_silent)
        .map_sqlx_postgres_opts(move |session| {
            session.application_name(&application_name).options(SESSION_SETTINGS)
        });
    options
}

/// Ready when the database answers within a second.
pub fn ready(name: &'static str, database: &DatabaseConnection) -> ReadyCheck {
    let database = database.clone();
    ReadyCheck::new(name, move || {
        let database = database.clone();
        async move {
            let asked = database.execute_unprepared("SELECT 1");
            match tokio::time::timeout(Duration::from_secs(1), asked).await {
                Ok(Ok(_)) => Ok(()),
                Ok(Err(_)) => Err("the database refuses".to_owned()),
                Err(_) => Err("the database does not answer".to_owned()),
            }
        }
    })
}
