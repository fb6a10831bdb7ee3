//! One request to the service that answers it, and what the client is told when that one does not.

use std::sync::Arc;
use std::time::Duration;

use axum::body::{Body, Bytes};
use axum::extract::{Request, State};
use axum::http::header::CONTENT_TYPE;
use axum::http::request::Parts;
use axum::http::{StatusCode, Uri};
use axum::response::Response;
use axum_reverse_proxy::{ProxyError, ProxyPolicy, ReverseProxy, XForwardedFor};
use futures::StreamExt;
use hyper_util::client::legacy::Client;
use hyper_util::client::legacy::connect::HttpConnector;
use hyper_util::rt::{TokioExecutor, TokioTimer};
use tokio_util::sync::CancellationToken;

use super::headers;
use crate::StartError;
use crate::http::{CONNECTION_UNUSED_MAX, Peer, Problem, TraceContext, read_body};
use crate::metric_names::GATEWAY_FAILURES;

/// A service that is there accepts at once.
const CONNECT_TIMEOUT: Duration = Duration::from_secs(2);
/// When to try again, in seconds.
const RETRY_AFTER: u32 = 1;

type Connections = Client<HttpConnector, Body>;

/// A service, and the way to it.
pub(super) struct Upstream {
    service: &'static str,
    proxy: ReverseProxy<HttpConnector>,
    draining: CancellationToken,
}

/// Connections to all services; shared, kept open, given up when they are idle.
pub(super) fn client() -> Connections {
    let mut connector = HttpConnector::new();
    connector.set_nodelay(true);
    connector.set_connect_timeout(Some(CONNECT_TIMEOUT));
    Client::builder(TokioExecutor::new())
        .pool_timer(TokioTimer::new())
        .pool_idle_timeout(CONNECTION_UNUSED_MAX)
        .build(connector)
}

impl Upstream {
    /// The way to a service.
    ///
    /// # Errors
    /// The address is no `http://host[:port]`.
    pub(super) fn new(
        service: &'static str,
        url: &str,
        client: &Connections,
        timeout: Duration,
        draining: &CancellationToken,
    ) -> Result<Self, StartError> {
        let uri = url.parse::<Uri>().ok().filter(|uri| uri.scheme_str() == Some("http"));
        if uri.is_none_or(|uri| uri.authority().is_none()) {
            return Err(StartError::ServiceAddress(service));
        }
        // From the beginning, so that their first increase is seen as one.
        for kind in ["timeout", "away", "broken"] {
            metrics::counter!(GATEWAY_FAILURES, "service" => service, "kind" => kind).increment(0);
        }
        // Where a request comes from is told by `headers`.
        let policy =
            ProxyPolicy::new().with_upstream_timeout(timeout).with_x_forwarded_for(XForwardedFor::Preserve);
        let proxy = ReverseProxy::new_with_client("/", url, client.clone()).with_policy(policy);
        Ok(Self { service, proxy, draining: draining.clone() })
    }

    async fn send(&self, parts: Parts, body: Bytes) -> Response {
        let Ok(response) = self.proxy.proxy_request(Request::from_parts(parts, body.into())).await;
        response
    }

    fn answer(&self, response: Response) -> Result<Response, Problem> {
        match response.extensions().get::<ProxyError>() {
            Some(error) => Err(self.problem(response.status(), error)),
            None if is_endless(&response) => Ok(response.map(|body| self.until_drained(body))),
            None => Ok(response),
        }
    }

    /// A stream of events has no end of its own: it ends in order, and its reader comes again, elsewhere.
    fn until_drained(&self, body: Body) -> Body {
        let drained = self.draining.clone().cancelled_owned();
        Body::from_stream(body.into_data_stream().take_until(drained))
    }

    fn problem(&self, status: StatusCode, error: &ProxyError) -> Problem {
        let (kind, problem) = if status == StatusCode::GATEWAY_TIMEOUT {
            let detail = "the service did not answer in time; whether it was done is not known";
            ("timeout", Problem::new(status, "gateway_timeout", detail))
        } else if error.is_connect() {
            let detail = "the service is away; nothing was done";
            ("away", Problem::new(StatusCode::SERVICE_UNAVAILABLE, "service_unavailable", detail))
        } else {
            let detail = "the service broke off; whether it was done is not known";
            ("broken", Problem::new(StatusCode::BAD_GATEWAY, "bad_gateway", detail))
        };
        metrics::counter!(GATEWAY_FAILURES, "service" => self.service, "kind" => kind).increment(1);
        tracing::warn!(service = self.service, kind, error = error.message(), "a service does not answer");
        problem.retry_after(RETRY_AFTER)
    }
}

/// Reads the body within its limits, so that a slow client holds no connection to a service; the answer
/// streams.
pub(super) async fn forward(
    State(upstream): State<Arc<Upstream>>,
    request: Request,
) -> Result<Response, Problem> {
    let (mut parts, body) = request.into_parts();
    let body = read_body(body).await?;
    let peer = parts.extensions.remove::<Peer>();
    let peer = peer.ok_or_else(|| Problem::internal("a request without a peer"))?;
    headers::rewrite(&mut parts.headers, &peer, &TraceContext::current());
    // A service that restarts closes connections that a request may just have taken. Who only looks may
    // look twice.
    let again = parts.method.is_safe().then(|| (parts.clone(), body.clone()));
    let response = upstream.send(parts, body).await;
    match (broke_off(&response), again) {
        (true, Some((parts, body))) => upstream.answer(upstream.send(parts, body).await),
        _ => upstream.answer(response),
    }
}

fn is_endless(response: &Response) -> bool {
    let content = response.headers().get(CONTENT_TYPE).and_then(|content| content.to_str().ok());
    content.is_some_and(|content| content.starts_with("text/event-stream"))
}

fn broke_off(response: &Response) -> bool {
    let error = response.extensions().get::<ProxyError>();
    error.is_some_and(|error| !error.is_connect() && response.status() != StatusCode::GATEWAY_TIMEOUT)
}
