//! Every command, reply, refusal and event that crosses a service border: plain data, names and
//! versions. Nothing here does I/O; nothing here knows who handles what.
//!
//! Within a version only optional fields are added. A breaking change is a new struct with a new
//! `TYPE`, and both are handled until the old one has drained.

pub mod auth;
pub mod billing;
mod command;
pub mod delivery;
mod email;
mod event;
mod money;
pub mod notification;
pub mod order;
pub mod stock;
pub mod user;

pub use command::{Command, Direction, Never, Outcome, Refusal, Reply, ReplyData, command_id};
pub use email::{Email, EmailError};
pub use event::{Event, EventData};
pub use money::{Amount, AmountError, MAX_AMOUNT};

/// A point in time, UTC.
pub type Timestamp = chrono::DateTime<chrono::Utc>;
