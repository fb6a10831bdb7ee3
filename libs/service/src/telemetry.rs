//! Logs, metrics and traces of the process: installed once, whoever comes first.

mod line;
mod rarely;

use std::io::IsTerminal;
use std::sync::OnceLock;

use metrics_exporter_prometheus::{PrometheusBuilder, PrometheusHandle};
use trace::SpanCounts;
use tracing_subscriber::filter::{LevelFilter, Targets};
use tracing_subscriber::fmt::MakeWriter;
use tracing_subscriber::layer::SubscriberExt;
use tracing_subscriber::{EnvFilter, Layer, Registry, fmt};

use crate::config::{LogFormat, TelemetryConfig};
use crate::metric_names;
use line::Lines;
use rarely::Rarely;

type Subscriber = dyn tracing::Subscriber + Send + Sync;

/// Upper bounds of duration histograms, in seconds.
const DURATION_BUCKETS_SECONDS: [f64; 14] =
    [0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1.0, 2.5, 5.0, 10.0, 30.0];
/// Upper bounds of how long whole sagas take, in seconds: while something is away they wait for it.
const SAGA_BUCKETS_SECONDS: [f64; 16] =
    [0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1.0, 2.5, 5.0, 10.0, 30.0, 60.0, 300.0, 900.0, 3_600.0, 86_400.0];
/// Upper bounds of histograms that count things (inputs of a batch, messages of a publish).
const SIZE_BUCKETS: [f64; 10] = [1.0, 2.0, 4.0, 8.0, 16.0, 32.0, 64.0, 128.0, 256.0, 512.0];

/// Libraries that print what they carry, with the most that is ever logged of them, whoever asks for more: messages have
/// e-mail addresses, names, addresses; a receiver's answer may repeat what it was sent. What OpenTelemetry's say of each batch
/// that was not taken is said by ours, seldom and with the receiver's address.
const DISCREET: [(&str, LevelFilter); 2] =
    [("async_nats", LevelFilter::INFO), ("opentelemetry", LevelFilter::OFF)];

static METRICS: OnceLock<PrometheusHandle> = OnceLock::new();

/// What is to be logged has no meaning.
#[derive(Debug, thiserror::Error)]
#[error("LOG (--log) is `{filter}`: {why}; it takes a level, or directives as info,sqlx=warn")]
pub struct FilterError {
    filter: String,
    /// In words: some of the parser's errors tell their sources themselves, which would be told twice.
    why: String,
}

/// Sends log lines to the standard error stream. A second call changes nothing.
///
/// # Errors
/// The filter has no meaning.
pub fn start_logs(config: &TelemetryConfig) -> Result<(), FilterError> {
    let is_terminal = std::io::stderr().is_terminal();
    let lines = subscriber(&config.filter, config.format, is_terminal, std::io::stderr)?;
    // An error means that a subscriber is there already: tests and `rondo up` may call twice.
    let _ = tracing::subscriber::set_global_default(lines);
    Ok(())
}

fn subscriber<W>(filter: &str, format: LogFormat, ansi: bool, to: W) -> Result<Box<Subscriber>, FilterError>
where
    W: for<'w> MakeWriter<'w> + Send + Sync + 'static,
{
    let wanted = EnvFilter::try_new(filter)
        .map_err(|error| FilterError { filter: filter.to_owned(), why: error.to_string() })?;
    // No more than is wanted of the others: what nobody wants then still costs nothing.
    let most = wanted.max_level_hint().unwrap_or(LevelFilter::TRACE);
    let discreet = Targets::new().with_default(most).with_targets(DISCREET);
    let lines = fmt::layer().with_writer(to);
    let lines: Box<dyn Layer<Registry> + Send + Sync> = match format {
        LogFormat::Text => {
            lines.map_event_format(|inner| Lines { inner: inner.with_ansi(ansi), format }).boxed()
        }
        LogFormat::Json => {
            let lines = lines.json().flatten_event(true);
            lines.map_event_format(|inner| Lines { inner, format }).boxed()
        }
    };
    Ok(Box::new(
        tracing_subscriber::registry().with(lines).with(wanted).with(discreet).with(Rarely::default()),
    ))
}

/// Begins to send traces, if it is configured where to. `process` names this one among others.
///
/// # Errors
/// The receiver's address has no meaning.
pub fn start_traces(config: &TelemetryConfig, process: &str) -> Result<(), trace::StartError> {
    let Some(endpoint) = config.otlp_endpoint.clone().filter(|endpoint| !endpoint.is_empty()) else {
        return Ok(());
    };
    trace::start(&trace::Export { endpoint, ratio: config.trace_ratio, process: process.to_owned() })
}

/// Sends what is left of the traces; blocks its thread for some seconds at most.
pub fn stop_traces() {
    trace::stop();
}

/// The metrics of this process; installs the recorder at the first call.
pub fn metrics() -> &'static PrometheusHandle {
    METRICS.get_or_init(|| {
        let recorder = PrometheusBuilder::new().set_buckets(&DURATION_BUCKETS_SECONDS).map(with_own_buckets);
        // The buckets are constants and not empty, which is the only error there is.
        let recorder = recorder.unwrap_or_default().build_recorder();
        let handle = recorder.handle();
        if metrics::set_global_recorder(recorder).is_err() {
            tracing::warn!("another metrics recorder is installed: /metrics will be empty");
        }
        messaging::describe(messaging::metric_names::ALL);
        messaging::describe(metric_names::ALL);
        metrics::gauge!(metric_names::BUILD_INFO, "version" => env!("CARGO_PKG_VERSION")).set(1.0);
        let now = chrono::Utc::now().timestamp_millis();
        metrics::gauge!(metric_names::PROCESS_STARTED).set(now as f64 / 1_000.0);
        handle
    })
}

/// The metrics as Prometheus reads them.
pub(crate) fn rendered_metrics() -> String {
    let metrics = metrics();
    // Counted where nobody knows of metrics.
    let SpanCounts { sent, lost, dropped } = trace::span_counts();
    for (result, count) in [("sent", sent), ("lost", lost), ("dropped", dropped)] {
        metrics::counter!(metric_names::SPANS, "result" => result).absolute(count);
    }
    metrics.render()
}

fn with_own_buckets(builder: PrometheusBuilder) -> PrometheusBuilder {
    use metrics_exporter_prometheus::Matcher;
    let sizes = Matcher::Suffix("_size".to_owned());
    let sagas = Matcher::Prefix("rondo_saga_".to_owned());
    let builder = builder.set_buckets_for_metric(sizes, &SIZE_BUCKETS).unwrap_or_default();
    builder.set_buckets_for_metric(sagas, &SAGA_BUCKETS_SECONDS).unwrap_or_default()
}
