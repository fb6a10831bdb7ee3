//! How streams and consumers come (back) to be: asked for, made where they are missing, and never changed.

use std::time::{Duration, Instant};

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
use crate::topology::{ConsumerSpec, ROAD_AGE_MAX, Source, StreamSpec, command_stream};

/// After this an unacknowledged message is delivered again.
const ACK_WAIT: Duration = Duration::from_secs(30);
/// A consumer of one process goes when nobody has asked it for so long: by then nothing is left in its stream that it
/// could deliver.
const UNUSED_MAX: Duration = ROAD_AGE_MAX;
/// Messages delivered and not yet acknowledged, over all replicas.
const ACK_PENDING_MAX: i64 = 2_048;

/// A server that takes longer to tell a consumer's backlog holds the asking again up no longer.
const BACKLOG_WITHIN: Duration = Duration::from_millis(300);

/// What a reader says of a stream that its maker has not made yet.
const NOT_THERE_YET: &str = "it is not there yet; the orchestrator makes it";

/// A stream or a consumer is not to be had now: NATS is away, or its maker has not made it yet.
#[derive(Debug, thiserror::Error)]
#[error("{what}: {why}")]
pub struct TopologyError {
    what: String,
    why: String,
    is_refusal: bool,
}

impl TopologyError {
    fn not_there_yet(name: &str) -> Self {
        Self { what: name.to_owned(), why: NOT_THERE_YET.to_owned(), is_refusal: true }
    }

    fn no_answer(name: &str) -> Self {
        Self { what: name.to_owned(), why: "no answer".to_owned(), is_refusal: false }
    }

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

    /// The stream, if the server has it.
    ///
    /// # Errors
    /// NATS is away or refuses.
    pub(crate) async fn find_stream(
        &self,
        service: &'static str,
        spec: &StreamSpec,
    ) -> Result<Option<Stream>, TopologyError> {
        match self.jetstream().get_stream(&spec.name).await {
            Ok(stream) => {
                self.compare(service, spec, &stream.cached_info().config);
                // Whoever made it: what was refused before is over.
                self.roads().looked(&spec.name, &Ok(()));
                Ok(Some(stream))
            }
            Err(error) if is_missing(&error.kind()) => Ok(None),
            Err(error) => Err(TopologyError::get_stream(&spec.name, &error)),
        }
    }

    /// Makes a stream that another service reads if it is missing. Not to be able to is no reason not to be ready: it is
    /// said now and then, and tried again.
    pub(crate) async fn ensure_stream_of_other(
        &self,
        service: &'static str,
        spec: &StreamSpec,
        within: Duration,
    ) -> Option<Stream> {
        let asked = tokio::time::timeout(within, self.find_or_make_stream(service, spec)).await;
        let made = asked.unwrap_or_else(|_| Err(TopologyError::no_answer(&spec.name)));
        if let Err(error) = &made
            && let Some(unsaid) = self.roads().unmade().again(Instant::now())
        {
            tracing::warn!(service, %error, unsaid, "a participant's stream is neither found nor made; trying again");
        }
        made.ok()
    }

