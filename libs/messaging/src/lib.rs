//! The hands of every service: the one loop, run twice, that takes inputs, loads rows, decides, saves and
//! commits; the publisher behind it; streams, consumers, outbox and dead letters.
//!
//! Only this crate publishes and acknowledges. What is decided, a service says in a [`Decider`];
//! limits, failures, redelivery and shutdown are handled here, once.
//!
//! ```text
//!                             +--> patient loop --------------------------+
//! receiver (pulls, decodes) --+                                           |
//!                             +--> prompt loop: load, decide, save, commit --> publisher --> acks
//! HTTP handlers (Handle) -----+                     |
//!                                                   +--> answers to HTTP callers
//! ```

mod batch;
mod batch_loop;
pub mod broadcast;
mod bus;
mod buses;
mod caution;
pub mod crash;
mod dead_letters;
mod decider;
mod envelope;
mod failure;
mod gathered;
mod handle;
pub mod idempotency;
mod inbox;
mod log_lines;
mod loop_metrics;
mod metric;
pub mod metric_names;
pub mod nkey;
pub mod outbox;
mod outgoing;
mod participant;
mod publisher;
mod receiver;
mod refusals;
pub mod rights;
mod roads;
pub mod rows;
mod runtime;
mod silence;
pub mod simulation;
mod spans;
mod step_times;
mod take_over;
pub mod topology;
mod wake;
pub mod watch;

pub use batch_loop::{LOOP_CONNECTIONS, Pools, start};
pub use bus::{Access, Bus, ConnectError};
pub use buses::Buses;
pub use dead_letters::{
    DeadLetterDesk, DeadLetterDesks, Letter, LetterAction, LetterGroup, OnBehalf, RedriveError,
};
pub use decider::{Answer, Decided, Decider, DecodeError, OutgoingCommand};
pub use envelope::{BATCH_CONTENT_TYPE, Item, MAX_ITEMS, MAX_MESSAGE_BYTES};
pub use failure::{BatchError, FailureKind};
pub use handle::{CallError, Handle, LoopLimits};
pub use metric::{Metric, MetricKind, describe};
pub use publisher::Publisher;
pub use runtime::Runtime;
pub use silence::{give_up_silent, heard, until_answered};
pub use topology::{ConsumerSpec, Source, StreamSpec};
pub use wake::{Woken, wake_subject};
