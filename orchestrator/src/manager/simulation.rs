//! What a simulation needs of the manager: its rules without a bus, the rows they are about, and the sweep's
//! two questions put to tables in memory.

use std::collections::{BTreeSet, HashSet};
use std::sync::Arc;

use contracts::Timestamp;
use messaging::Source;
use messaging::rows::memory::Tables;
use uuid::Uuid;

pub use super::act::{Act, ActRefused, Acted, Actor, Wanted};
pub use super::audit_row::{ActionRow, Standing};
pub use super::decider::ManagerDecider;
pub use super::input::{Answer, Input, Told};
pub use super::pauses::{KnownPauses, PauseRow};
pub use super::saga_row::{HistoryRow, SagaRow};
pub use super::set::Set;
use super::waiters::Waiters;
pub use super::{NewSaga, Workflow};
use super::{sources, sweep};
use crate::{CancellationWorkflow, OrderWorkflow};

/// Something to be done with every workflow that the orchestrator runs.
pub trait ForEachWorkflow {
    /// Does it with one.
    fn workflow<W: Workflow>(&mut self);
}

/// Goes through the workflows that the orchestrator runs.
pub fn for_each_workflow(visitor: &mut impl ForEachWorkflow) {
    visitor.workflow::<OrderWorkflow>();
    visitor.workflow::<CancellationWorkflow>();
}

/// What the loops of all workflows read, in any process.
pub(crate) fn all_sources() -> Vec<Source> {
    struct All(Vec<Source>);
    impl ForEachWorkflow for All {
        fn workflow<W: Workflow>(&mut self) {
            self.0.extend(sources::<W>("*"));
        }
    }
    let mut all = All(Vec::new());
    for_each_workflow(&mut all);
    all.0
}

/// Everybody whom any workflow asks for anything, each once.
pub(crate) fn all_participants() -> BTreeSet<&'static str> {
    struct All(BTreeSet<&'static str>);
    impl ForEachWorkflow for All {
        fn workflow<W: Workflow>(&mut self) {
            let definitions = W::definitions();
            self.0.extend(definitions.iter().flat_map(saga::Definition::participants));
        }
    }
    let mut all = All(BTreeSet::new());
    for_each_workflow(&mut all);
    all.0
}

/// The names of the workflows that [`for_each_workflow`] goes through.
pub(crate) fn names() -> Vec<&'static str> {
    struct Names(Vec<&'static str>);
    impl ForEachWorkflow for Names {
        fn workflow<W: Workflow>(&mut self) {
            self.0.push(W::NAME);
        }
    }
    let mut names = Names(Vec::new());
    for_each_workflow(&mut names);
    names.0
}

/// The rules of a workflow, in a process that knows of these pauses. It asks for replies that any process may take:
/// all that may meet a saga's reply is met then, by a process that knows the saga and by one that does not.
pub fn decider<W: Workflow>(pauses: Arc<KnownPauses>) -> ManagerDecider<W> {
    ManagerDecider::new(W::REPLY_SUBJECT.to_owned(), Waiters::alone(), Arc::default(), pauses)
}

/// What a workflow's loops read.
pub fn sources_of<W: Workflow>() -> Vec<Source> {
    sources::<W>("*")
}

/// The sagas of a workflow that the sweep wakes while these participants have messages to read.
pub fn due<W: Workflow>(tables: &Tables, busy: &HashSet<&str>, now: Timestamp) -> Vec<Uuid> {
    let rows = tables.all::<SagaRow>().filter(|row| row.workflow == W::NAME);
    rows.filter(|row| sweep::is_due(row, busy, now)).map(|row| row.saga_id).collect()
}

/// The sagas of a workflow that the sweep lets go on while these pauses hold, each with what tells them so.
pub fn free_again<W: Workflow>(tables: &Tables, pauses: &[PauseRow]) -> Vec<(Uuid, saga::Input)> {
    let rows = tables.all::<SagaRow>().filter(|row| row.workflow == W::NAME);
    rows.filter_map(|row| Some((row.saga_id, sweep::resumed(row, pauses)?))).collect()
}
