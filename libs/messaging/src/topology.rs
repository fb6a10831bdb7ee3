//! Streams and durable consumers: who owns which, their limits, and how they come (back) to be.
//!
//! An owner makes what is missing, at start and again whenever it turns out to be gone; settings that
//! differ from ours are reported, never silently changed.

use std::time::Duration;

use async_nats::jetstream::ErrorCode;
use async_nats::jetstream::consumer::{AckPolicy, PullConsumer, pull};
use async_nats::jetstream::context::{
    ConsumerInfoErrorKind, CreateStreamError, CreateStreamErrorKind, GetStreamError, GetStreamErrorKind,
};
use async_nats::jetstream::stream::{
    Config, ConsumerError, ConsumerErrorKind, DiscardPolicy, RetentionPolicy, StorageType, Stream,
};
use metrics::counter;

use crate::bus::Bus;
use crate::metric_names;

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
/// After this an unacknowledged message is delivered again.
const ACK_WAIT: Duration = Duration::from_secs(30);
/// Messages delivered and not yet acknowledged, over all replicas.
const ACK_PENDING_MAX: i64 = 2_048;

/// A server that takes longer to tell a consumer's backlog holds the asking again up no longer.
const BACKLOG_WITHIN: Duration = Duration::from_millis(300);

/// A stream as its owner wants it.
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

/// Where a service's inputs come from: a consumer, and its stream if the service owns that.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Source {
    /// The stream that this service makes when it is missing.
    pub owned: Option<StreamSpec>,
    /// What is read.
    pub consumer: ConsumerSpec,
}

impl Source {
    /// A participant's own commands.
    pub fn commands(participant: &str) -> Self {
        Self::owned(commands_of(participant), participant, Vec::new())
    }

    /// The replies to one workflow; the stream is the orchestrator's.
    pub fn replies(workflow: &str) -> Self {
        Self::owned(replies(), workflow, vec![reply_subject(workflow)])
    }

    /// Some events, heard by a service that does not own their stream.
    pub fn events(service: &str, types: &[&str]) -> Self {
        let subjects = types.iter().map(|&subject| subject.to_owned()).collect();
        let consumer = ConsumerSpec { stream: EVENTS.to_owned(), durable: service.to_owned(), subjects };
        Self { owned: None, consumer }
    }

    /// What its messages come by.
    pub(crate) fn subjects(&self) -> &[String] {
        match &self.owned {
            Some(stream) if self.consumer.subjects.is_empty() => &stream.subjects,
            _ => &self.consumer.subjects,
        }
    }

    /// Whether a message on this subject is one of its own. Who may read *any* consumer can have the server deliver
    /// what that reads into any stream: rights are about the subject of a question, not about where the answer goes.
    /// Such a message keeps the subject on which it was published, and that its sender had the right to.
    pub(crate) fn takes(&self, subject: &str) -> bool {
        self.subjects().iter().any(|taken| covers(taken, subject))
    }

    fn owned(stream: StreamSpec, durable: &str, subjects: Vec<String>) -> Self {
        let consumer = ConsumerSpec { stream: stream.name.clone(), durable: durable.to_owned(), subjects };
        Self { owned: Some(stream), consumer }
    }
}

/// Whether a subject is this one, or below it: `cmd.stock.>`.
pub(crate) fn covers(taken: &str, subject: &str) -> bool {
    match taken.strip_suffix('>') {
        Some(above) => subject.len() > above.len() && subject.starts_with(above),
        None => taken == subject,
    }
}

/// A stream or a consumer is not to be had now: NATS is away, or its owner has not made it yet.
#[derive(Debug, thiserror::Error)]
#[error("{what}: {why}")]
pub struct TopologyError {
    what: String,
    why: String,
    is_refusal: bool,
}

impl TopologyError {
    fn get_stream(name: &str, error: &GetStreamError) -> Self {
        let is_refusal = matches!(error.kind(), GetStreamErrorKind::JetStream(_));
        Self { what: name.to_owned(), why: error.to_string(), is_refusal }
    }

    fn create_stream(name: &str, error: &CreateStreamError) -> Self {
        let is_refusal = matches!(error.kind(), CreateStreamErrorKind::JetStream(_));
        Self { what: name.to_owned(), why: error.to_string(), is_refusal }
    }

    fn consumer(stream: &str, error: &ConsumerError) -> Self {
        let is_refusal = matches!(error.kind(), ConsumerErrorKind::JetStream(_));
        Self { what: stream.to_owned(), why: error.to_string(), is_refusal }
    }

    /// Whether the server said no; otherwise it did not answer.
    pub(crate) fn is_refusal(&self) -> bool {
        self.is_refusal
    }

    pub(crate) fn why(&self) -> &str {
        &self.why
    }
}

impl Bus {
    /// Makes the stream if it is missing. Until that was possible the process is not ready.
    ///
    /// # Errors
    /// NATS is away or refuses.
    pub async fn ensure_stream(
        &self,
        service: &'static str,
        spec: &StreamSpec,
    ) -> Result<Stream, TopologyError> {
        self.roads().wanted(&spec.name);
        let stream = self.find_or_make_stream(service, spec).await;
        self.roads().looked(&spec.name, &stream);
        stream
    }

