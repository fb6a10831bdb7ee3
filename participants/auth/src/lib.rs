//! Auth: who somebody is and what they may do. Credentials, sessions, roles, and the key that signs all
//! tokens; other services check tokens by its public half and never ask auth.

mod credentials;
mod http;
pub mod keys;
mod passwords;
mod roles;
mod sessions;

use std::sync::Arc;

use sea_orm::DatabaseConnection;
use service::config::SecurityConfig;
use service::token::SigningKey;
use service::{House, Part, StartError, database};

use passwords::Passwords;

pub use roles::{ensure_role, has_account};

const NAME: &str = "auth";
/// A login holds a connection for a moment, between hashing and signing.
const CONNECTIONS: u32 = 4;

/// What the handlers share.
struct Auth {
    db: DatabaseConnection,
    passwords: Passwords,
    signing_key: SigningKey,
    security: SecurityConfig,
}

type Shared = Arc<Auth>;

/// Starts the service in a house that holds the signing key.
///
/// # Errors
/// The database or the signing key is missing or unusable.
pub async fn start(house: &House) -> Result<Part, StartError> {
    let security = house.config.security.clone();
    let signing_key =
        house.signing_key()?.ok_or_else(|| StartError::Missing("AUTH_SIGNING_KEY".to_owned()))?;
    let passwords = Passwords::new(&security).map_err(|error| StartError::Other(error.into()))?;
    let db = house.database(NAME, CONNECTIONS).await?;
    let ready = vec![database::ready("database", &db)];
    let auth = Arc::new(Auth { db, passwords, signing_key, security });
    Ok(Part { name: NAME, public: http::public(&auth), internal: http::internal(&auth), ready })
}
