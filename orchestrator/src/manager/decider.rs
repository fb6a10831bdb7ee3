//! The manager's rule over a batch: each input moves its saga by `saga::advance`, and what follows is
//! carried out in the rows of the batch and in what it sends.

use std::marker::PhantomData;
use std::sync::Arc;

use contracts::Timestamp;
use messaging::idempotency::{Earlier, earlier};
use messaging::rows::{Changes, Hold, Known, Rows, Transaction, Version};
use messaging::{BatchError, Decided, Decider, DecodeError, Item, topology, until_answered};
use saga::{Definition, Instance};
use sea_orm::{ConnectionTrait, DatabaseBackend, DatabaseConnection, Statement, Value};
use serde_json::value::to_raw_value;
use uuid::Uuid;

use super::act::{Act, ActRefused, Acted};
use super::admission::Admission;
use super::audit_row::ActionRow;
use super::input::{Answer, Input, Told};
use super::log_lines;
use super::measures::{Measures, Tally};
use super::moving::move_saga;
use super::pauses::KnownPauses;
use super::saga_row::SagaRow;
use super::set::{Set, ignore};
use super::waiters::Waiters;
use super::{ManagerError, NewSaga, UnknownVersion, Workflow};

/// Open sagas that a process remembers, about a KiB each: what was not moved for long is read again.
const KNOWN_SAGAS_MAX: usize = 8_192;

/// Decides for one workflow.
pub struct ManagerDecider<W: Workflow> {
    definitions: Vec<Definition<W::Data>>,
    /// The subject of the replies to what is asked here.
    reply_to: Arc<str>,
    waiters: Arc<Waiters<W::Row>>,
    admission: Arc<Admission>,
    pauses: Arc<KnownPauses>,
    measures: Measures,
    /// Open sagas as they were committed here.
    known: Known<SagaRow>,
    workflow: PhantomData<fn() -> W>,
}

impl<W: Workflow> ManagerDecider<W> {
    pub(crate) fn new(
        reply_to: String,
        waiters: Arc<Waiters<W::Row>>,
        admission: Arc<Admission>,
        pauses: Arc<KnownPauses>,
    ) -> Self {
        let definitions = W::definitions();
        assert!(definitions.iter().all(|definition| definition.name() == W::NAME), "one workflow, one name");
        let starts = |definition: &Definition<W::Data>| definition.version() == W::START_VERSION;
        assert!(definitions.iter().any(starts), "the version to start is among those that are known");
        let measures = Measures::new::<W>();
        let known = Known::new(KNOWN_SAGAS_MAX);
        let reply_to = reply_to.into();
        Self { definitions, reply_to, waiters, admission, pauses, measures, known, workflow: PhantomData }
    }

    /// A process that lacks a version which open sagas use must not run: it could not move them.
    pub(crate) async fn check_versions(&self, db: &DatabaseConnection) -> Result<(), ManagerError> {
        let sql = "SELECT DISTINCT version::bigint FROM sagas WHERE finished_at IS NULL AND workflow = $1";
        let statement =
            Statement::from_sql_and_values(DatabaseBackend::Postgres, sql, [Value::from(W::NAME)]);
        for row in until_answered(async || db.query_all_raw(statement.clone()).await).await? {
            let version: i64 = row.try_get_by_index(0)?;
            if !self.definitions.iter().any(|definition| i64::from(definition.version()) == version) {
                return Err(UnknownVersion { workflow: W::NAME, version }.into());
            }
        }
        Ok(())
    }

    fn definition(&self, version: u32) -> Option<&Definition<W::Data>> {
        self.definitions.iter().find(|definition| definition.version() == version)
    }

