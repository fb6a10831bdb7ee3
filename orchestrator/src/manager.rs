//! The workflow manager: sagas in, commands out. Generic over the workflow, without type erasure and
//! without callbacks per step: a workflow gives its definitions and the row it shows to its users.
//!
//! `decider.rs` is the rule over a batch; `saga_row.rs` how a saga is stored; `sweep.rs` the clock that
//! asks again; `act.rs` moving a saga on somebody's behalf, `audit_row.rs` the trail of it; `waiters.rs`
//! those who wait for a decision; `admission.rs` the bound of open sagas; `pauses.rs` what must not be
//! sent now, `moving.rs` one saga's move under it; `operated.rs` a workflow as operators meet it; `measures.rs` and
//! `census.rs` what is measured.

mod act;
mod admission;
mod audit_row;
mod census;
mod decider;
mod http;
mod input;
mod log_lines;
mod measures;
mod moving;
mod operated;
mod pauses;
mod retention;
mod saga_row;
mod set;
pub mod simulation;
mod sweep;
#[cfg(test)]
mod versions;
mod waiters;

use std::sync::Arc;

use chrono::SubsecRound;
use contracts::Timestamp;
use messaging::idempotency::Key;
use messaging::rows::{Record, select};
use messaging::{Bus, CallError, Handle, LoopLimits, Pools, Publisher, Runtime, Source, topology};
use saga::{Decision, Definition, Outcome, Status};
use sea_orm::{DatabaseConnection, DbErr};
use serde::Serialize;
use serde::de::DeserializeOwned;
use uuid::Uuid;

pub(crate) use act::{Act, ActError, ActRefused, Acted, Actor, Wanted};
pub(crate) use admission::{Admission, Bounds, admit};
pub(crate) use census::start as start_census;
use decider::ManagerDecider;
pub(crate) use http::{SagaLine, SagaStatus, Sagas, customers_word, lines_from, routes, saga_status};
use input::Told;
pub(crate) use input::{Answer, Input};
pub(crate) use operated::Operated;
pub(crate) use pauses::Pauses;
pub(crate) use retention::start as start_removing;
use saga_row::SagaRow;
use waiters::Waiters;
pub(crate) use waiters::Waiting;

/// What a workflow is to its manager.
pub trait Workflow: Send + Sync + 'static {
    /// Its name: that of its definitions.
    const NAME: &'static str;
    /// The subject of the replies to its commands; those to one process have its name behind it.
    const REPLY_SUBJECT: &'static str;
    /// The version with which new sagas begin. A new version is carried for one release before it is
    /// started, so that two binaries at once can move each other's sagas.
    const START_VERSION: u32;
    /// The types of the events that change its rows, each about the key of one.
    const HEARS: &'static [&'static str] = &[];
    /// What its sagas know.
    type Data: Serialize + DeserializeOwned + Clone + Send + Sync + 'static;
    /// What its users see of it: one row a saga, a projection of the saga.
    type Row: Record + Clone + 'static;

    /// Every version that may still run, and the one to come.
    fn definitions() -> Vec<Definition<Self::Data>>;
    /// The key of its row.
    fn key(data: &Self::Data) -> Uuid;
    /// The row of a saga that begins, if that is where the row begins.
    fn started(data: &Self::Data) -> Option<Self::Row>;
    /// The row when the saga's fate is known, if that changes it.
    fn decided(data: &Self::Data, decision: &Decision, now: Timestamp) -> Option<Self::Row>;
    /// The row when the saga has ended, if that changes it.
    fn finished(data: &Self::Data, outcome: &Outcome, now: Timestamp) -> Option<Self::Row>;
    /// The money that a saga moves when it passes its pivot, in minor units: for metrics alone.
    fn worth(_data: &Self::Data) -> i64 {
        0
    }
    /// The row after an event of [`Workflow::HEARS`], if that changes it.
    fn heard(_row: &Self::Row, _event_type: &str, _now: Timestamp) -> Option<Self::Row> {
        None
    }
}

