//! The connection to NATS: one a process, shared by everything in it.

use std::sync::atomic::Ordering;
use std::time::Duration;

use async_nats::connection::State;
use async_nats::jetstream::{self, context::ContextBuilder};
use async_nats::{ConnectOptions, ServerAddr};
use percent_encoding::percent_decode_str;

use crate::roads::Roads;

/// How long a publish waits for the stream's acknowledgement.
const PUBLISH_ACK_TIMEOUT: Duration = Duration::from_secs(5);
/// Publishes whose acknowledgements may be awaited at once; more block the publisher.
const MAX_ACK_IN_FLIGHT: usize = 20_000;
/// The longest pause between two tries to reconnect.
const MAX_RECONNECT_PAUSE_MS: u64 = 1_000;

/// NATS and its JetStream, as everything here uses them. Cheap to clone.
#[derive(Debug, Clone)]
pub struct Bus {
    client: async_nats::Client,
    jetstream: jetstream::Context,
    roads: Roads,
}

/// NATS could not be set up: a malformed URL or credentials.
#[derive(Debug, thiserror::Error)]
#[error("NATS at {server}: {source}")]
pub struct ConnectError {
    /// Without credentials.
    server: String,
    source: async_nats::ConnectError,
}

/// Takes the credentials out of an address: the client would not use them there, and shows the address to
/// whoever reads its log.
fn log_in(options: ConnectOptions, address: ServerAddr) -> (ConnectOptions, String) {
    let plain = |text: &str| percent_decode_str(text).decode_utf8_lossy().into_owned();
    let login = address.username().map(plain).zip(address.password().map(plain));
    let mut server = address.into_inner();
    // Neither can fail: the address has a host.
    let _ = server.set_username("");
    let _ = server.set_password(None);
    let options = match login {
        Some((user, password)) => options.user_and_password(user, password),
        None => options,
    };
    (options, server.to_string())
}

impl Bus {
    /// Connects under a name that operators see on the server, with the user and password of the URL if it has
    /// them. A server that is away is no error: the connection is made as soon as it is back, for ever.
    ///
    /// # Errors
    /// The URL or the credentials are malformed.
    pub async fn connect(url: &str, name: &str) -> Result<Self, ConnectError> {
        let unknown =
            |source: std::io::Error| ConnectError { server: "its address".to_owned(), source: source.into() };
        let address: ServerAddr = url.parse().map_err(unknown)?;
        let (options, server) = log_in(ConnectOptions::new(), address);
        let client = options
            .name(name)
            .retry_on_initial_connect()
            .max_reconnects(None)
            .reconnect_delay_callback(reconnect_pause)
            .ping_interval(Duration::from_secs(5))
            .connect(&server)
            .await
            .map_err(|source| ConnectError { server, source })?;
        let jetstream = ContextBuilder::new()
            .ack_timeout(PUBLISH_ACK_TIMEOUT)
            .timeout(PUBLISH_ACK_TIMEOUT)
            .max_ack_inflight(MAX_ACK_IN_FLIGHT)
            .build(client.clone());
        Ok(Self { client, jetstream, roads: Roads::default() })
    }

    /// Whether the server can be reached now.
    pub fn is_connected(&self) -> bool {
        self.client.connection_state() == State::Connected
    }

    /// Another one after every time that the connection was made again: the server may be another one then, or
    /// have another store.
    pub(crate) fn epoch(&self) -> u64 {
        self.client.statistics().connects.load(Ordering::Relaxed)
    }

    /// The streams and consumers of this process' own making that it could not make, each with why; after
    /// they were made once, only what the server refuses, and not that it is away.
    pub fn missing_roads(&self) -> Vec<String> {
        self.roads.missing()
    }

    pub(crate) fn roads(&self) -> &Roads {
        &self.roads
    }

    /// Core NATS: wake-ups and other words that may be lost.
    pub(crate) fn client(&self) -> &async_nats::Client {
        &self.client
    }

    /// Streams and consumers.
    pub(crate) fn jetstream(&self) -> &jetstream::Context {
        &self.jetstream
    }
}

fn reconnect_pause(attempt: usize) -> Duration {
    let doubled = 10_u64.saturating_mul(1 << attempt.min(7));
    Duration::from_millis(doubled.min(MAX_RECONNECT_PAUSE_MS))
}
