//! One service on private servers, served on free ports as the binary would serve it; as many replicas
//! of it as a test wants.

use std::net::SocketAddr;

use messaging::rights::Work;
use sandbox::Nats;
use sea_orm::{ConnectOptions, Database, DatabaseConnection};
use sea_orm_migration::MigratorTrait;
use service::config::{Config, Seeds};
use service::token::{Claims, Role, Roles, SigningKey};
use service::{House, Listeners, Part, StartError};
use tokio::task::JoinHandle;
use uuid::Uuid;

use crate::{Client, Road};

/// An Ed25519 key whose seed is 32 zero bytes: no secret, known to everybody.
pub const SIGNING_KEY: &str = "-----BEGIN PRIVATE KEY-----\n\
    MC4CAQAwBQYDK2VwBCIEIAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAA\n\
    -----END PRIVATE KEY-----\n";

/// A database of one service and a NATS, for one test. Dropping it ends the NATS server.
pub struct TestBed {
    /// The NATS server: to stop, to freeze, to start again.
    pub nats: Nats,
    /// The test's own connection to the service's database.
    pub db: DatabaseConnection,
    /// The test's own connection to NATS.
    pub road: Road,
    /// What the replicas are told; a test may change it before it starts one.
    pub config: Config,
    service: &'static str,
}

impl Drop for TestBed {
    fn drop(&mut self) {
        crate::assert_rights_sufficed(&self.nats);
    }
}

impl TestBed {
    /// Starts the servers, migrates the database of the first of these services, and makes the orchestrator's
    /// streams. The services have the rights that their work needs.
    ///
    /// # Panics
    /// A server does not start, or a migration fails.
    pub async fn start<M: MigratorTrait>(works: &[Work]) -> Self {
        let service = works[0].user();
        let (configuration, seeds) = crate::users(works);
        let (nats, database) =
            tokio::join!(crate::nats_with(configuration), crate::guarded_database::<M>(service));
        let mut config = Config::default();
        config.databases.set(service, database.service);
        config.nats.url = nats.url().into();
        config.nats.seeds = seeds;
        config.http.public_addr = SocketAddr::from(([127, 0, 0, 1], 0));
        config.http.internal_addr = config.http.public_addr;
        config.http.shutdown_grace_seconds = 5;
        config.security.auth_signing_key = Some(SIGNING_KEY.into());
        let db = connect(&database.owner).await;
        let road = Road::connect(&nats.url()).await;
        Self { nats, db, road, config, service }
    }

    /// For services that are none of the system's: who connects may do everything.
    pub fn without_rights(&mut self) {
        self.config.nats.seeds = Seeds::default();
    }

    /// Starts one replica of the service.
    ///
    /// # Panics
    /// It does not start.
    pub async fn run(&self, start: impl AsyncFnOnce(&House) -> Result<Part, StartError>) -> Process {
        self.try_run(start).await.unwrap_or_else(|error| panic!("the service does not start: {error}"))
    }

    async fn try_run(
        &self,
        start: impl AsyncFnOnce(&House) -> Result<Part, StartError>,
    ) -> Result<Process, StartError> {
        let listeners = Listeners::bind(&self.config.http)?;
        let (public, internal) = (listeners.public_addr()?, listeners.internal_addr()?);
        let house = House::build(self.config.clone(), self.service).await?;
        let part = start(&house).await?;
        let running = tokio::spawn(service::run(house.clone(), vec![part], listeners));
        Ok(Process { house, running, public, internal })
    }
}

async fn connect(url: &str) -> DatabaseConnection {
    let mut options = ConnectOptions::new(url);
    options.max_connections(2).sqlx_logging(false);
    Database::connect(options).await.unwrap_or_else(|error| panic!("{url}: {error}"))
}

/// A running replica. It ends with its test; [`Process::stop`] ends it in order.
pub struct Process {
    /// What the replica was given.
    pub house: House,
    running: JoinHandle<Result<(), StartError>>,
    public: SocketAddr,
    internal: SocketAddr,
}

impl Process {
    /// A client of the public listener without a token.
    pub fn anybody(&self) -> Client {
        Client::new(self.public, None)
    }

    /// A client of the public listener with the token of this user.
    pub fn user(&self, user_id: Uuid, roles: &[Role]) -> Client {
        Client::new(self.public, Some(token(user_id, roles)))
    }

    /// A client of the public listener with this token.
    pub fn with_token(&self, token: &str) -> Client {
        Client::new(self.public, Some(token.to_owned()))
    }

    /// The base address of the public listener.
    pub fn public_url(&self) -> String {
        format!("http://{}", self.public)
    }

    /// A client of the internal listener with this token.
    pub fn internal_with_token(&self, token: &str) -> Client {
        Client::new(self.internal, Some(token.to_owned()))
    }

    /// A client of the internal listener without a token.
    pub fn internal_anybody(&self) -> Client {
        Client::new(self.internal, None)
    }

    /// A client of the internal listener with the token of this user.
    pub fn internal_user(&self, user_id: Uuid, roles: &[Role]) -> Client {
        Client::new(self.internal, Some(token(user_id, roles)))
    }

    /// A client of the internal listener with an operator's token.
    pub fn operator(&self) -> Client {
        self.internal_user(Uuid::now_v7(), &[Role::User, Role::Operator])
    }

    /// A client of the internal listener with a service's token.
    pub fn service(&self, name: &str) -> Client {
        Client::new(self.internal, Some(service_token(name)))
    }

    /// Tells it to stop and waits until it has.
    ///
    /// # Panics
    /// It failed while running.
    pub async fn stop(self) {
        self.house.draining.cancel();
        let ended = self.running.await.unwrap_or_else(|panic| panic!("{panic}"));
        ended.unwrap_or_else(|error| panic!("{error}"));
    }
}

/// An access token of a user, by [`SIGNING_KEY`], for an hour.
///
/// # Panics
/// Never in practice: the key is a key.
pub fn token(user_id: Uuid, roles: &[Role]) -> String {
    let roles = roles.iter().fold(Roles::default(), |roles, role| roles.with(*role));
    signed(&Claims::of_user(user_id, Uuid::now_v7(), roles, chrono::Utc::now().timestamp(), 3600))
}

/// An access token of a user, by [`SIGNING_KEY`], that is over after this time: whole seconds.
///
/// # Panics
/// Never in practice: the key is a key.
pub fn token_for(user_id: Uuid, valid: std::time::Duration) -> String {
    let (roles, now) = (Roles::default().with(Role::User), chrono::Utc::now().timestamp());
    let seconds = u32::try_from(valid.as_secs()).unwrap_or(u32::MAX);
    signed(&Claims::of_user(user_id, Uuid::now_v7(), roles, now, seconds))
}

/// An access token of some user in this session, by [`SIGNING_KEY`], for an hour.
///
/// # Panics
/// Never in practice: the key is a key.
pub fn token_in(session_id: Uuid) -> String {
    let (roles, now) = (Roles::default().with(Role::User), chrono::Utc::now().timestamp());
    signed(&Claims::of_user(Uuid::now_v7(), session_id, roles, now, 3600))
}

/// The token of a service, by [`SIGNING_KEY`], for an hour.
///
/// # Panics
/// Never in practice: the key is a key.
pub fn service_token(name: &str) -> String {
    signed(&Claims::of_service(name, chrono::Utc::now().timestamp(), 3600))
}

fn signed(claims: &Claims) -> String {
    let signed = SigningKey::from_pem(&SIGNING_KEY.into()).and_then(|key| key.sign(claims));
    signed.unwrap_or_else(|error| panic!("{error}"))
}