/// What begins a saga.
#[derive(Debug, Clone)]
pub struct NewSaga<D> {
    /// Its id.
    pub saga_id: Uuid,
    /// What it knows at first.
    pub data: D,
    /// W3C trace context.
    pub traceparent: String,
    /// The client's key, if it sent one.
    pub idempotency: Option<Key>,
    /// Who wants it, where that is to stand in the audit trail.
    pub wanted: Option<Wanted>,
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
#[derive(Clone)]
pub(crate) struct Parts<'a> {
    /// The [name](process_name) of this process.
    pub(crate) process: String,
    pub(crate) bus: &'a Bus,
    pub(crate) publisher: Publisher,
    /// For the loops alone.
    pub(crate) writer: DatabaseConnection,
    /// For everything that only looks.
    pub(crate) reader: DatabaseConnection,
    pub(crate) admission: Arc<Admission>,
    pub(crate) pauses: Arc<Pauses>,
    pub(crate) limits: LoopLimits,
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
    /// Starts the workflow's loops, its sweep and what wakes its waiters.
    pub(crate) async fn start(parts: Parts<'_>) -> Result<Self, ManagerError> {
        let Parts { process, bus, publisher, writer, reader, admission, pauses, limits, runtime } = parts;
        let waiters = Waiters::new(W::NAME, bus.clone(), runtime);
        let decider = ManagerDecider::<W>::new(
            topology::reply_subject_of(W::NAME, &process),
            Arc::clone(&waiters),
            Arc::clone(&admission),
            pauses.known(),
        );
        decider.check_versions(&reader).await?;
        let pools = Pools { writer: &writer, reader: &reader };
        let handle =
            messaging::start(decider, pools, bus, &publisher, sources::<W>(&process), limits, runtime);
        sweep::start(handle.clone(), bus.clone(), reader.clone(), Arc::clone(&admission), runtime);
        waiters::hear_others(W::NAME, bus.clone(), Arc::clone(&waiters), reader.clone(), runtime);
        Ok(Self { handle, waiters, admission, reader })
    }

    /// Accepts a saga: after this it is in the database and will reach its end.
    ///
    /// # Errors
    /// See [`messaging::CallError`]; nothing was accepted then.
    pub(crate) async fn begin(&self, new: NewSaga<W::Data>) -> Result<Answer<W::Row>, messaging::CallError> {
        let _waits = self.admission.begins();
        let Told::Begin(answer) = self.handle.call(Input::Begin(Box::new(new))).await? else {
            return Err(CallError::Failed); // The loop answers each in its own words.
        };
        if matches!(answer, Answer::Begun(_)) {
            self.admission.started();
        }
        Ok(answer)
    }

    /// Gives a saga an input on somebody's behalf (`cancel` of its customer, an operator's action) and
    /// answers after the commit; what was done stands in the audit trail.
    ///
    /// # Errors
    /// [`ActError::Refused`]: nothing was changed. [`ActError::Call`]: see [`CallError`].
    pub(crate) async fn act(
        &self,
        saga_id: Uuid,
        input: saga::Input,
        by: Actor,
        reason: impl Into<String>,
    ) -> Result<Acted, ActError> {
        let act = Act { action_id: Uuid::now_v7(), saga_id, input, by, reason: reason.into() };
        match self.handle.call(Input::Act(Box::new(act))).await? {
            Told::Act(acted) => Ok(acted?),
            // The loop answers each in its own words.
            Told::Begin(_) => Err(CallError::Failed.into()),
        }
    }

    /// Waits for the decision about a row; to be called before what may decide it.
    pub(crate) fn wait_for(&self, key: Uuid) -> Waiting<W::Row> {
        Waiters::wait_for(&self.waiters, key)
    }

    /// What a saga is doing, if there is such a saga.
    ///
    /// # Errors
    /// The database refuses.
    pub(crate) async fn status(&self, saga_id: Uuid) -> Result<Option<Status>, DbErr> {
        Ok(self.row_of(saga_id).await?.map(|row| row.state.0.status()))
    }

    /// What a saga that is in this status knows.
    ///
    /// # Errors
    /// The database refuses, or a stored saga does not read back.
    pub(crate) async fn data_in(&self, saga_id: Uuid, status: Status) -> Result<Option<W::Data>, DbErr> {
        let row = self.row_of(saga_id).await?.filter(|row| row.state.0.status() == status);
        let instance = row.map(|row| row.instance().map_err(|error| DbErr::Json(error.to_string())));
        Ok(instance.transpose()?.map(|instance| instance.data))
    }

    async fn row_of(&self, saga_id: Uuid) -> Result<Option<SagaRow>, DbErr> {
        let wanted = select("saga_id = $1 AND workflow = $2").bind(saga_id).bind(W::NAME);
        Ok(wanted.read(&self.reader).await?.pop())
    }

    pub(crate) fn reader(&self) -> &DatabaseConnection {
        &self.reader
    }
}

/// A name for this process, unlike any other's: what it asks is answered to it, for it remembers the sagas that it has
/// moved. (With two processes that share their replies, each knows half of the sagas, and a saga cost a tenth more CPU:
/// docs/performance.md.)
pub(crate) fn process_name() -> String {
    // The end of a UUIDv7 is random.
    Uuid::now_v7().simple().to_string().split_off(24)
}

/// What a workflow's loops read in a process of this name; `*` is any. The replies that go to none of them by name are of
/// older releases, of dead letters that are sent again, and of tools.
fn sources<W: Workflow>(process: &str) -> Vec<Source> {
    let mut sources = vec![Source::replies(W::NAME), Source::replies_to(W::NAME, process)];
    if !W::HEARS.is_empty() {
        sources.push(Source::events(W::NAME, W::HEARS));
    }
    sources
}

/// The clock of this crate's shell, in whole microseconds as Postgres keeps them.
pub(crate) fn now() -> Timestamp {
    chrono::Utc::now().trunc_subsecs(6)
}
