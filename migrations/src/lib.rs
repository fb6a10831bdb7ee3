//! The databases: one module per service, each with its own migrator and tables. No service reads
//! another's tables.

pub mod billing;
pub mod auth;
pub mod orchestrator;
mod shared;
pub mod user;
