//! The operators' command line: sagas and dead letters over the internal REST API, as somebody who logs
//! in with the role operator.

mod client;
mod dead_letters;
mod saga;
mod shown;
mod trail;

pub(crate) use dead_letters::{DeadLettersArguments, run as run_dead_letters};
pub(crate) use saga::{SagaArguments, run as run_saga};
pub(crate) use trail::{AuditCommand, run as run_audit};

/// An id on the command line.
fn id(text: &str) -> Result<uuid::Uuid, &'static str> {
    uuid::Uuid::try_parse(text).map_err(|_| "an id looks like 01a1fd91-5703-76a9-b49f-2361119a700b")
}
