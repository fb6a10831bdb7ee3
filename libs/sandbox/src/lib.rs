//! Private PostgreSQL and NATS servers, and a Prometheus for tests, in a folder of their own: for `rondo up`, the bench and tests.
//!
//! The servers listen on 127.0.0.1 only, keep their data in their folder for the next start, and die with
//! this process however it ends. When this process is root, PostgreSQL (which refuses to be) runs as an
//! ordinary user.

mod account;
mod binaries;
mod cluster;
mod daemon;
mod error;
mod home;
mod lock;
mod nats;
mod port;
mod postgres;
mod process;
mod process_table;
mod prometheus;
mod proxy;
mod running;

pub use error::Error;
pub use home::reachable;
pub use lock::Lock;
pub use nats::{Nats, NatsOptions};
pub use port::{free_port, require_free};
pub use postgres::{Postgres, PostgresOptions};
pub use prometheus::{Prometheus, PrometheusOptions};
pub use proxy::{Flow, Proxy};
pub use running::running_postgres;
