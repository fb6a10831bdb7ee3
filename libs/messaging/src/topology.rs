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

/// Between a workflow and a process in a consumer's name.
const OF_PROCESS: char = '-';

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

/// The subject of the replies to a workflow that any of its processes may take.
pub fn reply_subject(workflow: &str) -> String {
    format!("reply.{workflow}.v1")
}

/// The subject of the replies to one process of a workflow, which knows the sagas that it asked for. Its name is a
/// token of a subject.
pub fn reply_subject_of(workflow: &str, process: &str) -> String {
    format!("{}.{process}", reply_subject(workflow))
}

/// Whether a reply on this subject is to the workflow whose replies have that one, whichever of its processes asked.
pub fn is_reply_to(replies: &str, subject: &str) -> bool {
    let rest = subject.strip_prefix(replies);
    rest.is_some_and(|rest| rest.is_empty() || rest.starts_with('.'))
}

/// The subject without the process, if it is one of [`reply_subject_of`]: for what outlives processes, and for what
/// must not be told by each of them.
pub(crate) fn without_process(subject: &str) -> &str {
    match subject.match_indices('.').nth(2) {
        Some((end, _)) if subject.starts_with("reply.") => &subject[..end],
        _ => subject,
    }
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

/// A durable pull consumer, shared by a service's replicas or one process' own.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ConsumerSpec {
    /// On this stream.
    pub stream: String,
    /// Under this name.
    pub durable: String,
    /// Only these subjects; empty is all.
    pub subjects: Vec<String>,
    /// The workflow of whose processes it is one's own. Such a consumer goes some time after its process, and others
    /// read what is left in it.
    pub of_process: Option<String>,
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

    /// What it is called in metrics: the same for every process.
    pub(crate) fn label(&self) -> String {
        self.of_process.as_ref().map_or_else(|| self.durable.clone(), |workflow| format!("{workflow}-own"))
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

    /// The replies to one workflow that any of its processes may take; the stream is the orchestrator's.
    pub fn replies(workflow: &str) -> Self {
        Self::new(replies(), true, workflow, vec![reply_subject(workflow)])
    }

    /// The replies to what one process of a workflow asked. Of a process `*` it is what any of them reads: for rights.
    pub fn replies_to(workflow: &str, process: &str) -> Self {
        let durable = format!("{workflow}{OF_PROCESS}{process}");
        let mut source = Self::new(replies(), true, &durable, vec![reply_subject_of(workflow, process)]);
        source.consumer.of_process = Some(workflow.to_owned());
        source
    }

    /// The same of another process, whose consumer has this name; `None` where it is none of such a process.
    pub(crate) fn of_other(&self, durable: &str) -> Option<Self> {
        let workflow = self.consumer.of_process.as_deref()?;
        let process = durable.strip_prefix(workflow)?.strip_prefix(OF_PROCESS)?;
        (durable != self.consumer.durable).then(|| Self::replies_to(workflow, process))
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
        let (stream_name, durable) = (stream.name.clone(), durable.to_owned());
        let consumer = ConsumerSpec { stream: stream_name, durable, subjects, of_process: None };
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
        assert!(!replies.takes("reply.order.v1.a"), "that is for one of its processes");
        let own = Source::replies_to("order", "a");
        assert!(
            own.takes("reply.order.v1.a") && !own.takes("reply.order.v1.b") && !own.takes("reply.order.v1")
        );
    }

    #[test]
    fn a_process_knows_the_consumers_of_the_others_of_its_workflow() {
        let own = Source::replies_to("order", "a");
        assert_eq!(own.of_other("order-b"), Some(Source::replies_to("order", "b")));
        for none in ["order-a", "order", "order_cancellation", "order_cancellation-b", "stock"] {
            assert_eq!(own.of_other(none), None, "{none}");
        }
        assert_eq!(Source::replies("order").of_other("order-b"), None);
    }

    #[test]
    fn a_reply_is_to_a_workflow_whichever_of_its_processes_asked() {
        for own in ["reply.order.v1", "reply.order.v1.a"] {
            assert!(is_reply_to("reply.order.v1", own), "{own}");
            assert_eq!(without_process(own), "reply.order.v1");
        }
        for other in ["reply.order.v12", "reply.order_cancellation.v1", "order.order_confirmed.v1"] {
            assert!(!is_reply_to("reply.order.v1", other), "{other}");
            assert_eq!(without_process(other), other);
        }
        assert_eq!(without_process("cmd.stock.reserve_stock.v1"), "cmd.stock.reserve_stock.v1");
    }
}
