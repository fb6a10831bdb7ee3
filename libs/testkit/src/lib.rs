//! For tests only: private servers, a service's process on them, a sender of commands, an HTTP client,
//! and conditions to wait for.
//!
//! A test process shares one PostgreSQL (a database per test); each test has a NATS of its own, because
//! the names of streams are the same everywhere. Everything here panics when it cannot do its work,
//! with what the reader needs to put it right.

mod eventually;
mod http;
mod process;
mod rights;
mod road;
mod run_dir;
mod servers;

pub use eventually::eventually;
pub use http::{Answer, Client};
pub use process::{Process, SIGNING_KEY, TestBed, service_token, token, token_for, token_in};
pub use rights::{Guarded, assert_rights_sufficed, guarded_database, users, violations};
pub use road::{Road, Said, command_item, delete_stream, event_item};
pub use sandbox::free_port;
pub use servers::{database, nats, nats_cluster, nats_with, own_postgres, postgres, tool};