    fn begin(&self, set: &mut Set<W::Row>, new: &NewSaga<W::Data>, now: Timestamp) -> Decided<Told<W::Row>> {
        if let Some(key) = &new.idempotency {
            match earlier(&set.remembered, key) {
                Earlier::Unknown => {}
                Earlier::OtherBody => return told(Answer::KeyReused),
                Earlier::Answered(answer) => {
                    let key = serde_json::from_str(answer.get()).unwrap_or_default();
                    return told(Answer::Earlier(key));
                }
            }
        }
        let key = W::key(&new.data);
        // A commit whose outcome was unknown: this very request has begun its saga already.
        if set.sagas.get(new.saga_id).is_some() {
            return told(Answer::Earlier(key));
        }
        let definition = self.definition(W::START_VERSION).expect("looked for at the start");
        let instance = Instance::new(definition, new.saga_id, new.data.clone(), now);
        let moved = move_saga(definition, instance, &saga::Input::Begin, &set.held, now);
        let moved = moved.expect("a new saga can begin");
        let row = W::started(&new.data);
        if let Some(row) = &row {
            set.rows.insert(row.clone());
        }
        if let Some(idempotency) = &new.idempotency {
            let answer = to_raw_value(&key).expect("a UUID has a JSON form");
            set.remembered.insert(idempotency.remember(answer, now));
        }
        set.tally.started();
        let saga = SagaRow::new(definition, &moved.instance, key, new.traceparent.clone(), now)
            .expect("a saga's data is a plain struct with a JSON form");
        if let Some(wanted) = &new.wanted {
            set.actions.insert(ActionRow::of_beginning(wanted, &saga, now));
        }
        set.sagas.insert(saga);
        let mut decided = told(Answer::Begun(row));
        set.carry_out::<W>(definition, moved, now, &mut decided);
        decided
    }

    fn advance(
        &self,
        set: &mut Set<W::Row>,
        saga_id: Uuid,
        input: &saga::Input,
        now: Timestamp,
    ) -> Decided<Told<W::Row>> {
        let mut decided = Decided::nothing();
        match self.step(set, saga_id, input, now, &mut decided) {
            Ok(()) => {}
            Err(ActRefused::UnknownSaga) => ignore::<W>("unknown_saga"),
            // A saga of a version that came after this process stays for a process that knows it.
            Err(ActRefused::UnknownVersion) => {
                ignore::<W>("unknown_version");
                return Decided::not_here();
            }
            Err(ActRefused::NotAllowed(why)) => ignore::<W>(why.as_str()),
        }
        decided
    }

    /// Moves a saga on somebody's behalf, and keeps who and why beside it.
    fn act(&self, set: &mut Set<W::Row>, act: &Act, now: Timestamp) -> Decided<Told<W::Row>> {
        let mut decided = Decided::nothing();
        let before = set.sagas.get(act.saga_id).cloned();
        // A commit whose outcome was unknown: this very act has been done already.
        let is_repeat = set.actions.get(act.action_id).is_some();
        let done =
            if is_repeat { Ok(()) } else { self.step(set, act.saga_id, &act.input, now, &mut decided) };
        let after = set.sagas.get(act.saga_id);
        if let (Ok(()), false, Some(before), Some(after)) = (&done, is_repeat, &before, after) {
            set.actions.insert(ActionRow::of(act, before, after, now));
        }
        let status = after.map_or(saga::Status::Running, |row| row.state.0.status());
        decided.answer = messaging::Answer::Caller(Told::Act(done.map(|()| Acted { status })));
        decided
    }

    /// Gives a saga one input. An error means that nothing was changed.
    fn step(
        &self,
        set: &mut Set<W::Row>,
        saga_id: Uuid,
        input: &saga::Input,
        now: Timestamp,
        decided: &mut Decided<Told<W::Row>>,
    ) -> Result<(), ActRefused> {
        let row = set.sagas.get(saga_id).filter(|row| row.workflow == W::NAME);
        let row = row.ok_or(ActRefused::UnknownSaga)?;
        let definition = self.definition(row.definition_version()).ok_or(ActRefused::UnknownVersion)?;
        let instance = row.instance::<W::Data>().expect("a stored saga reads back");
        let moved = move_saga(definition, instance, input, &set.held, now).map_err(ActRefused::NotAllowed)?;
        let row = set.sagas.get_mut(saga_id).expect("it was there a moment ago");
        row.update(definition, &moved.instance, now)
            .expect("a saga's data is a plain struct with a JSON form");
        set.carry_out::<W>(definition, moved, now, decided);
        Ok(())
    }
}

fn told<R>(answer: Answer<R>) -> Decided<Told<R>> {
    Decided::answer(Told::Begin(answer))
}

/// An event changes its row; no saga hears of it.
fn hear<W: Workflow>(
    set: &mut Set<W::Row>,
    key: Uuid,
    event_type: &str,
    now: Timestamp,
) -> Decided<Told<W::Row>> {
    match set.rows.get(key).and_then(|row| W::heard(row, event_type, now)) {
        Some(row) => set.rows.put(row),
        None => ignore::<W>("event_changes_nothing"),
    }
    Decided::nothing()
}

