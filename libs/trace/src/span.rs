//! A span: what was done from when to when, under which context, and what it is linked to.

use std::borrow::Cow;
use std::time::SystemTime;

use opentelemetry::trace::{Link, SpanContext, SpanId, SpanKind, Status, TraceFlags, TraceId, TraceState};
use opentelemetry::{KeyValue, Value};
use opentelemetry_sdk::trace::{SpanData, SpanEvents, SpanLinks};

use crate::{TraceContext, export};

/// What part a span has in the talk of several.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Kind {
    /// Answers a request.
    Server,
    /// Puts a message on the road.
    Producer,
    /// Handles a message.
    Consumer,
    /// Talks to nobody.
    Internal,
}

/// A span that has begun. It is told of when it [ends](Span::end), and never if it is dropped.
#[derive(Debug)]
#[must_use = "a span that does not end is not told of"]
pub struct Span {
    scope: &'static str,
    name: Cow<'static, str>,
    kind: Kind,
    context: TraceContext,
    parent: Option<TraceContext>,
    began: SystemTime,
    attributes: Vec<KeyValue>,
    links: Vec<Link>,
    status: Status,
}

impl Span {
    /// A span that begins now, of a service (or what else works in the process), under a parent. Its context
    /// is new.
    pub fn under(
        parent: TraceContext,
        scope: &'static str,
        kind: Kind,
        name: impl Into<Cow<'static, str>>,
    ) -> Self {
        Self::of(parent.child(), Some(parent), scope, kind, name)
    }

    /// A span that begins a trace of its own, and is always recorded: a batch's.
    pub fn apart(scope: &'static str, name: impl Into<Cow<'static, str>>) -> Self {
        Self::of(TraceContext::begin().recorded(), None, scope, Kind::Internal, name)
    }

    /// A span whose context others know already.
    pub fn of(
        context: TraceContext,
        parent: Option<TraceContext>,
        scope: &'static str,
        kind: Kind,
        name: impl Into<Cow<'static, str>>,
    ) -> Self {
        Self {
            scope,
            name: name.into(),
            kind,
            context,
            parent,
            began: SystemTime::now(),
            attributes: Vec::new(),
            links: Vec::new(),
            status: Status::Unset,
        }
    }

    /// By what others go on under it.
    pub fn context(&self) -> TraceContext {
        self.context
    }

    /// It began at this time.
    pub fn began_at(self, began: SystemTime) -> Self {
        Self { began, ..self }
    }

    /// It is told with this; never with what tells of a person, or is a secret.
    pub fn with(mut self, key: &'static str, value: impl Into<Value>) -> Self {
        self.attributes.push(KeyValue::new(key, value));
        self
    }

    /// The same, where there is a value.
    pub fn with_some(self, key: &'static str, value: Option<impl Into<Value>>) -> Self {
        match value {
            Some(value) => self.with(key, value),
            None => self,
        }
    }

    /// It belongs together with another span, of whatever trace.
    pub fn link(&mut self, other: TraceContext) {
        self.links.push(Link::with_context(span_context(other, false)));
    }

    /// It failed.
    pub fn failed(self, why: impl Into<Cow<'static, str>>) -> Self {
        Self { status: Status::error(why), ..self }
    }

    /// It ends now.
    pub fn end(self) {
        self.end_at(SystemTime::now());
    }

    /// It ended at this time.
    pub fn end_at(self, end: SystemTime) {
        if !self.context.is_sampled() {
            return;
        }
        let is_remote = matches!(self.kind, Kind::Server | Kind::Consumer);
        let mut links = SpanLinks::default();
        links.links = self.links;
        export::send(SpanData {
            span_context: span_context(self.context, false),
            parent_span_id: self.parent.map_or(SpanId::INVALID, |parent| SpanId::from(parent.ids().1)),
            parent_span_is_remote: is_remote && self.parent.is_some(),
            span_kind: self.kind.into(),
            name: self.name,
            start_time: self.began,
            end_time: end.max(self.began),
            attributes: self.attributes,
            dropped_attributes_count: 0,
            events: SpanEvents::default(),
            links,
            status: self.status,
            instrumentation_scope: export::scope(self.scope),
        });
    }
}

impl From<Kind> for SpanKind {
    fn from(kind: Kind) -> Self {
        match kind {
            Kind::Server => Self::Server,
            Kind::Producer => Self::Producer,
            Kind::Consumer => Self::Consumer,
            Kind::Internal => Self::Internal,
        }
    }
}

fn span_context(context: TraceContext, is_remote: bool) -> SpanContext {
    let (trace_id, span_id) = context.ids();
    let flags = if context.is_sampled() { TraceFlags::SAMPLED } else { TraceFlags::default() };
    SpanContext::new(TraceId::from(trace_id), SpanId::from(span_id), flags, is_remote, TraceState::default())
}
