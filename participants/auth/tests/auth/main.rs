//! Auth on real Postgres and NATS: credentials, sessions, roles, keys, and what every process is told.

mod announcing;
mod credentials;
mod desk;
mod keys;
mod rights;
mod sessions;
mod throttle;
