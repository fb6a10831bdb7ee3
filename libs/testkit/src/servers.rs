//! Real PostgreSQL and NATS servers. They end with the test process, however that ends.

use std::{
    path::PathBuf,
    sync::atomic::{AtomicU32, Ordering},
};

use sandbox::{Nats, NatsOptions, Postgres, PostgresOptions};
use tokio::sync::OnceCell;

use crate::run_dir;

/// Where scripts/install-servers.sh puts nats-server.
const TOOLS: &str = concat!(env!("CARGO_MANIFEST_DIR"), "/../../.rondo/tools");

static POSTGRES: OnceCell<Postgres> = OnceCell::const_new();
static NEXT_DATABASE: AtomicU32 = AtomicU32::new(0);

/// The PostgreSQL that all tests of this process share, started by the first that asks. Not synced to disk.
///
/// # Panics
/// When it cannot be started.
pub async fn postgres() -> &'static Postgres {
    POSTGRES.get_or_init(own_postgres).await
}

/// A PostgreSQL of the test's own, to be stopped, killed or frozen. Dropping it ends it.
///
/// # Panics
/// When it cannot be started.
pub async fn own_postgres() -> Postgres {
    let template = Some(run_dir::template());
    let options = PostgresOptions { dir: run_dir::fresh("postgres"), port: None, durable: false, template };
    Postgres::start(options).await.unwrap_or_else(|error| panic!("{error}"))
}

/// A new, empty database on the shared PostgreSQL; returns the URL for its owner. `prefix` is lower-case letters,
/// digits and underscores, and shows in the database's name.
///
/// # Panics
/// When it cannot be made.
pub async fn database(prefix: &str) -> String {
    let name = format!("{prefix}_{}", NEXT_DATABASE.fetch_add(1, Ordering::Relaxed));
    postgres().await.create_database(&name).await.unwrap_or_else(|error| panic!("{error}"))
}

/// A program that scripts/install-servers.sh installs for tests.
///
/// # Panics
/// It is not there.
pub fn tool(name: &str) -> PathBuf {
    let path = PathBuf::from(TOOLS).join(name);
    assert!(path.is_file(), "{name} is missing: run `scripts/install-servers.sh tests`");
    path
}

/// A NATS server of the test's own, with JetStream and a free port, for everybody. Dropping it ends it.
///
/// # Panics
/// When it cannot be started.
pub async fn nats() -> Nats {
    nats_with(String::new()).await
}

/// Three of them that are one cluster, synced to disk. They may still have to find a leader.
///
/// # Panics
/// When they cannot be started.
pub async fn nats_cluster(configuration: String) -> Vec<Nats> {
    let tools = vec![PathBuf::from(TOOLS)];
    let options =
        NatsOptions { dir: run_dir::fresh("nats"), port: None, durable: true, configuration, tools };
    Nats::start_cluster(3, options).await.unwrap_or_else(|error| panic!("{error}"))
}

/// The same as [`nats`], with more of its configuration: who may use it and what for.
///
/// # Panics
/// When it cannot be started.
pub async fn nats_with(configuration: String) -> Nats {
    let tools = vec![PathBuf::from(TOOLS)];
    let options =
        NatsOptions { dir: run_dir::fresh("nats"), port: None, durable: false, configuration, tools };
    Nats::start(options).await.unwrap_or_else(|error| panic!("{error}"))
}
