//! Mistakes that people make, planted: the simulation has to find each.

use std::any::Any;

use billing::entry::{Entry, EntryKind, REVENUE_ACCOUNT};
use billing::hold::HoldState;
use billing::{Billing, Input};
use bytes::Bytes;
use contracts::billing::{CaptureFunds, ReleaseFunds};
use contracts::{Reply, Timestamp};
use messaging::rows::memory::Database;
use messaging::rows::{Changes, Transaction};
use messaging::{BatchError, Decided, Decider, DecodeError, Item};
use uuid::Uuid;

use super::parts::{Cast, Part, Stage, cast, heard, participant};
use super::service::{Lane, Origin, Progress, Service};

/// What billing does wrong.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Mistake {
    /// An undo of what was never done leaves no row.
    NoTombstone,
    /// A capture that is asked for again is done again.
    CapturesTwice,
    /// An undo that is asked for again is done again.
    ReleasesTwice,
    /// Nobody thought of it that an undo may come first.
    PanicsAtUndo,
}

struct Mistaken {
    billing: Billing,
    mistake: Mistake,
}

impl Decider for Mistaken {
    const SERVICE: &'static str = Billing::SERVICE;
    type Input = Input;
    type Answer = <Billing as Decider>::Answer;
    type Set = <Billing as Decider>::Set;

    fn decode(&self, item: &Item<'_>) -> Result<Input, DecodeError> {
        self.billing.decode(item)
    }

    fn can_wait(&self, input: &Input) -> bool {
        self.billing.can_wait(input)
    }

    async fn load(&self, tx: &mut Transaction, inputs: &[&Input]) -> Result<Self::Set, BatchError> {
        self.billing.load(tx, inputs).await
    }

    fn decide(&self, set: &mut Self::Set, input: &Input, now: Timestamp) -> Decided<Self::Answer> {
        let Input::Command(command) = input else { return self.billing.decide(set, input, now) };
        match (self.mistake, command) {
            (Mistake::NoTombstone, billing::commands::Command::ReleaseFunds(undo))
                if set.holds.get(undo.order_id).is_none() =>
            {
                Decided::reply(Reply::<ReleaseFunds>::Done(()))
            }
            (Mistake::PanicsAtUndo, billing::commands::Command::ReleaseFunds(undo)) => {
                assert!(set.holds.get(undo.order_id).is_some(), "there is something to undo");
                self.billing.decide(set, input, now)
            }
            (Mistake::ReleasesTwice, billing::commands::Command::ReleaseFunds(undo)) => {
                release_again(set, undo.order_id);
                self.billing.decide(set, input, now)
            }
            (Mistake::CapturesTwice, billing::commands::Command::CaptureFunds(capture)) => {
                capture_again(set, capture, now);
                self.billing.decide(set, input, now)
            }
            _ => self.billing.decide(set, input, now),
        }
    }

    fn save(&self, set: &Self::Set, changes: &mut Changes) {
        self.billing.save(set, changes);
    }
}

fn release_again(set: &mut billing::Set, order_id: Uuid) {
    let Some(HoldState::Released(terms)) = set.holds.get(order_id).map(|hold| hold.state.clone()) else {
        return;
    };
    if let Some(account) = set.accounts.get_mut(terms.asked.user_id) {
        account.held -= terms.asked.amount.get();
    }
}

fn capture_again(set: &mut billing::Set, capture: &CaptureFunds, now: Timestamp) {
    let hold = set.holds.get(capture.order_id).map(|hold| hold.state.clone());
    let Some(HoldState::Captured(terms)) = hold else { return };
    let amount = terms.asked.amount.get();
    let Some(account) = set.accounts.get_mut(terms.asked.user_id) else { return };
    if account.available() < amount {
        return;
    }
    account.balance -= amount;
    account.entries += 1;
    let entry = Entry {
        entry_id: Uuid::new_v5(&capture.order_id, &account.entries.to_be_bytes()),
        user_id: account.user_id,
        number: account.entries,
        kind: EntryKind::Capture,
        debit_account: account.account_id,
        credit_account: REVENUE_ACCOUNT,
        amount,
        balance_after: account.balance,
        order_id: Some(capture.order_id),
        created_at: now,
    };
    set.entries.insert(entry);
}

