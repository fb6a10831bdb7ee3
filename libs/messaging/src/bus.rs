//! A service's connection to NATS, as a user of its own; [`Buses`](crate::Buses) are those of a process.

use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::sync::atomic::Ordering;
use std::time::Duration;

use async_nats::connection::State;
use async_nats::jetstream::{self, context::ContextBuilder};
use async_nats::{ConnectOptions, Event, ServerAddr};
use percent_encoding::percent_decode_str;
use secrecy::{ExposeSecret, SecretString};

use crate::nkey;
use crate::refusals::Refusals;
use crate::rights::inbox_prefix;
use crate::roads::Roads;

/// How long a publish waits for the stream's acknowledgement.
const PUBLISH_ACK_TIMEOUT: Duration = Duration::from_secs(5);
/// Publishes whose acknowledgements may be awaited at once; more block the publisher.
const MAX_ACK_IN_FLIGHT: usize = 20_000;
/// How often whoever waits for the connection looks.
const CONNECTED_EVERY: Duration = Duration::from_millis(20);
/// The longest pause between two tries to reconnect.
const MAX_RECONNECT_PAUSE_MS: u64 = 1_000;

/// NATS and its JetStream, as everything here uses them. Cheap to clone.
#[derive(Debug, Clone)]
pub struct Bus {
    client: async_nats::Client,
    jetstream: jetstream::Context,
    roads: Roads,
    refusals: Arc<Refusals>,
    replicas: usize,
}

/// As whom to connect, and which server to believe.
#[derive(Debug, Clone, Default)]
pub struct Access {
    /// The seed of the user's nkey; none where the server wants none.
    pub seed: Option<SecretString>,
    /// Certificates (PEM) of whoever may vouch for the server. With them nothing is sent without TLS.
    pub ca_file: Option<PathBuf>,
    /// Certificate and key (PEM), for a server that wants to see them.
    pub client_certificate: Option<(PathBuf, PathBuf)>,
    /// Copies of every stream that is made; none is one. More of them want a cluster of as many servers.
    pub replicas: Option<usize>,
}

/// NATS could not be set up. Neither tells credentials.
#[derive(Debug, thiserror::Error)]
pub enum ConnectError {
    /// A malformed URL or credentials.
    #[error("NATS at {server}: {source}")]
    Address {
        /// Without credentials.
        server: String,
        /// What is wrong with it.
        source: async_nats::ConnectError,
    },
    /// The nkey is none.
    #[error("the NATS nkey of {user}: {source}")]
    Seed {
        /// Whose.
        user: String,
        /// What it should be.
        source: nkey::NotASeed,
    },
    /// A certificate or key cannot be read.
    #[error("for NATS, {}: {source}", .file.display())]
    Certificate {
        /// Where it should be.
        file: PathBuf,
        /// Why not.
        source: std::io::Error,
    },
}

impl Access {
    /// The options of a connection as `user`.
    fn options(&self, user: &str, mut options: ConnectOptions) -> Result<ConnectOptions, ConnectError> {
        if let Some(seed) = &self.seed {
            options = options.nkey(seed.expose_secret().to_owned());
        }
        if let Some(file) = &self.ca_file {
            options = options.add_root_certificates(readable(file)?).require_tls(true);
        }
        if let Some((certificate, key)) = &self.client_certificate {
            options = options.add_client_certificate(readable(certificate)?, readable(key)?);
        }
        Ok(options.custom_inbox_prefix(inbox_prefix(user)))
    }

    /// What the server knows the user by, if it is a key.
    fn public_key(&self, user: &str) -> Result<Option<String>, ConnectError> {
        let key = self.seed.as_ref().map(nkey::public_key).transpose();
        key.map_err(|source| ConnectError::Seed { user: user.to_owned(), source })
    }
}

/// The client would look at it at every try, and tell nobody what it misses.
fn readable(file: &Path) -> Result<PathBuf, ConnectError> {
    let failed = |source| ConnectError::Certificate { file: file.to_owned(), source };
    std::fs::read(file).map(|_| file.to_owned()).map_err(failed)
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

/// The client itself tells of it in words that are in no runbook.
fn say(user: &str, event: &Event) {
    match event {
        Event::Disconnected => {
            tracing::warn!(user, "NATS is away: nothing is sent or received until it is back");
        }
        Event::Connected => tracing::info!(user, "connected to NATS"),
        _ => {}
    }
}

impl Bus {
    /// Connects as somebody of whom the server wants no key. See [`Bus::connect_as`].
    ///
    /// # Errors
    /// The URL or the credentials are malformed.
    pub async fn connect(url: &str, name: &str) -> Result<Self, ConnectError> {
        Self::connect_as(url, name, &Access::default()).await
    }

    /// Connects as a user, whose name operators see on the server, with the user and password of the URL if it
    /// has them. A server that is away is no error: the connection is made as soon as it is back, for ever. So is
    /// one that does not know the user; that is said in the log and by [`Bus::refusal`].
    ///
    /// # Errors
    /// The URL or the credentials are malformed, or a certificate cannot be read.
    pub async fn connect_as(url: &str, user: &str, access: &Access) -> Result<Self, ConnectError> {
        let unknown = |source: std::io::Error| ConnectError::Address {
            server: "its address".to_owned(),
            source: source.into(),
        };
        let address: ServerAddr = url.parse().map_err(unknown)?;
        let (options, server) = log_in(ConnectOptions::new(), address);
        let by_tls = access.ca_file.is_some() || server.starts_with("tls:");
        let refusals = Arc::new(Refusals::new(user, &server, access.public_key(user)?, by_tls));
        let (told, of) = (Arc::clone(&refusals), user.to_owned());
        let client = access
            .options(user, options)?
            .name(user)
            .retry_on_initial_connect()
            .max_reconnects(None)
            .reconnect_delay_callback(reconnect_pause)
            .ping_interval(Duration::from_secs(5))
            .event_callback(move |event| {
                told.hear(&event);
                say(&of, &event);
                std::future::ready(())
            })
            .connect(&server)
            .await
            .map_err(|source| ConnectError::Address { server, source })?;
        let jetstream = ContextBuilder::new()
            .ack_timeout(PUBLISH_ACK_TIMEOUT)
            .timeout(PUBLISH_ACK_TIMEOUT)
            .max_ack_inflight(MAX_ACK_IN_FLIGHT)
            .build(client.clone());
        Ok(Self {
            client,
            jetstream,
            roads: Roads::default(),
            refusals,
            replicas: access.replicas.unwrap_or(1),
        })
    }

    /// Whether the server can be reached now.
    pub fn is_connected(&self) -> bool {
        self.client.connection_state() == State::Connected
    }

    /// Resolves when it can.
    pub(crate) async fn connected(&self) {
        while !self.is_connected() {
            tokio::time::sleep(CONNECTED_EVERY).await;
        }
    }

    /// Why the server does not let this user in, if it said so.
    pub fn refusal(&self) -> Option<String> {
        self.refusals.now()
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

    /// Copies of every stream that is made.
    pub(crate) fn replicas(&self) -> usize {
        self.replicas
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
