//! What every service is given at its start; the house's only touch with `messaging`.

use std::sync::Arc;

use jsonwebtoken::jwk::JwkSet;
use messaging::{Bus, Buses, DeadLetterDesks, LoopLimits, Runtime, broadcast, topology};
use sea_orm::DatabaseConnection;
use secrecy::{ExposeSecret, SecretString};
use tokio_util::sync::CancellationToken;
use tokio_util::task::TaskTracker;

use crate::config::Config;
use crate::database::{self, Pool};
use crate::schema::Schemas;
use crate::token::{KeyError, SigningKey, TokenVerifier, verification_keys};

/// What the services of one process share. Cheap to clone.
#[derive(Debug, Clone)]
pub struct House {
    /// The configuration.
    pub config: Arc<Config>,
    /// The road: a connection per service.
    pub buses: Buses,
    /// Checks tokens.
    pub tokens: TokenVerifier,
    /// Cancelled first, by a signal: `/readyz` says that the process is about to end, every answer that its connection
    /// is to be given up, and all else goes on for `DRAIN_SECONDS`.
    pub leaving: CancellationToken,
    /// Cancelled after them, or at once by an owner whom nobody replaces, and `leaving` with it: the listeners stop
    /// accepting, requests in flight are finished, those that only wait for a decision answer at once.
    pub draining: CancellationToken,
    /// Cancelled when no request is in flight any more: loops and tasks end.
    pub shutdown: CancellationToken,
    /// Loops and tasks; the process waits for them within the grace.
    pub tasks: TaskTracker,
    /// What the loops could not process.
    pub dead_letters: DeadLetterDesks,
    /// What the databases have to be like; nothing is asked of them where nothing is said here.
    pub schemas: Schemas,
}

