//! A batch between its load and its commit: the same for the loop on PostgreSQL and for a simulation.

use contracts::{EventData, Timestamp};
use uuid::Uuid;

use crate::decider::{Decided, Decider};
use crate::outbox::{self, StoredEvents};
use crate::rows::Changes;

/// What was decided, and what is to be written for it.
pub(crate) struct DecidedBatch<A> {
    pub(crate) decided: Vec<Decided<A>>,
    pub(crate) stored: Option<StoredEvents>,
    pub(crate) changes: Changes,
}

/// Decides the inputs in their order, and gathers what they change and the events they lead to.
pub(crate) fn decide<D: Decider>(
    decider: &D,
    set: &mut D::Set,
    inputs: &[&D::Input],
    mut changes: Changes,
    now: Timestamp,
    new_id: impl FnMut() -> Uuid,
) -> DecidedBatch<D::Answer> {
    let mut decided: Vec<_> = inputs.iter().map(|input| decider.decide(set, input, now)).collect();
    decider.save(set, &mut changes);
    let events: Vec<EventData> = decided.iter_mut().flat_map(|decided| decided.events.drain(..)).collect();
    let stored = outbox::leave(D::SERVICE, &events, now, new_id, &mut changes);
    DecidedBatch { decided, stored, changes }
}