fn with_billing(stage: &Stage, mistake: Mistake) -> Cast {
    let mut cast = cast(stage);
    let mistaken = || Mistaken { billing: Billing::new(stage.hold_life), mistake };
    let database = &stage.databases.billing;
    let is_billing = |part: &Part| part.house == Billing::SERVICE;
    if let Some(part) = cast.parts.iter_mut().find(|part| is_billing(part)) {
        *part = participant(stage, mistaken, database, billing::sources(), heard);
    }
    cast
}

pub(super) fn no_tombstone(stage: &Stage) -> Cast {
    with_billing(stage, Mistake::NoTombstone)
}

pub(super) fn captures_twice(stage: &Stage) -> Cast {
    with_billing(stage, Mistake::CapturesTwice)
}

pub(super) fn releases_twice(stage: &Stage) -> Cast {
    with_billing(stage, Mistake::ReleasesTwice)
}

pub(super) fn panics_at_undo(stage: &Stage) -> Cast {
    with_billing(stage, Mistake::PanicsAtUndo)
}

/// Letters are never written: nobody is there.
pub(super) fn nobody_writes(stage: &Stage) -> Cast {
    let cast = cast(stage);
    Cast { parts: cast.parts.into_iter().filter(|part| part.house != "notification").collect(), ..cast }
}

/// A service whose loop is careless.
struct Careless {
    service: Box<dyn Service>,
    /// Messages are acknowledged as they come.
    acknowledges_early: bool,
    /// Nothing is kept in the outbox.
    forgets_events: bool,
}

fn careless(stage: &Stage, house: &str, acknowledges_early: bool) -> Cast {
    let cast = cast(stage);
    let spoilt = |part: Part| {
        if part.house != house {
            return part;
        }
        let Part { house, sources, service } = part;
        let careless = Careless { service, acknowledges_early, forgets_events: !acknowledges_early };
        Part { house, sources, service: Box::new(careless) }
    };
    Cast { parts: cast.parts.into_iter().map(spoilt).collect(), ..cast }
}

pub(super) fn acknowledges_before_commit(stage: &Stage) -> Cast {
    careless(stage, "stock", true)
}

pub(super) fn loses_outbox_rows(stage: &Stage) -> Cast {
    careless(stage, "orchestrator", false)
}

impl Service for Careless {
    fn name(&self) -> &'static str {
        self.service.name()
    }

    fn database(&self) -> &Database {
        self.service.database()
    }

    fn acknowledges_early(&self) -> bool {
        self.acknowledges_early
    }

    fn outbox(&self) -> Vec<(Uuid, Timestamp)> {
        if self.forgets_events { Vec::new() } else { self.service.outbox() }
    }

    fn take_in(&mut self, process: usize, receipt: usize, payload: &Bytes) -> Result<usize, String> {
        self.service.take_in(process, receipt, payload)
    }

    fn put(&mut self, process: usize, origin: Origin, about: u64, input: Box<dyn Any>) {
        self.service.put(process, origin, about, input);
    }

    fn is_busy(&self, lane: Lane) -> bool {
        self.service.is_busy(lane)
    }

    fn has_inputs(&self, lane: Lane) -> bool {
        self.service.has_inputs(lane)
    }

    fn begin(&mut self, lane: Lane, inputs_max: usize) {
        self.service.begin(lane, inputs_max);
    }

    fn give_turn(&mut self, lane: Lane, after: u32) {
        self.service.give_turn(lane, after);
    }

    fn about(&self, lane: Lane) -> u64 {
        self.service.about(lane)
    }

    fn go_on(&mut self, lane: Lane) -> Progress {
        self.service.go_on(lane)
    }

    fn roll_back(&mut self, lane: Lane) {
        self.service.roll_back(lane);
    }

    fn release(&mut self, lane: Lane) {
        self.service.release(lane);
    }

    fn die(&mut self, process: usize) {
        self.service.die(process);
    }
}