    async fn find_or_make_stream(
        &self,
        service: &'static str,
        spec: &StreamSpec,
    ) -> Result<Stream, TopologyError> {
        match self.jetstream().get_stream(&spec.name).await {
            Ok(stream) => {
                report_mismatch(service, (spec, self.replicas()), &stream.cached_info().config);
                return Ok(stream);
            }
            Err(error) if is_missing(&error.kind()) => {}
            Err(error) => return Err(TopologyError::get_stream(&spec.name, &error)),
        }
        let created = self.jetstream().create_stream(config_of(spec, self.replicas())).await;
        match created {
            Ok(stream) => {
                counter!(metric_names::TOPOLOGY_HEALED, "service" => service).increment(1);
                tracing::info!(stream = spec.name, "stream made");
                Ok(stream)
            }
            // Another replica was faster.
            Err(error) if already_exists(&error.kind()) => {
                let stream = self.jetstream().get_stream(&spec.name).await;
                stream.map_err(|error| TopologyError::get_stream(&spec.name, &error))
            }
            Err(error) => Err(TopologyError::create_stream(&spec.name, &error)),
        }
    }

    /// Makes the consumer, and its stream if it is owned, where they are missing. A stream that another
    /// service has not made yet is no reason not to be ready.
    pub(crate) async fn ensure_source(
        &self,
        service: &'static str,
        source: &Source,
    ) -> Result<PullConsumer, TopologyError> {
        let spec = &source.consumer;
        let name = format!("{} for {}", spec.stream, spec.durable);
        let stream = match &source.owned {
            Some(owned) => {
                self.roads().wanted(&name);
                self.ensure_stream(service, owned).await?
            }
            None => {
                let stream = self.jetstream().get_stream(&spec.stream).await;
                stream.map_err(|error| TopologyError::get_stream(&spec.stream, &error))?
            }
        };
        let consumer = find_or_make_consumer(service, &stream, spec).await;
        let consumer = consumer.map_err(|error| TopologyError::consumer(&spec.stream, &error));
        self.roads().looked(&name, &consumer);
        consumer
    }

    /// Messages that a participant's consumer has not delivered yet; none where it cannot be told soon.
    pub async fn backlog_of(&self, participant: &str) -> u64 {
        if !self.is_connected() {
            return 0;
        }
        let stream = command_stream(participant);
        let asked = self.jetstream().get_consumer_from_stream(participant, stream);
        let consumer: Option<PullConsumer> =
            tokio::time::timeout(BACKLOG_WITHIN, asked).await.ok().and_then(Result::ok);
        consumer.map_or(0, |consumer| consumer.cached_info().num_pending)
    }
}

/// Where it is missing nobody but the server can tell, so it is asked first: one that is there may have delivered nothing
/// yet.
async fn find_or_make_consumer(
    service: &'static str,
    stream: &Stream,
    spec: &ConsumerSpec,
) -> Result<PullConsumer, ConsumerError> {
    let is_missing = match stream.consumer_info(&spec.durable).await {
        Ok(_) => false,
        Err(error) => matches!(error.kind(), ConsumerInfoErrorKind::NotFound),
    };
    let consumer = stream.get_or_create_consumer(&spec.durable, consumer_config(spec)).await?;
    if is_missing {
        counter!(metric_names::TOPOLOGY_HEALED, "service" => service).increment(1);
        tracing::info!(stream = spec.stream, consumer = spec.durable, "consumer made");
    }
    Ok(consumer)
}

fn already_exists(kind: &CreateStreamErrorKind) -> bool {
    matches!(kind, CreateStreamErrorKind::JetStream(error) if error.error_code() == ErrorCode::STREAM_NAME_EXIST)
}

fn is_missing(kind: &GetStreamErrorKind) -> bool {
    matches!(kind, GetStreamErrorKind::JetStream(error)
        if error.error_code() == ErrorCode::STREAM_NOT_FOUND)
}

fn config_of(spec: &StreamSpec, replicas: usize) -> Config {
    Config {
        name: spec.name.clone(),
        subjects: spec.subjects.clone(),
        max_age: spec.age_max,
        max_bytes: spec.bytes_max,
        max_messages: -1,
        max_messages_per_subject: -1,
        max_consumers: -1,
        // Work-queue retention costs the server 45 % more CPU (docs/performance.md).
        retention: RetentionPolicy::Limits,
        discard: DiscardPolicy::Old,
        storage: StorageType::File,
        num_replicas: replicas,
        ..Config::default()
    }
}

fn consumer_config(spec: &ConsumerSpec) -> pull::Config {
    let only = spec.only_subject();
    pull::Config {
        durable_name: Some(spec.durable.clone()),
        ack_policy: AckPolicy::Explicit,
        ack_wait: ACK_WAIT,
        // Unlimited: poison is known by its item, not by the count of a message with healthy neighbours.
        max_deliver: -1,
        max_ack_pending: ACK_PENDING_MAX,
        filter_subject: only.unwrap_or_default().to_owned(),
        filter_subjects: if only.is_some() { Vec::new() } else { spec.subjects.clone() },
        ..pull::Config::default()
    }
}

fn report_mismatch(service: &'static str, (wanted, replicas): (&StreamSpec, usize), found: &Config) {
    let same = found.subjects == wanted.subjects
        && found.max_age == wanted.age_max
        && found.max_bytes == wanted.bytes_max
        && found.num_replicas == replicas
        && found.retention == RetentionPolicy::Limits;
    if !same {
        counter!(metric_names::TOPOLOGY_MISMATCH, "service" => service).increment(1);
        tracing::warn!(
            stream = wanted.name,
            ?found,
            ?wanted,
            replicas,
            "the stream's settings are not ours; left as they are"
        );
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
