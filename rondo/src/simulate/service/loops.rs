//! A service by its real rules: the loops of its processes, and what each has in its hands.

use std::any::Any;
use std::collections::VecDeque;
use std::panic::AssertUnwindSafe;
use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll, Waker};

use bytes::Bytes;
use messaging::rows::memory::Database;
use messaging::simulation::{self, Given, Outcome, Ready};
use messaging::{BatchError, Decider};

use super::{Committed, Heard, LOOPS, Lane, Origin, PATIENT, PROCESSES, PROMPT, Progress, Service};
use crate::simulate::clock::Clock;
use crate::simulate::dice::{digest, mix};
use crate::simulate::ids::Ids;
use crate::simulate::parts::Stage as Shared;

/// A service by its rules.
pub(in crate::simulate) struct Loops<D: Decider> {
    /// One a process.
    deciders: Vec<Arc<D>>,
    database: Database,
    /// One a process.
    clocks: [Clock; PROCESSES],
    ids: Ids,
    lanes: [[LoopOf<D>; LOOPS]; PROCESSES],
    hear: fn(&D::Answer) -> Heard,
}

struct LoopOf<D: Decider> {
    inbox: VecDeque<Arrived<D>>,
    batch: Option<BatchOf<D>>,
}

struct Arrived<D: Decider> {
    given: Given<D>,
    origin: Origin,
    about: u64,
}

struct BatchOf<D: Decider> {
    given: Arc<Vec<Given<D>>>,
    origins: Vec<(Origin, u64)>,
    stage: Stage<D>,
    /// Then it is tried again with locks.
    has_failed: bool,
}

type Deciding<D> = Pin<Box<dyn Future<Output = Result<Ready<D>, BatchError>> + Send>>;
type Committing<D> =
    Pin<Box<dyn Future<Output = Result<Outcome<<D as Decider>::Answer>, BatchError>> + Send>>;

enum Stage<D: Decider> {
    /// To be loaded, giving others a turn after so many statements.
    New(Option<u32>),
    Deciding(Deciding<D>),
    Saved(Box<Ready<D>>),
    Committing(Committing<D>),
    /// What the loop has in its hands, and nobody answered.
    Over,
}

impl<D: Decider> Loops<D> {
    pub(in crate::simulate) fn new(
        deciders: impl IntoIterator<Item = D>,
        database: Database,
        shared: &Shared,
        hear: fn(&D::Answer) -> Heard,
    ) -> Self {
        let idle = |_| LoopOf { inbox: VecDeque::new(), batch: None };
        let lanes = std::array::from_fn(|_| std::array::from_fn(idle));
        let deciders = deciders.into_iter().map(Arc::new).collect();
        let clocks = shared.skews.map(|skew| shared.clock.wrong_by(skew));
        Self { deciders, database, clocks, ids: shared.ids.clone(), lanes, hear }
    }

    fn lane(&mut self, lane: Lane) -> &mut LoopOf<D> {
        &mut self.lanes[lane.process][lane.patience]
    }

    fn deciding(
        &self,
        process: usize,
        given: &Arc<Vec<Given<D>>>,
        is_optimistic: bool,
        turn_after: Option<u32>,
    ) -> Deciding<D> {
        let (decider, given) = (Arc::clone(&self.deciders[process]), Arc::clone(given));
        let session = if is_optimistic {
            self.database.begin_optimistic(turn_after)
        } else {
            self.database.begin(turn_after)
        };
        let (clock, ids) = (self.clocks[process].clone(), self.ids.clone());
        Box::pin(async move {
            simulation::decide(&*decider, session, &given, || clock.now(), || ids.next()).await
        })
    }

    fn committing(&self, process: usize, given: &Arc<Vec<Given<D>>>, ready: Ready<D>) -> Committing<D> {
        let (decider, given) = (Arc::clone(&self.deciders[process]), Arc::clone(given));
        Box::pin(async move { ready.commit(&*decider, &given).await })
    }

    fn ended(&self, lane: Lane, mut committing: Committing<D>) -> (Stage<D>, Progress) {
        match polled(&mut committing) {
            Poll::Pending => (Stage::Committing(committing), Progress::Waits),
            Poll::Ready(Ok(outcome)) => (Stage::Over, Progress::Committed(self.committed(lane, outcome))),
            Poll::Ready(Err(error)) => failed(&error),
        }
    }

    fn committed(&self, lane: Lane, outcome: Outcome<D::Answer>) -> Committed {
        let batch = self.lanes[lane.process][lane.patience].batch.as_ref();
        let origins = batch.map_or(&[][..], |batch| &batch.origins);
        let mut committed =
            Committed { messages: outcome.messages, outbox_row: outcome.outbox_row, ..Committed::default() };
        for (((origin, _), answer), left) in origins.iter().zip(outcome.answers).zip(outcome.left) {
            committed.done.push((*origin, left));
            if let (Origin::Caller(caller), Some(answer)) = (origin, answer) {
                committed.answers.push((*caller, (self.hear)(&answer)));
            }
        }
        committed
    }
}

