//! The rows of a batch, and how what a saga's move brings about gets into them and out to others.

use std::sync::Arc;

use contracts::{EventData, Timestamp};
use messaging::idempotency::RememberedRequest;
use messaging::rows::{Record, Rows};
use messaging::{Decided, OutgoingCommand};
use metrics::counter;
use saga::{Definition, Effect};
use service::http::TraceContext;
use uuid::Uuid;

use super::Workflow;
use super::audit_row::ActionRow;
use super::input::Told;
use super::measures::Tally;
use super::moving::Moved;
use super::pauses::Held;
use super::saga_row::{HistoryRow, SagaRow};
use crate::metric_names;

/// The rows of a batch.
pub struct Set<R> {
    pub(super) sagas: Rows<SagaRow>,
    pub(super) remembered: Rows<RememberedRequest>,
    pub(super) history: Rows<HistoryRow>,
    /// The acts of this batch, and those of an earlier try whose commit went unanswered.
    pub(super) actions: Rows<ActionRow>,
    /// What must not be sent.
    pub(super) held: Arc<Held>,
    /// The subject of the replies to what is asked.
    pub(super) reply_to: Arc<str>,
    /// The workflow's own rows at the milestones of this batch.
    pub(super) rows: Rows<R>,
    /// Of these the fate is known now: their waiters are woken after the commit.
    pub(super) decided: Vec<Uuid>,
    /// What is counted after the commit.
    pub(super) tally: Tally,
}

impl<R: Record> Set<R> {
    /// Turns effects into rows and outputs, and writes the input into history.
    pub(super) fn carry_out<W: Workflow<Row = R>>(
        &mut self,
        definition: &Definition<W::Data>,
        moved: Moved<W::Data>,
        now: Timestamp,
        decided: &mut Decided<Told<R>>,
    ) {
        let Moved { instance, records, effects } = moved;
        for record in records.into_iter().flatten() {
            match self.history.get_mut(instance.id) {
                Some(row) => row.add(record),
                None => self.history.insert(HistoryRow::new(instance.id, record)),
            }
        }
        let row = self.sagas.get(instance.id);
        let traceparent = row.and_then(|row| row.traceparent.clone());
        let trace_id = || TraceContext::parse(traceparent.as_deref()?).map(|context| context.trace_id());
        // What was paused says nothing about how fast the others are.
        let lasted = row.map(|row| now - row.created_at - instance.stood_still(now)).unwrap_or_default();
        for effect in effects {
            match effect {
                Effect::Send(send) => {
                    self.tally.sent(&send);
                    let can_wait = definition.is_tail(send.step);
                    let reply_to = Arc::clone(&self.reply_to);
                    let command = command::<W>(instance.id, send, reply_to, can_wait, traceparent.clone());
                    decided.commands.push(command);
                }
                Effect::Publish(event) => {
                    decided.events.push(EventData { traceparent: traceparent.clone(), ..event });
                }
                Effect::Decided(decision) => {
                    if let Some(row) = W::decided(&instance.data, &decision, now) {
                        self.rows.put(row);
                    }
                    self.decided.push(W::key(&instance.data));
                    self.tally.decided(&decision, lasted, W::worth(&instance.data));
                }
                Effect::Finished(outcome) => {
                    self.tally.finished(outcome.status(), lasted);
                    if let Some(row) = W::finished(&instance.data, &outcome, now) {
                        self.rows.put(row);
                        self.decided.push(W::key(&instance.data));
                    }
                }
                Effect::Stuck { step, direction, why } => {
                    counter!(metric_names::SAGAS_STUCK, "workflow" => W::NAME, "step" => step).increment(1);
                    tracing::error!(saga = %instance.id, workflow = definition.name(), step, %direction, ?why, trace_id = trace_id(), "the saga is stuck");
                }
                Effect::Healed => {
                    tracing::info!(saga = %instance.id, workflow = definition.name(), trace_id = trace_id(), "the saga goes on");
                }
                Effect::Ignored(why) => ignore::<W>(why.as_str()),
            }
        }
    }
}

/// Counts an input that changes nothing.
pub(super) fn ignore<W: Workflow>(why: &'static str) {
    counter!(metric_names::INPUTS_IGNORED, "workflow" => W::NAME, "why" => why).increment(1);
}

/// What comes after the decision can wait, as its answers can.
fn command<W: Workflow>(
    saga: Uuid,
    send: saga::Send,
    reply_to: Arc<str>,
    can_wait: bool,
    traceparent: Option<String>,
) -> OutgoingCommand {
    if send.attempt > 1 {
        counter!(metric_names::COMMANDS_ASKED_AGAIN, "workflow" => W::NAME, "step" => send.step).increment(1);
    }
    OutgoingCommand {
        command_id: send.command_id,
        command_type: send.command_type,
        saga,
        step: send.step,
        direction: send.direction,
        attempt: send.attempt,
        reply_to,
        traceparent,
        can_wait,
        data: send.data,
    }
}
