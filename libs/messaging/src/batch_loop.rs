//! The one loop: take what has arrived, load, decide, save, commit, answer; one transaction in flight.
//!
//! Batches form by themselves: while one commits, the next gathers. When a batch fails, the reason
//! decides (see [`FailureKind`]): nothing healthy is lost with what is poisonous, and nothing is
//! counted against an input because the database was away.
//!
//! A service runs it twice: promptly for callers and for messages that somebody waits for, and patiently
//! for messages that [can wait](Decider::can_wait). To each other the two are what a second process of the
//! same service is: whoever locks a row first goes first. Where they often want the same rows they
//! [take turns](Decider::TAKES_TURNS), so that each finds the rows as it knows them.

use std::collections::VecDeque;
use std::panic::AssertUnwindSafe;
use std::sync::Arc;
use std::time::Duration;

use chrono::SubsecRound;
use contracts::{Direction, Outcome, Timestamp};
use futures::FutureExt;
use sea_orm::DatabaseConnection;
use tokio::sync::{Mutex, mpsc};
use tokio::time::Instant;
use tokio_util::sync::CancellationToken;
use uuid::Uuid;

use crate::batch::{self, DecidedBatch};
use crate::bus::Bus;
use crate::caution::Caution;
use crate::crash::{self, Point};
use crate::dead_letters::DeadLetters;
use crate::decider::{Answer, Decided, Decider};
use crate::failure::{BatchError, FailureKind};
use crate::gathered::HandedOver;
use crate::handle::{Arrived, CallError, Handle, LoopLimits, Origin};
use crate::inbox::{Begins, Inbox};
use crate::log_lines;
use crate::loop_metrics::LoopMetrics;
use crate::outbox::StoredEvents;
use crate::publisher::Publisher;
use crate::receiver::{Receiver, letter};
use crate::rows::{Changes, Transaction, Version};
use crate::runtime::Runtime;
use crate::silence::{SILENT_AFTER, silent};
use crate::spans::BatchSpans;
use crate::take_over::TakeOver;
use crate::topology::Source;
use crate::watch;

/// Tries of a batch that meets others on its rows before it is split like poison.
const CONFLICTS_MAX: u32 = 16;
/// Batches that may wait for the patient loop. What finds no place goes to the prompt one, where it would
/// meet the patient one on the same rows: that costs more than to remember a few messages.
const PATIENT_BATCHES: usize = 4;
/// Pauses while the database is away.
const PAUSE_MIN: Duration = Duration::from_millis(20);
const PAUSE_MAX: Duration = Duration::from_secs(1);

/// Connections that the two loops of a [`start`] use: a transaction is in flight in each, dead letters and the
/// marks of the outbox are written beside them.
pub const LOOP_CONNECTIONS: u32 = 3;

/// A service's ways to its database.
#[derive(Debug, Clone, Copy)]
pub struct Pools<'a> {
    /// For the loops alone: [`LOOP_CONNECTIONS`].
    pub writer: &'a DatabaseConnection,
    /// For everything that only looks, and for operators.
    pub reader: &'a DatabaseConnection,
}

