//! What a workflow's sagas are measured by: tallied while a batch is decided, counted once it is committed. Handles are
//! made once, so that counting costs no search.

use chrono::TimeDelta;
use contracts::Direction;
use metrics::{Counter, Histogram, counter, histogram};
use saga::{Cause, Decision, Status};

use super::Workflow;
use crate::metric_names as names;

/// Why sagas turn back, as far as metrics tell them apart; participants could think of more.
const REASONS: [&str; 10] = [
    "insufficient_funds",
    "out_of_stock",
    "unknown_position",
    "price_changed",
    "slot_taken",
    "already_sent",
    "hold_expired",
    Cause::TIMED_OUT,
    Cause::CANCELLED,
    "other",
];
const ENDINGS: [Status; 4] = [Status::Completed, Status::Rejected, Status::Cancelled, Status::Abandoned];

/// What happened to the sagas of a batch.
#[derive(Debug, Default)]
pub(crate) struct Tally {
    started: u64,
    /// How long those took whose fate was decided.
    decided_after: Vec<TimeDelta>,
    confirmed: u64,
    /// Indexes of reasons.
    turned_back: Vec<usize>,
    finished: Vec<(Status, TimeDelta)>,
    compensations: Vec<&'static str>,
    money: i64,
}

impl Tally {
    pub(crate) fn started(&mut self) {
        self.started += 1;
    }

    pub(crate) fn decided(&mut self, decision: &Decision, after: TimeDelta, worth: i64) {
        self.decided_after.push(after);
        match decision {
            Decision::Confirmed => {
                self.confirmed += 1;
                self.money = self.money.saturating_add(worth);
            }
            Decision::TurnedBack(cause) => {
                let known = REASONS.iter().position(|reason| *reason == cause.code);
                self.turned_back.push(known.unwrap_or(REASONS.len() - 1));
            }
        }
    }

    pub(crate) fn finished(&mut self, status: Status, after: TimeDelta) {
        self.finished.push((status, after));
    }

    pub(crate) fn sent(&mut self, send: &saga::Send) {
        if send.direction == Direction::Undo && send.attempt == 1 {
            self.compensations.push(send.step);
        }
    }

    /// How long those took whose fate was decided in this batch.
    pub(crate) fn decided_after(&self) -> &[TimeDelta] {
        &self.decided_after
    }

    /// Sagas that ended in this batch.
    pub(crate) fn ended(&self) -> u64 {
        self.finished.len() as u64
    }
}

/// One workflow's metrics.
pub(crate) struct Measures {
    started: Counter,
    confirmed: Counter,
    turned_back: Counter,
    reasons: [Counter; REASONS.len()],
    decided_seconds: Histogram,
    finished: [(Counter, Histogram); ENDINGS.len()],
    compensations: Vec<(&'static str, Counter)>,
    money: Counter,
}

impl Measures {
    pub(crate) fn new<W: Workflow>() -> Self {
        let workflow = W::NAME;
        let decided = |word| counter!(names::SAGAS_DECIDED, "workflow" => workflow, "decision" => word);
        let reason = |word| counter!(names::SAGAS_TURNED_BACK, "workflow" => workflow, "reason" => word);
        let finished = |status: Status| {
            let outcome = status.as_str();
            (
                counter!(names::SAGAS_FINISHED, "workflow" => workflow, "outcome" => outcome),
                histogram!(names::SAGA_SECONDS, "workflow" => workflow, "outcome" => outcome),
            )
        };
        let of_step =
            |name: &'static str, step: &'static str| counter!(name, "workflow" => workflow, "step" => step);
        for why in ["other_step", "already_answered", "final", "unknown_saga"] {
            counter!(names::INPUTS_IGNORED, "workflow" => workflow, "why" => why).increment(0);
        }
        let mut compensations: Vec<(&'static str, Counter)> = Vec::new();
        for step in W::definitions().iter().flat_map(saga::Definition::steps) {
            // From the beginning, so that their first increase is seen as one.
            of_step(names::SAGAS_STUCK, step.name).increment(0);
            of_step(names::COMMANDS_ASKED_AGAIN, step.name).increment(0);
            if step.undone_by.is_some() && compensations.iter().all(|(known, _)| *known != step.name) {
                compensations.push((step.name, of_step(names::COMPENSATIONS, step.name)));
            }
        }
        Self {
            started: counter!(names::SAGAS_STARTED, "workflow" => workflow),
            confirmed: decided("confirmed"),
            turned_back: decided("turned_back"),
            reasons: REASONS.map(reason),
            decided_seconds: histogram!(names::SAGA_DECIDED_SECONDS, "workflow" => workflow),
            finished: ENDINGS.map(finished),
            compensations,
            money: counter!(names::MONEY, "workflow" => workflow),
        }
    }

    /// Counts what a committed batch did.
    pub(crate) fn count(&self, tally: &Tally) {
        self.started.increment(tally.started);
        self.confirmed.increment(tally.confirmed);
        self.turned_back.increment(tally.turned_back.len() as u64);
        self.money.increment(u64::try_from(tally.money).unwrap_or_default());
        for reason in &tally.turned_back {
            self.reasons[*reason].increment(1);
        }
        for after in &tally.decided_after {
            self.decided_seconds.record(seconds(*after));
        }
        for (status, after) in &tally.finished {
            if let Some(index) = ENDINGS.iter().position(|ending| ending == status) {
                let (count, duration) = &self.finished[index];
                count.increment(1);
                duration.record(seconds(*after));
            }
        }
        for step in &tally.compensations {
            if let Some((_, count)) = self.compensations.iter().find(|(known, _)| known == step) {
                count.increment(1);
            }
        }
    }
}

/// Never negative: replicas' clocks may differ.
fn seconds(time: TimeDelta) -> f64 {
    time.as_seconds_f64().max(0.0)
}
