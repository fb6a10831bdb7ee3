//! The databases: one module per service, each with its own migrator and tables. No service reads
//! another's tables.

pub mod orchestrator;
mod shared;