/// Starts a service's two loops over its sources: the prompt one, whose handle is returned, and the patient one.
pub fn start<D: Decider>(
    decider: D,
    pools: Pools<'_>,
    bus: &Bus,
    publisher: &Publisher,
    sources: Vec<Source>,
    limits: LoopLimits,
    runtime: &Runtime,
) -> Handle<D> {
    let decider = Arc::new(decider);
    let (calls, called) = mpsc::channel(limits.calls_waiting_max);
    let (prompt, prompt_messages) = mpsc::channel(limits.batch_inputs_max);
    let (patient, patient_messages) = mpsc::channel(PATIENT_BATCHES * limits.patient_inputs_max);
    let db = pools.writer;
    runtime.dead_letters.put_up(D::SERVICE, pools.reader, bus);
    let dead_letters = DeadLetters::new(D::SERVICE, db.clone(), runtime.shutdown.clone());
    watch::service(D::SERVICE, &sources, pools.reader, bus, runtime);
    for source in sources {
        let is_of_process = source.consumer.of_process.is_some();
        let receiver = Receiver {
            bus: bus.clone(),
            source,
            decider: Arc::clone(&decider),
            prompt: prompt.clone(),
            patient: patient.clone(),
            dead_letters: dead_letters.clone(),
            shutdown: runtime.shutdown.clone(),
        };
        if is_of_process {
            let same = receiver.of_source(receiver.source.clone(), receiver.shutdown.clone());
            runtime.tasks.spawn(TakeOver::new(same, runtime.tasks.clone()).run());
        }
        runtime.tasks.spawn(receiver.run());
    }
    let turns = Arc::default();
    let batch_loop = |which, calls, messages, begins, inputs_max| BatchLoop {
        decider: Arc::clone(&decider),
        db: db.clone(),
        publisher: publisher.clone(),
        dead_letters: dead_letters.clone(),
        limits,
        metrics: LoopMetrics::new(D::SERVICE, which),
        inbox: Inbox::new(calls, messages, begins, inputs_max, limits.stall_max),
        turns: Arc::clone(&turns),
        caution: Caution::default(),
        shutdown: runtime.shutdown.clone(),
    };
    let (_, no_calls) = mpsc::channel(1);
    let begins = Begins::AtAPace(limits.pace);
    let prompt = batch_loop("prompt", called, prompt_messages, begins, limits.batch_inputs_max);
    runtime.tasks.spawn(prompt.run());
    let begins = Begins::Gathered(limits.gather_max);
    let patient = batch_loop("patient", no_calls, patient_messages, begins, limits.patient_inputs_max);
    runtime.tasks.spawn(patient.run());
    Handle::new(calls, limits.call_wait_max)
}

struct BatchLoop<D: Decider> {
    decider: Arc<D>,
    db: DatabaseConnection,
    publisher: Publisher,
    dead_letters: DeadLetters,
    limits: LoopLimits,
    metrics: LoopMetrics,
    inbox: Inbox<D>,
    /// The other loop has the same.
    turns: Arc<Mutex<()>>,
    caution: Caution,
    shutdown: CancellationToken,
}

/// What a committed batch decided.
struct Committed<D: Decider> {
    set: D::Set,
    version: Option<Version>,
    decided: Vec<Decided<D::Answer>>,
    stored: Option<StoredEvents>,
    began: std::time::Instant,
    now: Timestamp,
}

impl<D: Decider> BatchLoop<D> {
    async fn run(mut self) {
        while let Some(batch) = self.inbox.next_batch(&self.publisher).await {
            self.process(batch).await;
        }
    }

    /// Brings every input of a batch to its end: committed, put aside, or buried.
    async fn process(&mut self, batch: Vec<Arrived<D>>) {
        let mut pause = PAUSE_MIN;
        let mut conflicts = 0;
        let mut waiting = VecDeque::from([batch]);
        while let Some(batch) = waiting.pop_front() {
            let mut batch = give_up_late(batch);
            if batch.is_empty() {
                continue;
            }
            let is_optimistic = D::IS_OPTIMISTIC && !self.caution.is_advised();
            let attempted = self.attempt_safely(&batch, is_optimistic).await;
            self.caution.learn(is_optimistic, attempted.is_ok());
            let error = match attempted {
                Ok(committed) => {
                    (pause, conflicts) = (PAUSE_MIN, 0);
                    self.deliver(batch, committed);
                    continue;
                }
                Err(error) => error,
            };
            if matches!(error, BatchError::Commit(_)) {
                batch.iter_mut().for_each(|arrived| arrived.in_doubt = true);
            }
            let kind = error.kind();
            self.metrics.failed(kind);
            tracing::debug!(service = D::SERVICE, %error, ?kind, inputs = batch.len(), "a batch failed");
            match kind {
                FailureKind::Conflict if conflicts < CONFLICTS_MAX => {
                    conflicts += 1;
                    waiting.push_front(batch);
                }
                FailureKind::Transient => {
                    if self.shutdown.is_cancelled() && pause >= PAUSE_MAX {
                        continue; // Stopping without a database: messages come again, callers are told.
                    }
                    tracing::warn!(service = D::SERVICE, %error, "a batch could not be committed; trying again");
                    tokio::time::sleep(jittered(pause)).await;
                    pause = (pause * 2).min(PAUSE_MAX);
                    waiting.push_front(batch);
                    self.hear_callers(&mut waiting);
                }
                _ if batch.len() > 1 => split(batch, &mut waiting),
                FailureKind::LockTimeout => self.inbox.put_aside(batch),
                FailureKind::Conflict | FailureKind::Poison => {
                    conflicts = 0;
                    for arrived in batch {
                        self.bury(arrived, &error).await;
                    }
                }
            }
        }
    }

