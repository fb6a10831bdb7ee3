//! A gateway in front of a service made for these tests.

use std::convert::Infallible;
use std::net::SocketAddr;
use std::sync::{Arc, Mutex};
use std::time::Duration;

use axum::body::{Body, Bytes};
use axum::extract::State;
use axum::http::{HeaderMap, StatusCode};
use axum::response::{IntoResponse, Response};
use axum::{Json, Router};
use futures::StreamExt;
use http_body_util::StreamBody;
use hyper::body::Frame;
use reqwest::{Client, Method, RequestBuilder};
use serde_json::{Value, json};
use service::config::{GatewayConfig, HttpConfig};
use service::gateway::{self, Behind};
use service::http::Problem;
use service::{Listeners, StartError};
use testkit::{eventually, free_port};
use tokio::net::TcpListener;
use tokio::sync::{Notify, mpsc};
use tokio::task::JoinHandle;
use tokio_util::sync::CancellationToken;
use utoipa_axum::router::OpenApiRouter;
use utoipa_axum::routes;

use crate::running::SOON;

/// What the service behind the gateway has.
#[derive(Default)]
struct Things {
    asked: Mutex<u32>,
    entered: Notify,
    go_on: Notify,
    streams: Mutex<Option<mpsc::Receiver<&'static str>>>,
}

type Shared = Arc<Things>;

/// Tells what arrived.
#[utoipa::path(post, path = "/api/v1/thing", operation_id = "make_thing", responses((status = 201)))]
async fn make(State(things): State<Shared>, headers: HeaderMap, body: String) -> Response {
    *things.asked.lock().unwrap() += 1;
    let said: Vec<(String, String)> =
        headers.iter().map(|(name, value)| (name.to_string(), value.to_str().unwrap().to_owned())).collect();
    let headers = [
        ("location", "/api/v1/thing/1"),
        ("idempotency-replayed", "true"),
        ("connection", "x-hop"),
        ("x-hop", "1"),
    ];
    let body = Json(json!({ "headers": said, "body": body }));
    (StatusCode::CREATED, headers, body).into_response()
}

#[utoipa::path(get, path = "/api/v1/thing/{id}", operation_id = "read_thing", responses((status = 404)))]
async fn read(headers: HeaderMap) -> Response {
    ([("x-seen", headers.contains_key("authorization").to_string())], Problem::not_found()).into_response()
}

#[utoipa::path(get, path = "/api/v1/slow", operation_id = "slow", responses((status = 200)))]
async fn slow(State(things): State<Shared>) -> &'static str {
    things.entered.notify_one();
    things.go_on.notified().await;
    "at last"
}

#[utoipa::path(get, path = "/api/v1/broken", operation_id = "broken", responses((status = 200)))]
async fn broken(State(things): State<Shared>) -> &'static str {
    *things.asked.lock().unwrap() += 1;
    panic!("the process of the service dies")
}

#[utoipa::path(post, path = "/api/v1/broken", operation_id = "break_once", responses((status = 200)))]
async fn break_once(state: State<Shared>) -> &'static str {
    broken(state).await
}

#[utoipa::path(get, path = "/api/v1/stream", operation_id = "stream", responses((status = 200)))]
async fn stream(State(things): State<Shared>) -> Response {
    let mut receiver = things.streams.lock().unwrap().take().unwrap();
    let parts = futures::stream::poll_fn(move |context| receiver.poll_recv(context));
    let body = Body::from_stream(parts.map(|part| Ok::<_, Infallible>(Bytes::from(part))));
    ([("content-type", "text/event-stream")], body).into_response()
}

fn routes() -> OpenApiRouter<Shared> {
    OpenApiRouter::default()
        .routes(routes!(make))
        .routes(routes!(read))
        .routes(routes!(slow))
        .routes(routes!(broken, break_once))
        .routes(routes!(stream))
}

/// A gateway, and the service behind it, which is away at first.
struct Gateway {
    things: Shared,
    service: SocketAddr,
    client: Client,
    public: SocketAddr,
    internal: SocketAddr,
    leaving: CancellationToken,
    ended: JoinHandle<Result<(), StartError>>,
}

impl Gateway {
    fn start() -> Self {
        Self::start_with(GatewayConfig::default())
    }

