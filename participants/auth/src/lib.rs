//! Auth: who somebody is and what they may do. Credentials, sessions, roles, and the key that signs all
//! tokens; other services check tokens by its public half and never ask auth. Which tokens are revoked
//! before their end auth tells every process.

mod announcer;
mod credentials;
mod housekeeping;
mod http;
pub mod keys;
mod login_failures;
pub mod metric_names;
mod passwords;
mod refresh_token;
mod revocations;
mod roles;
mod sessions;
mod sql;
mod throttle;

use std::sync::Arc;

use contracts::Event;
use contracts::auth::{RevocationsComplete, SessionRevoked};
use jsonwebtoken::jwk::JwkSet;
use messaging::rights::Work;
use messaging::topology;
use sea_orm::DatabaseConnection;
use service::config::SecurityConfig;
use service::database::{self, Pool};
use service::token::SigningKey;
use service::{House, Part, StartError};

use announcer::Announcer;
use passwords::Passwords;

pub use roles::ensure_role;

const NAME: &str = "auth";
/// Connections to its database that one process of it has at most. A login holds one for a moment, between hashing and
/// signing; one is the announcer's.
pub const CONNECTIONS: u32 = 5;

/// What the handlers share.
struct Auth {
    db: DatabaseConnection,
    passwords: Passwords,
    signing_key: SigningKey,
    /// Of all keys whose tokens are accepted, the signing one first.
    public_keys: JwkSet,
    announcer: Announcer,
    security: SecurityConfig,
}

type Shared = Arc<Auth>;

/// What clients can ask for: known without starting the service.
pub fn public_api() -> utoipa::openapi::OpenApi {
    http::public().into_openapi()
}

/// What it does on the road.
pub fn work() -> Work {
    Work::of(NAME).broadcasts(topology::SESSIONS, &[SessionRevoked::TYPE, RevocationsComplete::TYPE])
}

/// Starts the service in a house that holds the signing key.
///
/// # Errors
/// The database or the signing key is missing or unusable.
pub async fn start(house: &House) -> Result<Part, StartError> {
    messaging::describe(metric_names::ALL);
    let security = house.config.security.clone();
    let missing = || StartError::Missing("AUTH_SIGNING_KEY".to_owned());
    let signing_key = house.signing_key()?.ok_or_else(missing)?;
    let public_keys = house.public_keys()?.ok_or_else(missing)?;
    let passwords = Passwords::new(&security).map_err(|error| StartError::Other(error.into()))?;
    let db = house.database(NAME, Pool::Reader, CONNECTIONS).await?;
    let ready = vec![database::ready("database", &db)];
    let announcer = Announcer::start(house, house.bus(NAME).await?, db.clone());
    housekeeping::start(db.clone(), &house.runtime());
    let auth = Arc::new(Auth { db, passwords, signing_key, public_keys, announcer, security });
    Ok(Part {
        name: NAME,
        public: http::public().with_state(Arc::clone(&auth)),
        internal: http::internal(&auth),
        ready,
    })
}
