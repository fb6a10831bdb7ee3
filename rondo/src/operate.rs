//! The operators' command line: sagas and dead letters over the internal REST API, as somebody who logs
//! in with the role operator.

mod client;
mod dead_letters;
mod saga;
mod shown;

pub(crate) use dead_letters::{DeadLettersArguments, run as run_dead_letters};
pub(crate) use saga::{SagaArguments, run as run_saga};