    fn start_with(mut config: GatewayConfig) -> Self {
        let service = SocketAddr::from(([127, 0, 0, 1], free_port()));
        config.stock_public_url = Some(format!("http://{service}/"));
        let any_port = SocketAddr::from(([127, 0, 0, 1], 0));
        let http = HttpConfig {
            public_addr: any_port,
            internal_addr: any_port,
            drain_seconds: 0,
            shutdown_grace_seconds: 5,
            ..HttpConfig::default()
        };
        let listeners = Listeners::bind(&http).unwrap();
        let (public, internal) = (listeners.public_addr().unwrap(), listeners.internal_addr().unwrap());
        let leaving = CancellationToken::new();
        let until = leaving.clone();
        let ended = tokio::spawn(async move {
            let behind = vec![Behind { service: "stock", api: routes().into_openapi() }];
            gateway::run(&http, &config, behind, listeners, until).await
        });
        let client = Client::builder().no_proxy().timeout(Duration::from_secs(20)).build().unwrap();
        Self { things: Shared::default(), service, client, public, internal, leaving, ended }
    }

    /// With the service behind it.
    async fn with_service() -> Self {
        let gateway = Self::start();
        gateway.start_service().await;
        gateway
    }

    async fn start_service(&self) {
        let listener = TcpListener::bind(self.service).await.unwrap();
        let router: Router = routes().with_state(Arc::clone(&self.things)).into();
        tokio::spawn(axum::serve(listener, router).into_future());
    }

    fn request(&self, method: Method, path: &str) -> RequestBuilder {
        self.client.request(method, format!("http://{}{path}", self.public))
    }

    /// The problem that is answered: its status, code and path.
    async fn problem(&self, method: Method, path: &str) -> (u16, String) {
        problem(self.request(method, path), path).await
    }

    fn asked(&self) -> u32 {
        *self.things.asked.lock().unwrap()
    }
}

async fn problem(request: RequestBuilder, path: &str) -> (u16, String) {
    let response = request.send().await.unwrap();
    assert_eq!(response.headers()["content-type"], "application/problem+json", "{path}");
    let trace_id = response.headers()["x-trace-id"].to_str().unwrap().to_owned();
    let status = response.status().as_u16();
    let retriable = [502, 503, 504].contains(&status);
    assert_eq!(response.headers().contains_key("retry-after"), retriable, "{path}");
    let body: Value = response.json().await.unwrap();
    assert_eq!((&body["instance"], &body["trace_id"]), (&json!(path), &json!(trace_id)));
    (status, body["code"].as_str().unwrap().to_owned())
}

fn said<'a>(answer: &'a Value, name: &str) -> Vec<&'a str> {
    let headers = answer["headers"].as_array().unwrap().iter();
    headers.filter(|header| header[0] == name).map(|header| header[1].as_str().unwrap()).collect()
}

#[tokio::test]
async fn a_request_arrives_as_its_client_meant_it_and_its_answer_comes_back() {
    let gateway = Gateway::with_service().await;
    let request = gateway
        .request(Method::POST, "/api/v1/thing?colour=red")
        .header("authorization", "Bearer a.b.c")
        .header("idempotency-key", "once")
        .header("prefer", "wait=3")
        .header("traceparent", "00-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-01")
        .header("x-user-id", "somebody")
        .header("x-roles", "operator")
        .header("x-forwarded-for", "198.51.100.7")
        .header("connection", "x-forwarded-for, x-mine")
        .header("x-mine", "1");
    let response = request.body("{\"name\": \"tea\"}").send().await.unwrap();
    assert_eq!(response.status(), 201);
    let headers = response.headers().clone();
    assert_eq!(headers["location"], "/api/v1/thing/1");
    assert_eq!(headers["idempotency-replayed"], "true");
    assert_eq!(headers["x-trace-id"], "4bf92f3577b34da6a3ce929d0e0e4736");
    assert!(!headers.contains_key("x-hop"), "that was for the gateway");
    let arrived: Value = response.json().await.unwrap();
    assert_eq!(arrived["body"], "{\"name\": \"tea\"}");
    for (name, value) in [
        ("authorization", "Bearer a.b.c"),
        ("idempotency-key", "once"),
        ("prefer", "wait=3"),
        ("x-forwarded-for", "127.0.0.1"),
        ("content-length", "15"),
    ] {
        assert_eq!(said(&arrived, name), [value], "{name}");
    }
    for name in ["x-user-id", "x-roles", "x-mine", "connection", "forwarded"] {
        assert_eq!(said(&arrived, name), [""; 0], "{name}");
    }
    let traceparent = said(&arrived, "traceparent")[0];
    assert!(traceparent.starts_with("00-4bf92f3577b34da6a3ce929d0e0e4736-"), "{traceparent}");
    assert!(!traceparent.contains("00f067aa0ba902b7"), "a span of the gateway's own");
}

