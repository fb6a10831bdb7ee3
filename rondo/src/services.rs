//! The table of services: the only place that knows them all.

use anyhow::Context;
use clap::ValueEnum;
use messaging::rights::Work;
use migrations::MigratorTrait;
use migrations::rights::{protect_migrations, role_of};
use sea_orm::DatabaseConnection;
use service::{House, Part, StartError, is_migrated};
use utoipa::openapi::OpenApi;

/// A service that this binary can run.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, ValueEnum)]
pub(crate) enum Service {
    /// Credentials, sessions, tokens.
    Auth,
    /// Profiles and registration.
    User,
    /// Accounts, holds and the ledger.
    Billing,
    /// Positions and reservations.
    Stock,
    /// Courier slots and deliveries.
    Delivery,
    /// Letters.
    Notification,
    /// Orders and their sagas.
    Orchestrator,
}

impl Service {
    /// All of them; auth first, for the others check tokens with its keys.
    pub(crate) const ALL: [Self; 7] = [
        Self::Auth,
        Self::User,
        Self::Billing,
        Self::Stock,
        Self::Delivery,
        Self::Notification,
        Self::Orchestrator,
    ];

    /// Its name on the command line, in the configuration and of its database.
    pub(crate) const fn name(self) -> &'static str {
        match self {
            Self::Auth => "auth",
            Self::User => "user",
            Self::Billing => "billing",
            Self::Stock => "stock",
            Self::Delivery => "delivery",
            Self::Notification => "notification",
            Self::Orchestrator => "orchestrator",
        }
    }

    /// Starts it in a house.
    pub(crate) async fn start(self, house: &House) -> Result<Part, StartError> {
        match self {
            Self::Auth => auth::start(house).await,
            Self::User => user::start(house).await,
            Self::Billing => billing::start(house).await,
            Self::Stock => stock::start(house).await,
            Self::Delivery => delivery::start(house).await,
            Self::Notification => notification::start(house).await,
            Self::Orchestrator => orchestrator::start(house).await,
        }
    }

    /// What it does at NATS.
    pub(crate) fn work(self) -> Work {
        match self {
            Self::Auth => auth::work(),
            Self::User => user::work(),
            Self::Billing => billing::work(),
            Self::Stock => stock::work(),
            Self::Delivery => delivery::work(),
            Self::Notification => notification::work(),
            Self::Orchestrator => orchestrator::work(),
        }
    }

    /// Connections to its database that one process of it has at most.
    pub(crate) const fn connections(self) -> u32 {
        match self {
            Self::Auth => auth::CONNECTIONS,
            Self::User => user::CONNECTIONS,
            Self::Billing => billing::CONNECTIONS,
            Self::Stock => stock::CONNECTIONS,
            Self::Delivery => delivery::CONNECTIONS,
            Self::Notification => notification::CONNECTIONS,
            Self::Orchestrator => orchestrator::CONNECTIONS,
        }
    }

    /// What it serves in public.
    pub(crate) fn public_api(self) -> OpenApi {
        match self {
            Self::Auth => auth::public_api(),
            Self::User => user::public_api(),
            Self::Billing => billing::public_api(),
            Self::Stock => stock::public_api(),
            Self::Delivery => delivery::public_api(),
            Self::Notification => notification::public_api(),
            Self::Orchestrator => orchestrator::public_api(),
        }
    }

    /// The migrations that this release needs in its database.
    pub(crate) fn schema(self) -> Vec<String> {
        let migrations = match self {
            Self::Auth => migrations::auth::Migrator::migrations(),
            Self::User => migrations::user::Migrator::migrations(),
            Self::Billing => migrations::billing::Migrator::migrations(),
            Self::Stock => migrations::stock::Migrator::migrations(),
            Self::Delivery => migrations::delivery::Migrator::migrations(),
            Self::Notification => migrations::notification::Migrator::migrations(),
            Self::Orchestrator => migrations::orchestrator::Migrator::migrations(),
        };
        migrations.iter().map(|migration| migration.name().to_owned()).collect()
    }

    /// Brings its database up to date; safe to run twice and by two at once.
    ///
    /// One that a newer release has brought further is well, as it is for the processes of this release: whoever goes
    /// back runs this again.
    pub(crate) async fn migrate(self, db: &DatabaseConnection) -> anyhow::Result<()> {
        if is_migrated(&self.schema(), db).await {
            return Ok(());
        }
        let migrated = match self {
            Self::Auth => migrations::auth::Migrator::up(db, None).await,
            Self::User => migrations::user::Migrator::up(db, None).await,
            Self::Billing => migrations::billing::Migrator::up(db, None).await,
            Self::Stock => migrations::stock::Migrator::up(db, None).await,
            Self::Delivery => migrations::delivery::Migrator::up(db, None).await,
            Self::Notification => migrations::notification::Migrator::up(db, None).await,
            Self::Orchestrator => migrations::orchestrator::Migrator::up(db, None).await,
        };
        let done = match migrated {
            Ok(()) => protect_migrations(db, &role_of(self.name())).await,
            Err(error) => Err(error),
        };
        done.with_context(|| format!("the database of {} cannot be brought up to date", self.name()))
    }
}