    /// While the database is away, callers must not wait unheard behind the batch that is tried again:
    /// here they can be given up in time.
    fn hear_callers(&mut self, waiting: &mut VecDeque<Vec<Arrived<D>>>) {
        while let Some(called) = self.inbox.next_call() {
            match waiting.back_mut() {
                Some(last) if last.len() < self.limits.batch_inputs_max => last.push(called),
                _ => waiting.push_back(vec![called]),
            }
        }
        let heard = std::mem::take(waiting).into_iter().map(give_up_late);
        waiting.extend(heard.filter(|batch| !batch.is_empty()));
    }

    /// A panic, wherever it comes from, is a defect that one input shows, not the end of the service.
    async fn attempt_safely(
        &self,
        batch: &[Arrived<D>],
        is_optimistic: bool,
    ) -> Result<Committed<D>, BatchError> {
        let _turn = if D::TAKES_TURNS { Some(self.turns.lock().await) } else { None };
        let attempt = AssertUnwindSafe(self.attempt(batch, is_optimistic)).catch_unwind();
        attempt.await.unwrap_or_else(|panic| {
            let text = panic.downcast_ref::<&str>().map(|text| (*text).to_owned());
            let text = text.or_else(|| panic.downcast_ref::<String>().cloned());
            Err(BatchError::Panic(text.unwrap_or_default()))
        })
    }

    /// One transaction, with locks or without, which is given up where the database falls silent: then nobody knows whether it was
    /// committed.
    async fn attempt(&self, batch: &[Arrived<D>], is_optimistic: bool) -> Result<Committed<D>, BatchError> {
        let done = tokio::time::timeout(SILENT_AFTER, self.transact(batch, is_optimistic)).await;
        done.unwrap_or_else(|_| Err(BatchError::Commit(silent())))
    }

    async fn transact(&self, batch: &[Arrived<D>], is_optimistic: bool) -> Result<Committed<D>, BatchError> {
        let mut clock = self.metrics.begin();
        let db = self.db.get_postgres_connection_pool();
        let mut tx = if is_optimistic {
            Transaction::Optimistic(db.clone())
        } else {
            Transaction::Postgres(db.begin().await?)
        };
        clock.stage_done();
        let inputs: Vec<&D::Input> = batch.iter().map(|arrived| &arrived.input).collect();
        let mut set = self.decider.load(&mut tx, &inputs).await?;
        clock.stage_done();
        // Postgres keeps microseconds: what is answered first must be what a repeat reads back.
        let now = chrono::Utc::now().trunc_subsecs(6);
        let changes = Changes::of(&tx);
        let about = |index: usize| batch[index].about();
        let done = batch::decide(&*self.decider, &mut set, &inputs, about, changes, now, Uuid::now_v7);
        let DecidedBatch { decided, stored, changes } = done;
        clock.stage_done();
        let before_commit = || {
            crash::reach(D::SERVICE, Point::BeforeCommit);
            crash::meet(D::SERVICE, batch.iter().filter_map(Arrived::raw));
        };
        if is_optimistic {
            before_commit();
        }
        let version = changes.run(&mut tx).await?;
        clock.stage_done();
        if !is_optimistic {
            before_commit();
        }
        tx.commit().await?;
        let began = clock.committed(batch.len());
        Ok(Committed { set, version, decided, stored, began, now })
    }

