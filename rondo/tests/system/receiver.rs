//! The other end of OTLP over HTTP: takes what a collector would, by the protocol's own types, and keeps it.

use std::collections::BTreeMap;
use std::io::Read;
use std::net::SocketAddr;
use std::process::Stdio;
use std::sync::{Arc, Mutex};
use std::time::Duration;

use axum::Router;
use axum::body::Bytes;
use axum::extract::State;
use axum::http::header::{CONTENT_ENCODING, CONTENT_TYPE};
use axum::http::{HeaderMap, StatusCode};
use axum::routing::post;
use flate2::read::GzDecoder;
use opentelemetry_proto::tonic::collector::trace::v1::{
    ExportTraceServiceRequest, ExportTraceServiceResponse,
};
use opentelemetry_proto::tonic::common::v1::{AnyValue, KeyValue, any_value};
use opentelemetry_proto::tonic::trace::v1::span::SpanKind;
use opentelemetry_proto::tonic::trace::v1::status::StatusCode as SpanStatus;
use opentelemetry_proto::tonic::trace::v1::{ResourceSpans, Span};
use prost::Message;
use testkit::eventually;
use tokio::net::{TcpListener, TcpStream};
use tokio::process::{Child, Command};

const PROTOBUF: &str = "application/x-protobuf";
const SEEN_WITHIN: Duration = Duration::from_secs(60);

/// A receiver of traces. It ends with the test.
pub(crate) struct Receiver {
    pub(crate) endpoint: String,
    kept: Kept,
    /// A collector in front, if there is one.
    _collector: Option<Child>,
}

type Kept = Arc<Mutex<Vec<Bytes>>>;

/// A span as it arrived; ids are hexadecimal.
#[derive(Debug, Clone)]
pub(crate) struct Seen {
    pub(crate) process: String,
    /// The service within the process.
    pub(crate) scope: String,
    pub(crate) trace_id: String,
    pub(crate) span_id: String,
    /// Empty where the trace begins.
    pub(crate) parent_id: String,
    pub(crate) name: String,
    pub(crate) kind: SpanKind,
    pub(crate) has_failed: bool,
    pub(crate) attributes: BTreeMap<String, String>,
    /// The trace and the span of each.
    pub(crate) links: Vec<(String, String)>,
    pub(crate) began_ns: u64,
    pub(crate) ended_ns: u64,
}

impl Receiver {
    pub(crate) async fn start() -> Self {
        let kept = Kept::default();
        let listener = TcpListener::bind(("127.0.0.1", 0)).await.unwrap();
        let endpoint = format!("http://{}", listener.local_addr().unwrap());
        let routes = Router::new().route("/v1/traces", post(take)).with_state(Arc::clone(&kept));
        tokio::spawn(async move { axum::serve(listener, routes).await.unwrap() });
        Self { endpoint, kept, _collector: None }
    }

    /// Behind a collector that others have written, which takes the spans and passes them on as it understood
    /// them.
    pub(crate) async fn behind_collector() -> Self {
        let receiver = Self::start().await;
        let address = || SocketAddr::from(([127, 0, 0, 1], testkit::free_port()));
        let (http, grpc) = (address(), address());
        let mut collector = Command::new(testkit::tool("rotel"));
        collector.args(["start", "--exporter", "otlp", "--otlp-exporter-protocol", "http"]);
        collector.args(["--otlp-exporter-endpoint", &receiver.endpoint, "--disable-batching"]);
        collector.args([
            "--otlp-http-endpoint",
            &http.to_string(),
            "--otlp-grpc-endpoint",
            &grpc.to_string(),
        ]);
        let collector = collector.stdin(Stdio::null()).stdout(Stdio::null()).kill_on_drop(true).spawn();
        eventually(SEEN_WITHIN, "a collector", async || TcpStream::connect(http).await.ok()).await;
        Self { endpoint: format!("http://{http}"), _collector: Some(collector.unwrap()), ..receiver }
    }

