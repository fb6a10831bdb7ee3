//! The workflows that the orchestrator runs, each without its type: what the world needs of it.

use std::any::Any;
use std::collections::HashSet;
use std::sync::Arc;

use contracts::Timestamp;
use messaging::rows::memory::Tables;
use orchestrator::simulation::{
    self, Act, ForEachWorkflow, HistoryRow, Input, KnownPauses, ManagerDecider, PauseRow, SagaRow, Told,
    Workflow,
};
use saga::{Record, StepInfo};
use uuid::Uuid;

use super::parts::{Part, Stage};
use super::service::{Heard, Loops};

/// The house in which all of them run.
pub(super) const ORCHESTRATOR: &str = "orchestrator";

/// A workflow, and where its manager is.
pub(super) struct Managed {
    pub(super) name: &'static str,
    /// Its manager's place in the world.
    pub(super) service: usize,
    pub(super) versions: Vec<Version>,
    pub(super) advance: fn(Uuid, saga::Input) -> Box<dyn Any>,
    pub(super) act: fn(Act) -> Box<dyn Any>,
    pub(super) due: fn(&Tables, &HashSet<&str>, Timestamp) -> Vec<Uuid>,
    pub(super) free_again: FreeAgain,
    /// Whether a saga that began with this is what its history makes of it.
    pub(super) replays: fn(&SagaRow, &dyn Any, &[Record]) -> Result<(), String>,
}

/// The sagas that may go on while these pauses hold, each with what tells them so.
type FreeAgain = fn(&Tables, &[PauseRow]) -> Vec<(Uuid, saga::Input)>;

/// A version of a workflow, as declared.
#[derive(Debug, Clone)]
pub(super) struct Version {
    pub(super) number: u32,
    pub(super) steps: Vec<StepInfo>,
}

impl Managed {
    pub(super) fn participants(&self) -> impl Iterator<Item = &'static str> {
        let steps = self.versions.iter().flat_map(|version| &version.steps);
        steps.flat_map(|step| [step.participant, step.undone_by]).flatten()
    }

    pub(super) fn version(&self, number: u32) -> Option<&Version> {
        self.versions.iter().find(|version| version.number == number)
    }
}

/// Makes the managers of all workflows, and what the world has to know of them.
pub(super) fn managers(stage: &Stage, pauses: &[Arc<KnownPauses>]) -> (Vec<Part>, Vec<Managed>) {
    let mut making = Making { stage, pauses, parts: Vec::new(), managed: Vec::new() };
    simulation::for_each_workflow(&mut making);
    (making.parts, making.managed)
}

struct Making<'a> {
    stage: &'a Stage,
    pauses: &'a [Arc<KnownPauses>],
    parts: Vec<Part>,
    managed: Vec<Managed>,
}

impl ForEachWorkflow for Making<'_> {
    fn workflow<W: Workflow>(&mut self) {
        let deciders = self.pauses.iter().map(|known| simulation::decider::<W>(Arc::clone(known)));
        let database = self.stage.databases.orchestrator.clone();
        let loops: Loops<ManagerDecider<W>> = Loops::new(deciders, database, self.stage, heard::<W>);
        let sources = simulation::sources_of::<W>();
        self.managed.push(managed::<W>(self.parts.len()));
        self.parts.push(Part { house: ORCHESTRATOR, sources, service: Box::new(loops) });
    }
}

fn managed<W: Workflow>(service: usize) -> Managed {
    let definitions = W::definitions();
    let versions = definitions
        .iter()
        .map(|definition| Version { number: definition.version(), steps: definition.steps().collect() });
    Managed {
        name: W::NAME,
        service,
        versions: versions.collect(),
        advance: |saga_id, input| Box::new(Input::<W::Data>::Advance(saga_id, input)),
        act: |act| Box::new(Input::<W::Data>::Act(Box::new(act))),
        due: simulation::due::<W>,
        free_again: simulation::free_again::<W>,
        replays: replays::<W>,
    }
}

fn heard<W: Workflow>(told: &Told<W::Row>) -> Heard {
    match told {
        Told::Begin(simulation::Answer::KeyReused) | Told::Act(Err(_)) => Heard::Refused,
        Told::Begin(_) | Told::Act(Ok(_)) => Heard::Done,
    }
}

fn replays<W: Workflow>(row: &SagaRow, begun_with: &dyn Any, history: &[Record]) -> Result<(), String> {
    let definitions = W::definitions();
    let version = row.definition_version();
    let definition = definitions.iter().find(|definition| definition.version() == version);
    let definition = definition.ok_or("its version is not known")?;
    let data = begun_with.downcast_ref::<W::Data>().ok_or("it began with data of another workflow")?;
    let again = saga::replay(definition, row.saga_id, data.clone(), history);
    if again.state != row.state.0 {
        return Err(format!("its history replays to {:?} in place of {:?}", again.state, row.state.0));
    }
    let data = serde_json::to_string(&again.data).map_err(|error| error.to_string())?;
    if data == row.data {
        Ok(())
    } else {
        Err(format!("its history replays to {data} in place of {}", row.data))
    }
}

/// A saga's history, record by record.
pub(super) fn history_of(tables: &Tables, saga_id: Uuid) -> Vec<Record> {
    tables.with_key::<HistoryRow>(saga_id).cloned().flat_map(HistoryRow::records).collect()
}