#[tokio::test]
async fn a_problem_of_the_service_is_passed_on() {
    let gateway = Gateway::with_service().await;
    let response = gateway.request(Method::GET, "/api/v1/thing/7").send().await.unwrap();
    assert_eq!(response.status(), 404);
    assert_eq!(response.headers()["x-seen"], "false");
    let body: Value = response.json().await.unwrap();
    assert_eq!(body["code"], "not_found");
}

#[tokio::test]
async fn only_what_services_serve_in_public_is_behind_it() {
    let gateway = Gateway::with_service().await;
    for path in ["/", "/api/v1/nothing", "/internal/api/v1/sagas", "/readyz", "/metrics", "/api/v1/thing/1/2"]
    {
        assert_eq!(gateway.problem(Method::GET, path).await, (404, "not_found".to_owned()), "{path}");
    }
    for (method, path, allowed) in [
        (Method::GET, "/api/v1/thing", "POST"),
        (Method::DELETE, "/api/v1/thing/7", "GET,HEAD"),
        (Method::TRACE, "/api/v1/slow", "GET,HEAD"),
    ] {
        let response = gateway.request(method.clone(), path).send().await.unwrap();
        assert_eq!(response.headers()["allow"], allowed, "{path}");
        assert_eq!(gateway.problem(method, path).await, (405, "method_not_allowed".to_owned()), "{path}");
    }
    assert_eq!(gateway.asked(), 0);
}

#[tokio::test]
async fn a_service_that_is_away_is_told_and_missed_no_longer_than_it_is() {
    let gateway = Gateway::start();
    let readyz = format!("http://{}/readyz", gateway.internal);
    assert_eq!(gateway.client.get(&readyz).send().await.unwrap().status(), 200, "it can serve the others");
    let path = "/api/v1/thing";
    assert_eq!(gateway.problem(Method::POST, path).await, (503, "service_unavailable".to_owned()));
    gateway.start_service().await;
    let response = gateway.request(Method::POST, path).send().await.unwrap();
    assert_eq!(response.status(), 201);
}

#[tokio::test]
async fn a_service_that_breaks_off_or_takes_too_long_leaves_its_client_with_an_answer() {
    let config = GatewayConfig { gateway_timeout_seconds: 1, ..GatewayConfig::default() };
    let gateway = Gateway::start_with(config);
    gateway.start_service().await;
    let broken = (502, "bad_gateway".to_owned());
    assert_eq!(gateway.problem(Method::POST, "/api/v1/broken").await, broken);
    assert_eq!(gateway.asked(), 1, "nothing is done twice");
    assert_eq!(gateway.problem(Method::GET, "/api/v1/broken").await, broken);
    assert_eq!(gateway.asked(), 3, "who only looks may look twice");
    assert_eq!(gateway.problem(Method::GET, "/api/v1/slow").await, (504, "gateway_timeout".to_owned()));
}

#[tokio::test]
async fn a_body_that_is_too_large_does_not_reach_the_service() {
    let gateway = Gateway::with_service().await;
    let path = "/api/v1/thing";
    let fits = gateway.request(Method::POST, path).body("x".repeat(64 * 1024)).send().await.unwrap();
    assert_eq!((fits.status().as_u16(), gateway.asked()), (201, 1));
    let declared = gateway.request(Method::POST, path).body("x".repeat(64 * 1024 + 1));
    assert_eq!(problem(declared, path).await, (413, "body_too_large".to_owned()));
    let parts = futures::stream::iter(
        (0..9).map(|_| Ok::<_, Infallible>(Frame::data(Bytes::from("x".repeat(8 * 1024))))),
    );
    let chunked = gateway.request(Method::POST, path).body(reqwest::Body::wrap(StreamBody::new(parts)));
    assert_eq!(problem(chunked, path).await, (413, "body_too_large".to_owned()));
    assert_eq!(gateway.asked(), 1);
}