    async fn find_or_make_stream(
        &self,
        service: &'static str,
        spec: &StreamSpec,
    ) -> Result<Stream, TopologyError> {
        if let Some(stream) = self.find_stream(service, spec).await? {
            return Ok(stream);
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

    /// Reports what of a stream is not as its maker wants it: counted at each look, logged when it is news.
    pub(crate) fn compare(&self, service: &'static str, spec: &StreamSpec, found: &Config) {
        let wanted = config_of(spec, self.replicas());
        let differing = differing(&wanted, found);
        let is_news = self.roads().differs(&spec.name, &differing);
        if differing.is_empty() {
            return;
        }
        counter!(metric_names::TOPOLOGY_MISMATCH, "service" => service).increment(1);
        if is_news {
            let settings = compared(&differing, found, &wanted);
            tracing::warn!(
                stream = spec.name,
                settings,
                "the stream's settings are not ours; left as they are"
            );
        }
    }

    /// Makes the consumer, and its stream if its reader is to, where they are missing. A stream that another
    /// service has not made yet is no reason not to be ready.
    pub(crate) async fn ensure_source(
        &self,
        service: &'static str,
        source: &Source,
    ) -> Result<PullConsumer, TopologyError> {
        let spec = &source.consumer;
        let name = format!("{} for {}", spec.stream, spec.durable);
        let stream = if source.is_maker {
            self.roads().wanted(&name);
            self.ensure_stream(service, &source.stream).await?
        } else {
            self.jetstream().get_stream(&spec.stream).await.map_err(|error| match error.kind() {
                kind if is_missing(&kind) => TopologyError::not_there_yet(&spec.stream),
                _ => TopologyError::get_stream(&spec.stream, &error),
            })?
        };
        // That a process makes one of its own is no news.
        let is_news = spec.of_process.is_none() || self.roads().was_there(&name);
        let consumer = find_or_make_consumer(service, &stream, spec, is_news).await;
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
    is_news: bool,
) -> Result<PullConsumer, ConsumerError> {
    let found = stream.consumer_info(&spec.durable).await;
    let is_missing = found.is_err_and(|error| error.kind() == ConsumerInfoErrorKind::NotFound);
    let consumer = stream.get_or_create_consumer(&spec.durable, consumer_config(spec)).await?;
    if is_missing && is_news {
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
        // None is no limit: a durable consumer stays.
        inactive_threshold: spec.of_process.as_ref().map_or(Duration::ZERO, |_| UNUSED_MAX),
        filter_subject: only.unwrap_or_default().to_owned(),
        filter_subjects: if only.is_some() { Vec::new() } else { spec.subjects.clone() },
        ..pull::Config::default()
    }
}

/// The settings that differ, of those that say what comes into a stream, what becomes of it there and where else it goes.
/// The others are the server's own defaults, or change nothing for us.
fn differing(wanted: &Config, found: &Config) -> Vec<&'static str> {
    // To the server nothing, 0 and -1 are the same: no limit.
    let bound = |most: i64| most.max(0);
    let same = [
        ("subjects", found.subjects == wanted.subjects),
        ("mirror", found.mirror.is_none()),
        ("sources", found.sources.as_ref().is_none_or(Vec::is_empty)),
        ("republish", found.republish.is_none()),
        ("subject_transform", found.subject_transform.is_none()),
        ("max_age", found.max_age == wanted.max_age),
        ("max_bytes", found.max_bytes == wanted.max_bytes),
        ("max_msgs", bound(found.max_messages) == bound(wanted.max_messages)),
        (
            "max_msgs_per_subject",
            bound(found.max_messages_per_subject) == bound(wanted.max_messages_per_subject),
        ),
        ("max_msg_size", bound(found.max_message_size.into()) == bound(wanted.max_message_size.into())),
        ("max_consumers", bound(found.max_consumers.into()) == bound(wanted.max_consumers.into())),
        ("retention", found.retention == wanted.retention),
        ("discard", found.discard == wanted.discard),
        ("storage", found.storage == wanted.storage),
        ("num_replicas", found.num_replicas == wanted.num_replicas),
        ("no_ack", found.no_ack == wanted.no_ack),
        ("sealed", found.sealed == wanted.sealed),
        ("allow_rollup_hdrs", found.allow_rollup == wanted.allow_rollup),
    ];
    same.into_iter().filter(|(_, same)| !same).map(|(setting, _)| setting).collect()
}

/// Each of these settings as it is and as it should be, by the server's own names and in its form.
fn compared(settings: &[&str], found: &Config, wanted: &Config) -> String {
    let [found, wanted] = [found, wanted].map(|config| serde_json::to_value(config).unwrap_or_default());
    let one = |name: &&str| format!("{name} is {}, and should be {}", found[name], wanted[name]);
    settings.iter().map(one).collect::<Vec<_>>().join("; ")
}

#[cfg(test)]
mod tests {
    use async_nats::jetstream::stream::{Republish, Source};

    use super::*;
    use crate::topology::commands_of;

    #[test]
    fn what_brings_messages_in_or_elsewhere_differs_and_what_the_server_fills_in_does_not() {
        let ours = config_of(&commands_of("stock"), 1);
        let filled_in =
            Config { duplicate_window: Duration::from_secs(120), max_message_size: -1, ..ours.clone() };
        assert!(differing(&ours, &filled_in).is_empty());
        let copies = Config {
            republish: Some(Republish {
                source: ">".to_owned(),
                destination: "cmd.stock.>".to_owned(),
                headers_only: false,
            }),
            sources: Some(vec![Source { name: "REPLIES".to_owned(), ..Source::default() }]),
            ..filled_in
        };
        assert_eq!(differing(&ours, &copies), ["sources", "republish"]);
        let short = Config { max_messages: 1, discard: DiscardPolicy::New, ..ours.clone() };
        assert_eq!(differing(&ours, &short), ["max_msgs", "discard"]);
        assert_eq!(
            compared(&["max_msgs", "discard"], &short, &ours),
            "max_msgs is 1, and should be -1; discard is \"new\", and should be \"old\""
        );
    }
}