    /// Everything that arrived, as bytes.
    pub(crate) fn raw(&self) -> Vec<Bytes> {
        self.kept.lock().unwrap().clone()
    }

    /// All spans, in the order in which they arrived.
    pub(crate) fn spans(&self) -> Vec<Seen> {
        let requests = self.raw().into_iter().map(|bytes| ExportTraceServiceRequest::decode(bytes).unwrap());
        requests.flat_map(|request| request.resource_spans).flat_map(seen).collect()
    }

    /// Of this trace.
    pub(crate) fn trace(&self, trace_id: &str) -> Vec<Seen> {
        self.spans().into_iter().filter(|span| span.trace_id == trace_id).collect()
    }

    /// Waits for a span of this trace, of this name, which is the n-th of them (1 is the first).
    pub(crate) async fn wait_for(&self, trace_id: &str, name: &str, nth: usize) -> Seen {
        eventually(SEEN_WITHIN, &format!("span {nth} {name:?} of {trace_id}"), async || {
            self.trace(trace_id).into_iter().filter(|span| span.name == name).nth(nth - 1)
        })
        .await
    }
}

async fn take(
    State(kept): State<Kept>,
    headers: HeaderMap,
    body: Bytes,
) -> Result<([(axum::http::HeaderName, &'static str); 1], Vec<u8>), StatusCode> {
    if headers.get(CONTENT_TYPE).is_none_or(|said| said != PROTOBUF) {
        return Err(StatusCode::UNSUPPORTED_MEDIA_TYPE);
    }
    let is_packed = headers.get(CONTENT_ENCODING).is_some_and(|said| said == "gzip");
    let body = if is_packed { unpacked(&body) } else { body };
    ExportTraceServiceRequest::decode(body.clone()).map_err(|_| StatusCode::BAD_REQUEST)?;
    kept.lock().unwrap().push(body);
    Ok(([(CONTENT_TYPE, PROTOBUF)], ExportTraceServiceResponse::default().encode_to_vec()))
}

fn unpacked(body: &[u8]) -> Bytes {
    let mut plain = Vec::new();
    GzDecoder::new(body).read_to_end(&mut plain).unwrap();
    plain.into()
}

fn seen(of_process: ResourceSpans) -> Vec<Seen> {
    let resource = attributes(of_process.resource.unwrap_or_default().attributes);
    let process = resource["service.name"].clone();
    let mut all = Vec::new();
    for of_scope in of_process.scope_spans {
        let scope = of_scope.scope.unwrap_or_default().name;
        all.extend(of_scope.spans.into_iter().map(|span| one(&process, &scope, span)));
    }
    all
}

fn one(process: &str, scope: &str, span: Span) -> Seen {
    Seen {
        process: process.to_owned(),
        scope: scope.to_owned(),
        trace_id: hex(&span.trace_id),
        span_id: hex(&span.span_id),
        parent_id: hex(&span.parent_span_id),
        kind: span.kind(),
        has_failed: span.status.is_some_and(|status| status.code() == SpanStatus::Error),
        name: span.name,
        attributes: attributes(span.attributes),
        links: span.links.iter().map(|link| (hex(&link.trace_id), hex(&link.span_id))).collect(),
        began_ns: span.start_time_unix_nano,
        ended_ns: span.end_time_unix_nano,
    }
}

fn hex(bytes: &[u8]) -> String {
    bytes.iter().map(|byte| format!("{byte:02x}")).collect()
}

fn attributes(all: Vec<KeyValue>) -> BTreeMap<String, String> {
    all.into_iter().map(|one| (one.key, text(one.value))).collect()
}

fn text(value: Option<AnyValue>) -> String {
    match value.and_then(|value| value.value) {
        Some(any_value::Value::StringValue(text)) => text,
        Some(any_value::Value::IntValue(number)) => number.to_string(),
        other => format!("{other:?}"),
    }
}
