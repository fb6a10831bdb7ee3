//! What every handler is made of: extractors that answer with problems, and the problems.
//!
//! Order in a handler's arguments matters: [`Caller`] comes first, so that 401 is said before
//! anything about the resource; the body ([`Json`] or [`Keyed`]) comes last.

mod body;
mod caller;
mod client_address;
pub mod documentation;
mod json;
mod keyed;
mod page;
mod path;
mod plain_words;
mod prefer;
mod problem;
mod query;
pub(crate) mod trace;
mod validate;

use std::time::Duration;

/// How long a client of ours keeps a connection that nobody uses. A process that is to end serves those that it has for
/// longer (`DRAIN_SECONDS`): so it never ends one that somebody is about to use.
pub const CONNECTION_UNUSED_MAX: Duration = Duration::from_secs(3);

pub use ::trace::TraceContext;
pub use body::{BODY_BYTES_MAX, DISCARD_BYTES_MAX};
pub use caller::{Caller, InternalCaller, Standing};
pub use client_address::ClientAddress;
pub use json::Json;
pub use keyed::{IdempotencyKey, Keyed, REPLAYED};
pub use page::{Listed, NoFilter, Page, PageParameters};
pub use path::Path;
pub use prefer::PreferWait;
pub use problem::{PROBLEM_JSON, Problem};
pub use query::Query;
pub use validate::{FieldError, FieldErrors, Validate};

pub(crate) use body::{declared_length, discard, read as read_body};
pub(crate) use caller::bearer_token;
pub(crate) use client_address::Peer;
