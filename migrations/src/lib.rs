//! The databases: one module per service, each with its own migrator and tables. No service reads
//! another's tables.

pub mod auth;
pub mod billing;
pub mod delivery;
pub mod notification;
pub mod orchestrator;
pub mod rights;
mod shared;
pub mod stock;
pub mod user;

pub use sea_orm_migration::MigratorTrait;
