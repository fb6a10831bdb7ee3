//! What a library says of every try, and it tries every second: the first one, and then one now and then. Why the server
//! does not let a user in is told by `messaging`, with the cause.

use std::time::Instant;

use trace::seldom::Seldom;
use tracing::{Event, Level, Subscriber};
use tracing_subscriber::Layer;
use tracing_subscriber::layer::Context;

/// Who tries to connect to NATS.
const TRIES: &str = "async_nats::connector";

/// Keeps lines out of the log.
#[derive(Debug, Default)]
pub(super) struct Rarely(Seldom);

impl<S: Subscriber> Layer<S> for Rarely {
    fn event_enabled(&self, event: &Event<'_>, _: Context<'_, S>) -> bool {
        let about = event.metadata();
        let is_told_of_each = about.target() == TRIES && *about.level() == Level::ERROR;
        !is_told_of_each || self.0.again(Instant::now()).is_some()
    }
}