#[tokio::test]
async fn a_stream_arrives_as_it_is_written() {
    let gateway = Gateway::with_service().await;
    let (sender, receiver) = mpsc::channel(1);
    *gateway.things.streams.lock().unwrap() = Some(receiver);
    let mut response = gateway.request(Method::GET, "/api/v1/stream").send().await.unwrap();
    assert_eq!(response.headers()["content-type"], "text/event-stream");
    for part in ["data: 1\n\n", "data: 2\n\n"] {
        sender.send(part).await.unwrap();
        assert_eq!(response.chunk().await.unwrap().unwrap(), part);
    }
    drop(response);
    eventually(SOON, "the service to see that its reader is gone", async || sender.is_closed().then_some(()))
        .await;
}

#[tokio::test]
async fn a_stop_lets_requests_in_flight_finish() {
    let gateway = Gateway::with_service().await;
    let request = tokio::spawn(gateway.request(Method::GET, "/api/v1/slow").send());
    gateway.things.entered.notified().await;
    gateway.leaving.cancel();
    gateway.things.go_on.notify_one();
    assert_eq!(request.await.unwrap().unwrap().text().await.unwrap(), "at last");
    gateway.ended.await.unwrap().unwrap();
}

/// Else a page that shows an order would hold a gateway up to the end of its grace, and be cut off then.
#[tokio::test]
async fn a_stop_ends_a_stream_of_events_in_order() {
    let gateway = Gateway::with_service().await;
    let (sender, receiver) = mpsc::channel(1);
    *gateway.things.streams.lock().unwrap() = Some(receiver);
    let mut response = gateway.request(Method::GET, "/api/v1/stream").send().await.unwrap();
    sender.send("data: 1\n\n").await.unwrap();
    assert_eq!(response.chunk().await.unwrap().unwrap(), "data: 1\n\n");
    gateway.leaving.cancel();
    assert_eq!(response.chunk().await.unwrap(), None, "an end, not an error");
    tokio::time::timeout(Duration::from_secs(4), gateway.ended).await.unwrap().unwrap().unwrap();
}

#[tokio::test]
async fn it_shows_the_api_of_all_services_and_a_page_that_loads_nothing_from_elsewhere() {
    let gateway = Gateway::start();
    let get = async |path: &str| {
        let response = gateway.request(Method::GET, path).send().await.unwrap();
        assert_eq!(response.status(), 200, "{path}");
        (response.headers().clone(), response.text().await.unwrap())
    };
    let document: Value = serde_json::from_str(&get("/openapi.json").await.1).unwrap();
    let mut paths: Vec<&str> = document["paths"].as_object().unwrap().keys().map(String::as_str).collect();
    paths.sort_unstable();
    let known = ["/api/v1/broken", "/api/v1/slow", "/api/v1/stream", "/api/v1/thing", "/api/v1/thing/{id}"];
    assert_eq!((paths, &document["info"]["title"]), (known.to_vec(), &json!("Rondo")));
    let (headers, page) = get("/docs").await;
    assert_eq!(headers["content-type"], "text/html");
    let policy = headers["content-security-policy"].to_str().unwrap();
    assert!(policy.starts_with("default-src 'none'; script-src 'self';"), "{policy}");
    assert!(!page.contains("http://") && !page.contains("https://"), "{page}");
    for link in page.split(['"', '\'']).filter_map(|word| word.strip_prefix("./")) {
        get(&format!("/docs/{link}")).await;
    }
    assert!(get("/docs/swagger-initializer.js").await.1.contains("/openapi.json"));
    assert_eq!(gateway.problem(Method::GET, "/docs/nothing.js").await.0, 404);
}

#[tokio::test]
async fn an_address_that_is_missing_or_none_is_said_at_once() {
    let any_port = SocketAddr::from(([127, 0, 0, 1], 0));
    let http = HttpConfig { public_addr: any_port, internal_addr: any_port, ..HttpConfig::default() };
    let start = async |url: Option<&str>| {
        let config = GatewayConfig { stock_public_url: url.map(str::to_owned), ..GatewayConfig::default() };
        let behind = vec![Behind { service: "stock", api: routes().into_openapi() }];
        let listeners = Listeners::bind(&http).unwrap();
        gateway::run(&http, &config, behind, listeners, CancellationToken::new())
            .await
            .unwrap_err()
            .to_string()
    };
    assert_eq!(start(None).await, "STOCK_PUBLIC_URL is not configured");
    for wrong in ["stock:80", "https://stock", "/stock", "http://"] {
        let said = start(Some(wrong)).await;
        assert_eq!(said, "the address of stock must be http://host or http://host:port", "{wrong}");
    }
}
