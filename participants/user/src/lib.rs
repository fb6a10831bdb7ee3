//! The user service: registration and profiles.
//!
//! Registration is the one piece of choreography here: a pending row, then the credentials at auth over
//! HTTP, then the active profile and its event in one transaction. A repeat with the same e-mail goes
//! on where the try before it stopped.

mod auth_client;
mod http;
mod users;

use std::sync::Arc;

use contracts::Event;
use contracts::user::{ProfileChanged, UserRegistered};
use messaging::rights::Work;
use messaging::{Publisher, outbox};
use sea_orm::DatabaseConnection;
use service::database::{self, Pool};
use service::{House, Part, StartError};

use auth_client::AuthClient;

const NAME: &str = "user";
/// Connections to its database that one process of it has at most.
pub const CONNECTIONS: u32 = 6;

/// What the handlers share.
struct Users {
    db: DatabaseConnection,
    auth: AuthClient,
    publisher: Publisher,
}

type Shared = Arc<Users>;

/// What clients can ask for: known without starting the service.
pub fn public_api() -> utoipa::openapi::OpenApi {
    http::public().into_openapi()
}

/// What it does on the road.
pub fn work() -> Work {
    Work::of(NAME).tells(&[UserRegistered::TYPE, ProfileChanged::TYPE])
}

/// Starts the service.
///
/// # Errors
/// Its database or its token for auth is missing.
pub async fn start(house: &House) -> Result<Part, StartError> {
    let auth = AuthClient::new(&house.config.http.auth_internal_url(), house.service_token(NAME)?)?;
    let db = house.database(NAME, Pool::Reader, CONNECTIONS).await?;
    let runtime = house.runtime();
    let bus = house.bus(NAME).await?;
    let publisher = Publisher::start(NAME, bus.clone(), db.clone(), &runtime);
    outbox::start_relay(NAME, bus, db.clone(), publisher.clone(), None, &runtime);
    let ready = vec![database::ready("database", &db)];
    let users = Arc::new(Users { db, auth, publisher });
    Ok(Part {
        name: NAME,
        public: http::public().with_state(Arc::clone(&users)),
        internal: http::internal(&users),
        ready,
    })
}