impl<W: Workflow> Decider for ManagerDecider<W> {
    const SERVICE: &'static str = "orchestrator";
    /// A saga is moved by one reply at a time.
    const IS_OPTIMISTIC: bool = true;
    type Input = Input<W::Data>;
    type Answer = Told<W::Row>;
    type Set = Set<W::Row>;

    /// A reply is matched by saga, step and direction.
    fn decode(&self, item: &Item<'_>) -> Result<Self::Input, DecodeError> {
        if let Some(event_type) = W::HEARS.iter().find(|known| **known == item.item_type) {
            return Ok(Input::Heard(item.subject, event_type));
        }
        if !topology::is_reply_to(W::REPLY_SUBJECT, &item.item_type) {
            return Err(DecodeError::UnknownType(item.item_type.to_string()));
        }
        let input = saga::Input::Reply {
            step: item.step.as_deref().ok_or(DecodeError::Missing("step"))?.to_owned(),
            direction: item.direction.ok_or(DecodeError::Missing("direction"))?,
            attempt: item.attempt.unwrap_or(1),
            reply: serde_json::from_str(item.data.get())?,
        };
        Ok(Input::Advance(item.subject, input))
    }

    /// After the decision a saga only collects what its tail steps answer: written once, not once an answer.
    /// (Whoever cancels a confirmed order waits for that, and is answered a little later.)
    fn can_wait(&self, input: &Self::Input) -> bool {
        match input {
            Input::Advance(_, saga::Input::Reply { step, .. }) => {
                self.definitions.iter().any(|definition| definition.is_tail(step))
            }
            Input::Heard(..) => true,
            _ => false,
        }
    }

    async fn load(&self, tx: &mut Transaction, inputs: &[&Self::Input]) -> Result<Self::Set, BatchError> {
        let (mut sagas, mut keys) = (Vec::with_capacity(inputs.len()), Vec::new());
        let (mut actions, mut heard) = (Vec::new(), Vec::new());
        for input in inputs {
            match input {
                Input::Begin(new) => {
                    // One that has begun already, in a commit whose outcome was unknown, ends an optimistic
                    // batch, and is met with locks.
                    if !tx.is_optimistic() {
                        sagas.push(new.saga_id);
                    }
                    keys.extend(new.idempotency.as_ref().map(|key| key.key_id));
                }
                Input::Advance(saga_id, _) => sagas.push(*saga_id),
                Input::Heard(key, _) => heard.push(*key),
                Input::Act(act) => {
                    sagas.push(act.saga_id);
                    actions.push(act.action_id);
                }
            }
        }
        Ok(Set {
            sagas: self.known.load(tx, &sagas).await?,
            remembered: Rows::load(tx, &keys, Hold::Unlocked).await?,
            history: Rows::default(),
            actions: Rows::load(tx, &actions, Hold::Unlocked).await?,
            held: self.pauses.held(),
            reply_to: Arc::clone(&self.reply_to),
            // After the sagas, for a milestone changes both in that order.
            rows: Rows::load(tx, &heard, Hold::Locked).await?,
            decided: Vec::new(),
            tally: Tally::default(),
        })
    }

    fn decide(&self, set: &mut Self::Set, input: &Self::Input, now: Timestamp) -> Decided<Self::Answer> {
        match input {
            Input::Begin(new) => self.begin(set, new, now),
            Input::Advance(saga_id, input) => self.advance(set, *saga_id, input, now),
            Input::Heard(key, event_type) => hear::<W>(set, *key, event_type, now),
            Input::Act(act) => self.act(set, act, now),
        }
    }

    fn save(&self, set: &Self::Set, changes: &mut Changes) {
        changes.save(&set.sagas);
        changes.save(&set.rows);
        changes.save(&set.history);
        changes.save(&set.actions);
        changes.save(&set.remembered);
    }

    fn committed(&self, set: Self::Set, version: Option<Version>) {
        log_lines::happened(&self.definitions, &set.sagas, &set.history);
        self.admission.moved_on(set.tally.decided_after(), set.tally.ended());
        self.measures.count(&set.tally);
        let row = |key: &Uuid| (*key, set.rows.get(*key).cloned());
        self.waiters.decided(set.decided.iter().map(row).collect());
        if let Some(version) = version {
            self.known.keep(set.sagas, version, |saga| saga.finished_at.is_none());
        }
    }
}
