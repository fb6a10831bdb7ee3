//! The workflow manager: sagas in, commands out. Generic over the workflow, without type erasure and
//! without callbacks per step: a workflow gives its definitions and the row it shows to its users.
//!
//! `decider.rs` is the rule over a batch; `saga_row.rs` how a saga is stored; `sweep.rs` the clock that
//! asks again; `waiters.rs` those who wait for a decision; `admission.rs` the bound of open sagas.

mod admission;
mod decider;
mod http;
mod saga_row;
mod sweep;
mod waiters;

use std::sync::Arc;

use chrono::SubsecRound;
use contracts::Timestamp;
use messaging::idempotency::Key;
use messaging::rows::Record;
use messaging::{Bus, Handle, LoopLimits, Publisher, Runtime, Source};
use saga::{Decision, Definition, Outcome};
use sea_orm::{DatabaseConnection, DbErr};
use serde::Serialize;
use serde::de::DeserializeOwned;
use uuid::Uuid;

pub(crate) use admission::{Admission, admit};
use decider::ManagerDecider;
pub(crate) use decider::{Answer, Input};
pub(crate) use http::{SagaStatus, routes, saga_status};
use waiters::Waiters;
pub(crate) use waiters::Waiting;

/// What a workflow is to its manager.
pub trait Workflow: Send + Sync + 'static {
    /// Its name: that of its definitions.
    const NAME: &'static str;
    /// The subject of the replies to its commands.
    const REPLY_SUBJECT: &'static str;
    /// What its sagas know.
    type Data: Serialize + DeserializeOwned + Clone + Send + Sync + 'static;
    /// What its users see of it: one row a saga, a projection of the saga.
    type Row: Record + Clone + 'static;

    /// Every version that may still run, the one to start last.
    fn definitions() -> Vec<Definition<Self::Data>>;
    /// The key of its row.
    fn key(data: &Self::Data) -> Uuid;
    /// The row of a saga that begins.
    fn started(data: &Self::Data) -> Self::Row;
    /// The row when the saga's fate is known.
    fn decided(data: &Self::Data, decision: &Decision, now: Timestamp) -> Self::Row;
    /// The row when the saga has ended, if that changes it.
    fn finished(data: &Self::Data, outcome: &Outcome, now: Timestamp) -> Option<Self::Row>;
}

/// What begins a saga.
#[derive(Debug, Clone)]
pub(crate) struct NewSaga<D> {
    pub(crate) saga_id: Uuid,
    pub(crate) data: D,
    pub(crate) traceparent: String,
    pub(crate) idempotency: Option<Key>,
}

/// Runs the sagas of one workflow. Cheap to clone.
pub struct WorkflowManager<W: Workflow> {
    handle: Handle<ManagerDecider<W>>,
    waiters: Arc<Waiters<W::Row>>,
    admission: Arc<Admission>,
    reader: DatabaseConnection,
}

impl<W: Workflow> Clone for WorkflowManager<W> {
    fn clone(&self) -> Self {
        Self {
            handle: self.handle.clone(),
            waiters: Arc::clone(&self.waiters),
            admission: Arc::clone(&self.admission),
            reader: self.reader.clone(),
        }
    }
}

/// The process does not know a version that sagas in the database still use.
#[derive(Debug, thiserror::Error)]
#[error("open sagas of workflow {workflow} use version {version}, which this process does not know")]
pub struct UnknownVersion {
    workflow: &'static str,
    version: i64,
}

/// What a manager works with.
pub(crate) struct Parts<'a> {
    pub(crate) bus: &'a Bus,
    pub(crate) publisher: Publisher,
    /// For the loop alone.
    pub(crate) writer: DatabaseConnection,
    /// For everything that only looks.
    pub(crate) reader: DatabaseConnection,
    pub(crate) admission: Arc<Admission>,
    pub(crate) runtime: &'a Runtime,
}

/// A manager cannot start.
#[derive(Debug, thiserror::Error)]
pub(crate) enum ManagerError {
    #[error(transparent)]
    Database(#[from] DbErr),
    #[error(transparent)]
    Version(#[from] UnknownVersion),
}

impl<W: Workflow> WorkflowManager<W> {
    /// Starts the workflow's loop, its sweep and what wakes its waiters.
    pub(crate) async fn start(parts: Parts<'_>) -> Result<Self, ManagerError> {
        let Parts { bus, publisher, writer, reader, admission, runtime } = parts;
        let decider = ManagerDecider::<W>::new(bus.clone(), runtime);
        decider.check_versions(&reader).await?;
        let waiters = decider.waiters();
        let sources = vec![Source::replies(W::NAME)];
        let handle =
            messaging::start(decider, writer, bus, publisher, sources, LoopLimits::default(), runtime);
        sweep::start(handle.clone(), bus.clone(), reader.clone(), runtime);
        waiters::hear_others(W::NAME, bus.clone(), Arc::clone(&waiters), runtime);
        Ok(Self { handle, waiters, admission, reader })
    }

    /// Accepts a saga: after this it is in the database and will reach its end.
    ///
    /// # Errors
    /// See [`messaging::CallError`]; nothing was accepted then.
    pub(crate) async fn begin(&self, new: NewSaga<W::Data>) -> Result<Answer<W::Row>, messaging::CallError> {
        let answer = self.handle.call(Input::Begin(Box::new(new))).await?;
        if matches!(answer, Answer::Begun(_)) {
            self.admission.started();
        }
        Ok(answer)
    }

    /// Waits for the decision about a row; to be called before what may decide it.
    pub(crate) fn wait_for(&self, key: Uuid) -> Waiting<W::Row> {
        Waiters::wait_for(&self.waiters, key)
    }

    pub(crate) fn reader(&self) -> &DatabaseConnection {
        &self.reader
    }
}

/// The clock of this crate's shell, in whole microseconds as Postgres keeps them.
pub(crate) fn now() -> Timestamp {
    chrono::Utc::now().trunc_subsecs(6)
}
