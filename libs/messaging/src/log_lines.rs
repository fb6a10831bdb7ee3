//! A line for every message that a loop processed, for those who ask for it (`messages=debug`).

use tracing::Level;

use crate::decider::{Answer, Decided, Decider};
use crate::handle::{Arrived, Origin};

/// Tells of the messages of a batch after its commit.
pub(crate) fn processed<D: Decider>(batch: &[Arrived<D>], decided: &[Decided<D::Answer>]) {
    if !tracing::enabled!(target: "messages", Level::DEBUG) {
        return;
    }
    for (arrived, decided) in batch.iter().zip(decided) {
        let Origin::Message { envelope, .. } = &arrived.origin else { continue };
        let (outcome, code) = match &decided.answer {
            Answer::Reply(reply) => (Some(reply.outcome.as_str()), reply.code.as_deref()),
            Answer::NotHere => (Some("not_here"), None),
            Answer::Caller(_) | Answer::Nobody => (None, None),
        };
        tracing::debug!(
            target: "messages",
            service = D::SERVICE,
            item_type = envelope.item_type,
            item = %envelope.id,
            saga = %envelope.saga,
            step = envelope.step,
            direction = envelope.direction.map(tracing::field::display),
            attempt = envelope.attempt,
            trace_id = envelope.about().context().map(|context| context.trace_id()),
            outcome,
            code,
            "processed"
        );
    }
}
