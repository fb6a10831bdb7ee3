//! Spans leave by OTLP over HTTP, in batches, on a thread of their own. Where none may wait any more they are
//! dropped: whoever is traced never waits for whoever looks.

use std::sync::OnceLock;
use std::time::Duration;

use opentelemetry::trace::{SpanKind, TraceId};
use opentelemetry::{InstrumentationScope, KeyValue};
use opentelemetry_otlp::{ExporterBuildError, SpanExporter, WithExportConfig};
use opentelemetry_sdk::Resource;
use opentelemetry_sdk::trace::{
    BatchConfigBuilder, BatchSpanProcessor, Sampler, SamplingDecision, ShouldSample, SpanData, SpanProcessor,
};
use url::Url;

use crate::counted::{Counted, may_wait};
use crate::seldom::Seldom;

/// Spans that may wait to be sent; about a kilobyte each.
const QUEUE_SPANS: usize = 16_384;
/// Spans sent in one request.
const BATCH_SPANS: usize = 1_024;
/// How long a span waits for others: what a process that is killed has not told yet.
const SENT_EVERY: Duration = Duration::from_millis(500);
/// How long a stopping process waits for the receiver.
const LAST_WORDS: Duration = Duration::from_secs(3);

static EXPORTER: OnceLock<Exporter> = OnceLock::new();

/// Where spans go.
#[derive(Debug, Clone)]
pub struct Export {
    /// Base address of the receiver, `http://host:port`; spans go to `/v1/traces` there.
    pub endpoint: String,
    /// The share of new traces that is recorded, 0 to 1. Traces that a caller began are recorded if it says so.
    pub ratio: f64,
    /// The process: `service.name`.
    pub process: String,
}

struct Exporter {
    processor: BatchSpanProcessor,
    ratio: f64,
}

/// Spans cannot be sent.
#[derive(Debug, thiserror::Error)]
pub enum StartError {
    /// The address has no meaning, or there is no HTTP client.
    #[error("the receiver of traces: {0}")]
    Exporter(#[from] ExporterBuildError),
    /// A receiver beside the process is meant. TLS here would be TLS in every HTTP client of the process, each of which
    /// would read the authorities of the system, and fail where there are none.
    #[error(
        "the receiver of traces (OTEL_EXPORTER_OTLP_ENDPOINT) must be http://host or http://host:port and nothing else; \
         https:// is not spoken here: let a collector beside the process send them on"
    )]
    Address,
}

/// Begins to send spans. A second call changes nothing.
///
/// # Errors
/// The receiver's address has no meaning. One that does not answer is no error: its spans are dropped.
pub fn start(export: &Export) -> Result<(), StartError> {
    if EXPORTER.get().is_some() {
        return Ok(());
    }
    let receiver = base_address(&export.endpoint).ok_or(StartError::Address)?.to_string();
    let exporter =
        SpanExporter::builder().with_http().with_endpoint(format!("{receiver}v1/traces")).build()?;
    let exporter = Counted { exporter, receiver, failed: Seldom::default() };
    let config = BatchConfigBuilder::default()
        .with_max_queue_size(QUEUE_SPANS)
        .with_max_export_batch_size(BATCH_SPANS)
        .with_scheduled_delay(SENT_EVERY)
        .build();
    let mut processor = BatchSpanProcessor::builder(exporter).with_batch_config(config).build();
    let resource = Resource::builder_empty()
        .with_service_name(export.process.clone())
        .with_attribute(KeyValue::new("service.namespace", "rondo"))
        .with_attribute(KeyValue::new("service.version", env!("CARGO_PKG_VERSION")))
        .with_attribute(KeyValue::new("process.pid", i64::from(std::process::id())));
    processor.set_resource(&resource.build());
    let _ = EXPORTER.set(Exporter { processor, ratio: export.ratio });
    Ok(())
}

/// What is more than a base address would be sent elsewhere than meant, or not at all, and nobody would know why.
fn base_address(endpoint: &str) -> Option<Url> {
    let url = Url::parse(endpoint).ok().filter(|_| endpoint.starts_with("http://"))?;
    let is_bare = url.path() == "/" && url.query().is_none() && url.fragment().is_none();
    let is_anybodys = url.username().is_empty() && url.password().is_none();
    (is_bare && is_anybodys && url.port() != Some(0)).then_some(url)
}

/// Whether spans are sent.
pub fn is_on() -> bool {
    EXPORTER.get().is_some()
}

/// Sends what is left, for a while. Blocks its thread; spans that end later are dropped.
pub fn stop() {
    if let Some(exporter) = EXPORTER.get() {
        // What could not be sent is lost, as everything here may be.
        let _ = exporter.processor.shutdown_with_timeout(LAST_WORDS);
    }
}

/// Whether a trace that begins with this id is recorded: the same answer in every process.
pub(crate) fn samples(trace_id: u128) -> bool {
    let Some(exporter) = EXPORTER.get() else { return false };
    let id = TraceId::from(trace_id);
    let sampler = Sampler::TraceIdRatioBased(exporter.ratio);
    let result = sampler.should_sample(None, id, "", &SpanKind::Internal, &[], &[]);
    result.decision == SamplingDecision::RecordAndSample
}

pub(crate) fn send(span: SpanData) {
    if let Some(exporter) = EXPORTER.get() {
        // By our own count, so that nothing is dropped uncounted.
        if may_wait(QUEUE_SPANS) {
            exporter.processor.on_end(span);
        }
    }
}

pub(crate) fn scope(name: &'static str) -> InstrumentationScope {
    InstrumentationScope::builder(name).build()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_receiver_that_could_not_be_spoken_to_is_refused_and_told_how_it_can_be() {
        // One that were taken would lose every span, and nobody would know why.
        for endpoint in [
            "https://collector:4318",
            "collector:4318",
            "grpc://collector:4317",
            "HTTPS://collector",
            " ",
            "http://",
            "http://collector:99999",
            "http://collector:port",
            "http://collector:4318/v1/traces",
            "http://collector:4318?x=1",
            "http://collector:4318#here",
            "http://user:sesame@collector:4318",
            "http://user@collector",
        ] {
            let export = Export { endpoint: endpoint.to_owned(), ratio: 1.0, process: "test".to_owned() };
            let why = start(&export).expect_err(endpoint).to_string();
            assert!(why.contains("must be http://host or http://host:port and nothing else"), "{why}");
            assert!(why.contains("https:// is not spoken here: let a collector beside the process"), "{why}");
            assert!(!why.contains("sesame"), "{why}");
        }
        assert!(!is_on());
    }

    #[test]
    fn a_base_address_is_taken_with_a_slash_and_without() {
        for endpoint in ["http://collector", "http://127.0.0.1:4318", "http://[::1]:4318/"] {
            let base = base_address(endpoint).expect(endpoint).to_string();
            assert_eq!(base.trim_end_matches('/'), endpoint.trim_end_matches('/'));
        }
    }
}