fn decided<D: Decider>(mut deciding: Deciding<D>) -> (Stage<D>, Progress) {
    match polled(&mut deciding) {
        Poll::Pending => (Stage::Deciding(deciding), Progress::Waits),
        Poll::Ready(Ok(ready)) => (Stage::Saved(Box::new(ready)), Progress::Saved),
        Poll::Ready(Err(error)) => failed(&error),
    }
}

fn failed<D: Decider>(error: &BatchError) -> (Stage<D>, Progress) {
    (Stage::New(None), Progress::Failed(error.kind(), error.to_string()))
}

/// A panic is a batch's failure, as in the loop.
fn polled<T>(
    future: &mut Pin<Box<dyn Future<Output = Result<T, BatchError>> + Send>>,
) -> Poll<Result<T, BatchError>> {
    let mut context = Context::from_waker(Waker::noop());
    let polled = std::panic::catch_unwind(AssertUnwindSafe(|| future.as_mut().poll(&mut context)));
    polled.unwrap_or_else(|panic| {
        let text = panic.downcast_ref::<&str>().map(|text| (*text).to_owned());
        let text = text.or_else(|| panic.downcast_ref::<String>().cloned());
        Poll::Ready(Err(BatchError::Panic(text.unwrap_or_default())))
    })
}

impl<D: Decider> Service for Loops<D> {
    fn name(&self) -> &'static str {
        D::SERVICE
    }

    fn database(&self) -> &Database {
        &self.database
    }

    fn take_in(&mut self, process: usize, receipt: usize, payload: &Bytes) -> Result<usize, String> {
        let decider = Arc::clone(&self.deciders[process]);
        let opened = simulation::open(&*decider, payload);
        let items = opened.len();
        for given in opened {
            let given = given?;
            let patience = if decider.can_wait(given.input()) { PATIENT } else { PROMPT };
            let about = digest(given.item_id().unwrap_or_default().as_bytes());
            let arrived = Arrived { given, origin: Origin::Message { receipt }, about };
            self.lanes[process][patience].inbox.push_back(arrived);
        }
        Ok(items)
    }

    fn put(&mut self, process: usize, origin: Origin, about: u64, input: Box<dyn Any>) {
        let input = input.downcast::<D::Input>().expect("callers know whom they ask");
        let arrived = Arrived { given: Given::own(*input), origin, about };
        self.lanes[process][PROMPT].inbox.push_back(arrived);
    }

    fn is_busy(&self, lane: Lane) -> bool {
        self.lanes[lane.process][lane.patience].batch.is_some()
    }

    fn has_inputs(&self, lane: Lane) -> bool {
        !self.lanes[lane.process][lane.patience].inbox.is_empty()
    }

    fn begin(&mut self, lane: Lane, inputs_max: usize) {
        let looping = self.lane(lane);
        let count = looping.inbox.len().min(inputs_max);
        let (mut given, mut origins) = (Vec::with_capacity(count), Vec::with_capacity(count));
        for arrived in looping.inbox.drain(..count) {
            given.push(arrived.given);
            origins.push((arrived.origin, arrived.about));
        }
        let batch = BatchOf { given: Arc::new(given), origins, stage: Stage::New(None), has_failed: false };
        looping.batch = Some(batch);
    }

    fn give_turn(&mut self, lane: Lane, after: u32) {
        if let Some(batch) = &mut self.lane(lane).batch {
            batch.stage = Stage::New(Some(after));
        }
    }

    fn about(&self, lane: Lane) -> u64 {
        let batch = self.lanes[lane.process][lane.patience].batch.as_ref();
        let first = batch.and_then(|batch| batch.origins.first());
        mix(first.map_or(0, |(_, about)| *about), digest(D::SERVICE.as_bytes()))
    }

    fn go_on(&mut self, lane: Lane) -> Progress {
        let Some(batch) = &mut self.lane(lane).batch else { return Progress::Waits };
        let given = Arc::clone(&batch.given);
        let is_optimistic = D::IS_OPTIMISTIC && !batch.has_failed;
        let (stage, progress) = match std::mem::replace(&mut batch.stage, Stage::Over) {
            Stage::New(turn_after) => decided(self.deciding(lane.process, &given, is_optimistic, turn_after)),
            Stage::Deciding(deciding) => decided(deciding),
            Stage::Saved(ready) => self.ended(lane, self.committing(lane.process, &given, *ready)),
            Stage::Committing(committing) => self.ended(lane, committing),
            Stage::Over => (Stage::Over, Progress::Waits),
        };
        if let Some(batch) = &mut self.lane(lane).batch {
            batch.stage = stage;
            batch.has_failed |= matches!(progress, Progress::Failed(..));
        }
        progress
    }

    fn roll_back(&mut self, lane: Lane) {
        if let Some(batch) = &mut self.lane(lane).batch {
            batch.stage = Stage::New(None);
        }
    }

    fn release(&mut self, lane: Lane) {
        self.lane(lane).batch = None;
    }

    fn die(&mut self, process: usize) {
        for looping in &mut self.lanes[process] {
            looping.inbox.clear();
            looping.batch = None;
        }
    }
}
