//! What a committed batch tells of itself, where traces are recorded: a span for every input in its own trace, a
//! span for every command and reply until its stream has it, and the batch, linked with its inputs both ways.
//!
//! All of it is made after the commit: a batch that is tried again is told of once.

use std::time::{Instant, SystemTime};

use contracts::{Outcome, ReplyData};
use trace::{Kind, Span, TraceContext};

use crate::decider::{Answer, Decided, Decider, OutgoingCommand};
use crate::handle::{Arrived, Origin};
use crate::receiver::Envelope;
use crate::topology::without_process;

/// The spans of one batch.
pub(crate) struct BatchSpans {
    service: &'static str,
    batch: Span,
    began: SystemTime,
    committed: SystemTime,
    /// Whether anything of it is recorded.
    is_linked: bool,
}

impl BatchSpans {
    /// Of a batch that is committed just now; none where nothing is recorded.
    pub(crate) fn begin(service: &'static str, began: Instant, inputs: usize) -> Option<Self> {
        if !trace::is_on() {
            return None;
        }
        let committed = SystemTime::now();
        let began = committed.checked_sub(began.elapsed()).unwrap_or(committed);
        let inputs = i64::try_from(inputs).unwrap_or(i64::MAX);
        let batch =
            Span::apart(service, "batch").began_at(began).with("messaging.batch.message_count", inputs);
        Some(Self { service, batch, began, committed, is_linked: false })
    }

    /// Tells of an input. Its reply and its commands go on under spans of their own, which are added to `sent`.
    pub(crate) fn processed<D: Decider>(
        &mut self,
        arrived: &mut Arrived<D>,
        decided: &mut Decided<D::Answer>,
        sent: &mut Vec<Span>,
    ) {
        let parent = arrived.about().context().filter(TraceContext::is_sampled);
        if let Some(parent) = parent {
            let span = match &mut arrived.origin {
                Origin::Message { envelope, .. } => self.message(parent, envelope, &decided.answer, sent),
                Origin::Call { .. } | Origin::Own => {
                    Span::under(parent, self.service, Kind::Internal, "process a request")
                }
            };
            self.end_input(span);
        }
        for command in &mut decided.commands {
            sent.extend(sent_command(self.service, command));
        }
    }

    fn message<A>(
        &self,
        parent: TraceContext,
        envelope: &mut Envelope,
        answer: &Answer<A>,
        sent: &mut Vec<Span>,
    ) -> Span {
        let name = format!("process {}", without_process(&envelope.item_type));
        let span = about(Span::under(parent, self.service, Kind::Consumer, name), envelope);
        let Answer::Reply(reply) = answer else { return span };
        if let Some(to) = &envelope.reply_to {
            let span = Span::under(
                span.context(),
                self.service,
                Kind::Producer,
                format!("send {}", without_process(to)),
            );
            let span = about(span, envelope);
            envelope.traceparent = Some(span.context().to_string());
            sent.push(span);
        }
        answered(span, reply)
    }

    fn end_input(&mut self, span: Span) {
        let mut span = span.began_at(self.began);
        span.link(self.batch.context());
        self.batch.link(span.context());
        self.is_linked = true;
        span.end_at(self.committed);
    }

    /// Tells of the batch, if anything of it is recorded.
    pub(crate) fn end(self) {
        if self.is_linked {
            self.batch.end_at(self.committed);
        }
    }
}

/// A command goes on under its saga's context, whoever caused it and however often it is asked.
fn sent_command(service: &'static str, command: &mut OutgoingCommand) -> Option<Span> {
    let parent = TraceContext::parse(command.traceparent.as_deref()?).filter(TraceContext::is_sampled)?;
    let span = Span::under(parent, service, Kind::Producer, format!("send {}", command.command_type))
        .with("rondo.saga", command.saga.to_string())
        .with("rondo.step", command.step)
        .with("rondo.direction", command.direction.to_string())
        .with("rondo.attempt", i64::from(command.attempt));
    command.traceparent = Some(span.context().to_string());
    Some(span)
}

/// The streams have all of it, or it is asked again.
pub(crate) fn end_sent(spans: impl IntoIterator<Item = Span>, is_sent: bool) {
    for span in spans {
        if is_sent { span.end() } else { span.failed("not published").end() }
    }
}

fn about(span: Span, envelope: &Envelope) -> Span {
    span.with("rondo.saga", envelope.saga.to_string())
        .with_some("rondo.step", envelope.step.clone())
        .with_some("rondo.direction", envelope.direction.map(|direction| direction.to_string()))
        .with_some("rondo.attempt", envelope.attempt.map(i64::from))
}

fn answered(span: Span, reply: &ReplyData) -> Span {
    let span = span.with("rondo.outcome", reply.outcome.as_str());
    let span = if reply.outcome == Outcome::Fault { span.failed("fault") } else { span };
    span.with_some("rondo.code", reply.code.clone())
}