    /// Answers callers and hands the rest to the publisher.
    fn deliver(&self, batch: Vec<Arrived<D>>, committed: Committed<D>) {
        let Committed { set, version, decided, stored, began, now } = committed;
        if undoes(&batch, &decided) {
            crash::reach(D::SERVICE, Point::WhileUndoing);
        }
        crash::reach(D::SERVICE, Point::AfterCommitBeforePublish);
        self.decider.committed(set, version);
        let mut handed_over = HandedOver::new(now, stored, self.limits.batch_inputs_max > 1);
        let mut spans = BatchSpans::begin(D::SERVICE, began, batch.len());
        log_lines::processed(&batch, &decided);
        for (mut arrived, mut decided) in batch.into_iter().zip(decided) {
            let outgoing = handed_over.with(&decided.commands);
            if let Some(spans) = &mut spans {
                spans.processed(&mut arrived, &mut decided, &mut outgoing.spans);
            }
            outgoing.commands.extend(decided.commands);
            match (arrived.origin, decided.answer) {
                (Origin::Call { caller, .. }, Answer::Caller(answer)) => {
                    // The caller may have hung up; what was decided stands.
                    let _ = caller.send(Ok(answer));
                }
                (Origin::Message { envelope, receipt }, answer) => {
                    receipt.decided(now);
                    match answer {
                        Answer::Reply(reply) => outgoing.replies.push((envelope, reply)),
                        Answer::NotHere => receipt.comes_again(),
                        Answer::Caller(_) | Answer::Nobody => {}
                    }
                    outgoing.receipts.push(receipt);
                }
                (Origin::Call { .. } | Origin::Own, _) => {}
            }
        }
        if let Some(spans) = spans {
            spans.end();
        }
        if !handed_over.is_empty() {
            self.publisher.hand_over(handed_over);
        }
    }

    /// Puts an input aside that cannot be processed even alone.
    async fn bury(&self, arrived: Arrived<D>, error: &BatchError) {
        match arrived.origin {
            Origin::Message { envelope, receipt } => {
                let letter = letter(&envelope.item_type, Some(&envelope), &error.to_string(), &envelope.raw);
                if self.dead_letters.keep(&letter).await {
                    receipt.done().await;
                }
            }
            Origin::Call { caller, .. } => {
                tracing::error!(service = D::SERVICE, %error, "a request cannot be processed");
                let _ = caller.send(Err(CallError::Failed));
            }
            Origin::Own => {
                tracing::error!(service = D::SERVICE, %error, "a timer's input cannot be processed");
            }
        }
    }
}

/// Callers who have waited too long are told so before anything is done for them.
fn give_up_late<D: Decider>(batch: Vec<Arrived<D>>) -> Vec<Arrived<D>> {
    let now = Instant::now();
    let mut kept = Vec::with_capacity(batch.len());
    for arrived in batch {
        match arrived.origin {
            Origin::Call { caller, give_up_at, .. } if give_up_at <= now && !arrived.in_doubt => {
                let _ = caller.send(Err(CallError::Unavailable));
            }
            origin => kept.push(Arrived { origin, ..arrived }),
        }
    }
    kept
}

fn split<D: Decider>(mut batch: Vec<Arrived<D>>, waiting: &mut VecDeque<Vec<Arrived<D>>>) {
    let second = batch.split_off(batch.len() / 2);
    waiting.push_front(second);
    waiting.push_front(batch);
}

fn jittered(pause: Duration) -> Duration {
    pause.mul_f64(rand::random_range(0.5..1.0))
}

/// Whether anything of a batch is an undo, asked for or just done.
fn undoes<D: Decider>(batch: &[Arrived<D>], decided: &[Decided<D::Answer>]) -> bool {
    let asks = decided.iter().flat_map(|decided| &decided.commands).any(|c| c.direction == Direction::Undo);
    let did = batch.iter().zip(decided).any(|(arrived, decided)| {
        let undo = matches!(&arrived.origin, Origin::Message { envelope, .. } if envelope.direction == Some(Direction::Undo));
        undo && matches!(&decided.answer, Answer::Reply(reply) if reply.outcome == Outcome::Done)
    });
    asks || did
}