/// A service or its house cannot start.
#[derive(Debug, thiserror::Error)]
pub enum StartError {
    /// A setting that is needed is missing.
    #[error("{0} is not configured")]
    Missing(String),
    /// The address of a service's database has no meaning.
    #[error("the address of {0}'s database must begin with postgres://")]
    DatabaseAddress(&'static str),
    /// The address of a service has no meaning.
    #[error("the address of {0} must be http://host or http://host:port")]
    ServiceAddress(&'static str),
    /// The database refuses.
    #[error("database: {0}")]
    Database(#[from] sea_orm::DbErr),
    /// NATS cannot be used.
    #[error(transparent)]
    Nats(#[from] messaging::ConnectError),
    /// A key cannot be used.
    #[error(transparent)]
    SigningKey(#[from] KeyError),
    /// No HTTP client.
    #[error("HTTP client: {0}")]
    HttpClient(#[from] reqwest::Error),
    /// A listener's address is taken or not ours.
    #[error("cannot listen on {address}")]
    Listen {
        /// Where.
        address: std::net::SocketAddr,
        /// Why not.
        source: std::io::Error,
    },
    /// The operating system refuses.
    #[error(transparent)]
    System(#[from] std::io::Error),
    /// The process was told to stop while it started.
    #[error("told to stop while starting")]
    ShutDown,
    /// Anything else that a service needs.
    #[error(transparent)]
    Other(#[from] Box<dyn std::error::Error + Send + Sync>),
}

impl House {
    /// Connects to NATS as this user, one of those that live here (a server that is away is waited for in the
    /// background), begins to read which sessions are revoked, and to fetch auth's keys, unless this process holds
    /// the signing key.
    ///
    /// # Errors
    /// An address or a key cannot be used.
    pub async fn build(config: Config, user: &'static str) -> Result<Self, StartError> {
        // Before anything is counted: what came earlier would be lost.
        crate::telemetry::metrics();
        let buses = Buses::default();
        let bus = buses.of(user, config.nats.url().expose_secret(), &config.nats.access(user)).await?;
        let tokens = match public_keys(&config)? {
            Some(keys) => TokenVerifier::with_keys(&keys),
            None => TokenVerifier::with_source(&config.http.auth_public_url())?,
        };
        let runtime = Runtime::default();
        messaging::watch::connections(&buses, &runtime);
        let revocations = tokens.revocations().clone();
        let hear = move |heard: broadcast::Heard<'_>| revocations.hear(&heard);
        broadcast::listen(bus, topology::SESSIONS, hear, &runtime);
        let Runtime { shutdown, tasks, dead_letters } = runtime;
        tasks.spawn(tokens.revocations().clone().keep_small(shutdown.clone()));
        tasks.spawn(tokens.clone().keep_fresh(shutdown.clone()));
        let draining = CancellationToken::new();
        Ok(Self {
            config: Arc::new(config),
            buses,
            tokens,
            leaving: draining.child_token(),
            draining,
            shutdown,
            tasks,
            dead_letters,
            schemas: Schemas::default(),
        })
    }

    /// The connection of a service to NATS, as the user that it is there.
    ///
    /// # Errors
    /// Its nkey or a certificate cannot be used.
    pub async fn bus(&self, service: &'static str) -> Result<Bus, StartError> {
        let nats = &self.config.nats;
        Ok(self.buses.of(service, nats.url().expose_secret(), &nats.access(service)).await?)
    }

    /// The life of the process' tasks, as `messaging` wants it.
    pub fn runtime(&self) -> Runtime {
        Runtime {
            shutdown: self.shutdown.clone(),
            tasks: self.tasks.clone(),
            dead_letters: self.dead_letters.clone(),
        }
    }

    /// The bounds of every service's loops.
    pub fn loop_limits(&self) -> LoopLimits {
        let batch_inputs_max = self.config.loops.batch_inputs_max.into();
        // Twice as many of what can wait, unless batching is off.
        let patient_inputs_max = if batch_inputs_max == 1 { 1 } else { 2 * batch_inputs_max };
        LoopLimits { batch_inputs_max, patient_inputs_max, ..LoopLimits::default() }
    }

    /// Connects to a service's database, and waits until it has what the service needs, however long that takes;
    /// measures it from then on.
    ///
    /// # Errors
    /// Its address is missing or has no meaning, or the process was told to stop.
    pub async fn database(
        &self,
        service: &'static str,
        pool: Pool,
        max_connections: u32,
    ) -> Result<DatabaseConnection, StartError> {
        let url = self.config.databases.of(service);
        let url =
            url.ok_or_else(|| StartError::Missing(format!("{}_DATABASE_URL", service.to_uppercase())))?;
        let runtime = self.runtime();
        let size = (pool, max_connections);
        let database = database::connect_watched(url, service, size, &self.leaving, &runtime).await?;
        // A service has one of these, and what it has seen holds for the others.
        if pool == Pool::Reader {
            self.schemas.wait(service, &database, &self.leaving).await?;
        }
        Ok(database)
    }

    /// Auth's signing key, if this process has it.
    ///
    /// # Errors
    /// It cannot be used.
    pub fn signing_key(&self) -> Result<Option<SigningKey>, StartError> {
        signing_key(&self.config)
    }

    /// The public halves of the keys whose tokens are accepted, if this process has the signing key: that
    /// one first.
    ///
    /// # Errors
    /// A key cannot be used.
    pub fn public_keys(&self) -> Result<Option<JwkSet>, StartError> {
        public_keys(&self.config)
    }

    /// The token that `service` shows to others: the given one, else one minted with the signing key.
    ///
    /// # Errors
    /// There is neither token nor key.
    pub fn service_token(&self, service: &str) -> Result<SecretString, StartError> {
        let security = &self.config.security;
        if let Some(token) = security.service_token() {
            return Ok(token.clone());
        }
        let key = self.signing_key()?.ok_or_else(|| StartError::Missing("SERVICE_TOKEN".to_owned()))?;
        Ok(key.service_token(service, security.service_token_days)?)
    }
}

fn signing_key(config: &Config) -> Result<Option<SigningKey>, StartError> {
    Ok(config.security.auth_signing_key().map(SigningKey::from_pem).transpose()?)
}

fn public_keys(config: &Config) -> Result<Option<JwkSet>, StartError> {
    let Some(key) = signing_key(config)? else { return Ok(None) };
    let mut keys = key.public_keys();
    if let Some(pem) = config.security.auth_verification_keys() {
        let known = key.public_keys();
        let others = verification_keys(pem)?.keys.into_iter();
        keys.keys.extend(others.filter(|other| !known.keys.contains(other)));
    }
    Ok(Some(keys))
}
