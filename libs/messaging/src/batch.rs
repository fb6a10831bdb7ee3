//! A batch between its load and its commit: the same for the loop on PostgreSQL and for a simulation.

use contracts::{EventData, Timestamp};
use trace::About;
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
pub(crate) fn decide<'a, D: Decider>(
    decider: &D,
    set: &mut D::Set,
    inputs: &[&D::Input],
    about: impl Fn(usize) -> About<'a>,
    mut changes: Changes,
    now: Timestamp,
    new_id: impl FnMut() -> Uuid,
) -> DecidedBatch<D::Answer> {
    let mut events: Vec<EventData> = Vec::new();
    let mut decide_one = |(index, input): (usize, &&D::Input)| {
        let about = about(index);
        let mut decided = trace::handle(about, || decider.decide(set, input, now));
        for mut event in decided.events.drain(..) {
            event.traceparent = event.traceparent.or_else(|| about.to_traceparent());
            events.push(event);
        }
        decided
    };
    let decided: Vec<_> = inputs.iter().enumerate().map(&mut decide_one).collect();
    decider.save(set, &mut changes);
    let stored = outbox::leave(D::SERVICE, &events, now, new_id, &mut changes);
    DecidedBatch { decided, stored, changes }
}
