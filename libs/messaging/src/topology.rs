//! Streams and durable consumers: who makes which, their limits, and how they come (back) to be.
//!
//! A stream's maker makes it where it is missing, at start and again whenever it turns out to be gone; settings that
//! differ from ours are reported, never silently changed. Nobody checks what a maker asks of the server, and a stream
//! may be told to copy from and to others. So nobody makes one who would gain by that: the orchestrator makes the
//! streams of its participants, for it commands them anyway; a participant makes none.

mod ensure;

use std::time::Duration;

pub use ensure::TopologyError;

/// Every stream's name.
pub const REPLIES: &str = "REPLIES";
/// The stream of events.
pub const EVENTS: &str = "EVENTS";
/// The stream of revoked sessions.
pub const SESSIONS: &str = "SESSIONS";

/// What the stream of revoked sessions takes.
pub(crate) const SESSION_SUBJECTS: &str = "auth.>";

/// Size of a stream of commands or replies: 512 MiB.
const ROAD_BYTES_MAX: i64 = 512 * 1024 * 1024;
/// Age in a stream of commands or replies: the sagas ask again long before.
const ROAD_AGE_MAX: Duration = Duration::from_secs(600);
/// Age of events: 7 days.
const EVENTS_AGE_MAX: Duration = Duration::from_secs(7 * 24 * 3600);
/// Size of the stream of events: 2 GiB.
const EVENTS_BYTES_MAX: i64 = 2 * 1024 * 1024 * 1024;
/// Size of the stream of revoked sessions: 256 MiB, some hundred thousand of them.
const SESSIONS_BYTES_MAX: i64 = 256 * 1024 * 1024;

/// A stream as its maker wants it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct StreamSpec {
    /// Its name.
    pub name: String,
    /// What it takes.
    pub subjects: Vec<String>,
    /// How long a message stays.
    pub age_max: Duration,
    /// How many bytes it may hold; the oldest go first.
    pub bytes_max: i64,
}

/// The commands of a participant.
pub fn commands_of(participant: &str) -> StreamSpec {
    StreamSpec {
        name: command_stream(participant),
        subjects: vec![format!("cmd.{participant}.>")],
        age_max: ROAD_AGE_MAX,
        bytes_max: ROAD_BYTES_MAX,
    }
}

/// The name of a participant's stream of commands.
pub fn command_stream(participant: &str) -> String {
    format!("CMD_{}", participant.to_uppercase())
}

/// The subject of a workflow's replies.
pub fn reply_subject(workflow: &str) -> String {
    format!("reply.{workflow}.v1")
}

/// The replies to all workflows.
pub fn replies() -> StreamSpec {
    StreamSpec {
        name: REPLIES.to_owned(),
        subjects: vec!["reply.>".to_owned()],
        age_max: ROAD_AGE_MAX,
        bytes_max: ROAD_BYTES_MAX,
    }
}

/// The events of all services.
pub fn events() -> StreamSpec {
    let areas = ["user", "order", "delivery", "subscription", "billing"];
    StreamSpec {
        name: EVENTS.to_owned(),
        subjects: areas.iter().map(|area| format!("{area}.>")).collect(),
        age_max: EVENTS_AGE_MAX,
        bytes_max: EVENTS_BYTES_MAX,
    }
}

/// What auth tells every process, for as long as it matters.
pub fn sessions(age_max: Duration) -> StreamSpec {
    StreamSpec {
        name: SESSIONS.to_owned(),
        subjects: vec![SESSION_SUBJECTS.to_owned()],
        age_max,
        bytes_max: SESSIONS_BYTES_MAX,
    }
}

/// A durable pull consumer, shared by a service's replicas.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ConsumerSpec {
    /// On this stream.
    pub stream: String,
    /// Under this name.
    pub durable: String,
    /// Only these subjects; empty is all.
    pub subjects: Vec<String>,
}

impl ConsumerSpec {
    /// The subject, if there is but one: then the server itself sees to it that nobody asks for others in its
    /// name.
    pub(crate) fn only_subject(&self) -> Option<&str> {
        match &self.subjects[..] {
            [one] => Some(one),
            _ => None,
        }
    }
}

/// Where a service's inputs come from: a consumer of a stream.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Source {
    /// The stream, as it should be.
    pub stream: StreamSpec,
    /// Whether its reader makes the stream when it is missing; else it waits for it.
    pub is_maker: bool,
    /// What is read.
    pub consumer: ConsumerSpec,
}

impl Source {
    /// A participant's own commands; the stream is made by the orchestrator.
    pub fn commands(participant: &str) -> Self {
        Self::new(commands_of(participant), false, participant, Vec::new())
    }

    /// The replies to one workflow; the stream is the orchestrator's.
    pub fn replies(workflow: &str) -> Self {
        Self::new(replies(), true, workflow, vec![reply_subject(workflow)])
    }

    /// Some events, heard by a service that does not make their stream.
    pub fn events(service: &str, types: &[&str]) -> Self {
        let subjects = types.iter().map(|&subject| subject.to_owned()).collect();
        Self::new(events(), false, service, subjects)
    }

    /// What its messages come by.
    pub(crate) fn subjects(&self) -> &[String] {
        if self.consumer.subjects.is_empty() { &self.stream.subjects } else { &self.consumer.subjects }
    }

    /// Whether a message on this subject is one of its own. Who may read *any* consumer can have the server deliver
    /// what that reads into any stream: rights are about the subject of a question, not about where the answer goes.
    /// Such a message keeps the subject on which it was published, and that its sender had the right to.
    pub fn takes(&self, subject: &str) -> bool {
        self.subjects().iter().any(|taken| covers(taken, subject))
    }

    fn new(stream: StreamSpec, is_maker: bool, durable: &str, subjects: Vec<String>) -> Self {
        let consumer = ConsumerSpec { stream: stream.name.clone(), durable: durable.to_owned(), subjects };
        Self { stream, is_maker, consumer }
    }
}

impl StreamSpec {
    /// Whether what is published on this subject comes here.
    pub(crate) fn takes(&self, subject: &str) -> bool {
        self.subjects.iter().any(|taken| covers(taken, subject))
    }
}

/// Whether a subject is this one, or below it: `cmd.stock.>`.
pub(crate) fn covers(taken: &str, subject: &str) -> bool {
    match taken.strip_suffix('>') {
        Some(above) => subject.len() > above.len() && subject.starts_with(above),
        None => taken == subject,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_source_takes_what_is_published_to_it_and_nothing_that_was_brought_there() {
        let commands = Source::commands("stock");
        assert!(commands.takes("cmd.stock.reserve_stock.v1"));
        for stray in ["cmd.billing.reserve_funds.v1", "cmd.stock", "cmd.stock.", "cmd.stockings.a.v1"] {
            assert!(!commands.takes(stray), "{stray}");
        }
        let events = Source::events("stock", &["order.order_confirmed.v1"]);
        assert!(events.takes("order.order_confirmed.v1") && !events.takes("order.order_confirmed.v12"));
        let replies = Source::replies("order");
        assert!(replies.takes("reply.order.v1") && !replies.takes("reply.order_cancellation.v1"));
    }
}
