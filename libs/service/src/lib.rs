//! The house that every service lives in: configuration, database, HTTP listeners, tokens, problems,
//! telemetry and shutdown.
//!
//! A service offers `pub async fn start(house: &House) -> Result<Part, StartError>`: it connects,
//! starts its loops in `house.tasks` until `house.shutdown`, and hands over its routes and checks.
//! [`run`] serves the parts of a process on its two listeners until it is told to stop.

pub mod config;
pub mod database;
mod dead_letters;
pub mod gateway;
mod house;
pub mod http;
pub mod metric_names;
mod part;
mod schema;
mod server;
pub mod shutdown;
pub mod telemetry;
pub mod token;

pub use house::{House, StartError};
pub use part::{Part, ReadyCheck};
pub use schema::{Schemas, is_migrated};
pub use server::{Listeners, run};
