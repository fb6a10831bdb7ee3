//! Sagas: how a workflow is declared, what state a running one is in, and the one pure function
//! that moves it. Nothing here does I/O, reads a clock or rolls a dice.
//!
//! * [`Saga`] declares a workflow; its types enforce the order of the steps; the result is a [`Definition`].
//! * [`Instance`] is one running saga: its [`State`] and the workflow's own data.
//! * [`advance`] takes an [`Input`] and returns the next instance and the [`Effect`]s to carry out.
//! * [`Record`] is one row of history; [`replay`] makes the instance of it, [`describe`] explains it.
//! * [`harness`] puts every step of a definition through every trouble, for tests.

mod advance;
mod definition;
mod effect;
pub mod harness;
mod history;
mod input;
mod instance;
mod step_set;
mod view;

pub use advance::{advance, allowed_actions};
pub use definition::builder;
pub use definition::builder::Saga;
pub use definition::{Definition, Pace, StepInfo, StepKind};
pub use effect::{Effect, IgnoredWhy, NotAllowed, Send, StuckWhy, ignored};
pub use history::{Note, Record, replay};
pub use input::{Action, Input, PausedBy};
pub use instance::{Cause, Decision, Instance, Outcome, Pause, Phase, State, Status, Waiting};
pub use step_set::StepSet;
pub use view::{HistoryView, SagaView, StepStatus, StepView, describe, tell};
