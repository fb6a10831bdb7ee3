//! A running house with a service made for these tests.

use std::net::SocketAddr;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use axum::extract::State;
use contracts::auth::RevocationsComplete;
use messaging::broadcast::Broadcast;
use messaging::{Bus, topology};
use reqwest::{Client, RequestBuilder, Response};
use serde::{Deserialize, Serialize};
use serde_json::Value;
use service::config::Config;
use service::http::{
    Caller, FieldErrors, InternalCaller, Json, Keyed, Path, Problem, TraceContext, Validate,
    documentation::Failures,
};
use service::token::{Claims, Role, Roles, SigningKey};
use service::{House, Listeners, Part, ReadyCheck, StartError};
use testkit::eventually;
use tokio::sync::Notify;
use tokio::task::JoinHandle;
use utoipa::ToSchema;
use utoipa_axum::router::OpenApiRouter;
use utoipa_axum::routes;
use uuid::Uuid;

/// Ed25519 keys with a seed of 32 equal bytes: no secrets.
pub(crate) const SIGNING_KEY: &str = "-----BEGIN PRIVATE KEY-----\n\
    MC4CAQAwBQYDK2VwBCIEIAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAA\n\
    -----END PRIVATE KEY-----\n";
pub(crate) const OTHER_KEY: &str = "-----BEGIN PRIVATE KEY-----\n\
    MC4CAQAwBQYDK2VwBCIEIAEBAQEBAQEBAQEBAQEBAQEBAQEBAQEBAQEBAQEBAQEB\n\
    -----END PRIVATE KEY-----\n";

/// What the test's service has.
pub(crate) struct Things {
    pub(crate) well: AtomicBool,
    pub(crate) entered: Notify,
    pub(crate) go_on: Notify,
}

#[derive(Debug, Deserialize, Serialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub(crate) struct Thing {
    name: String,
}

impl Validate for Thing {
    fn validate(&self, errors: &mut FieldErrors) {
        errors.text("name", &self.name, 1..=100_000);
    }
}

#[utoipa::path(post, path = "/api/v1/thing", responses((status = 200, body = Thing), Failures))]
async fn make(_: Caller, Keyed { body, key }: Keyed<Thing>) -> Json<Value> {
    Json(serde_json::json!({ "name": body.name, "key": key.map(|key| key.key) }))
}

#[utoipa::path(get, path = "/api/v1/thing/{id}", responses((status = 200), Failures))]
async fn read(caller: Caller, Path(id): Path<Uuid>) -> Result<Json<Value>, Problem> {
    caller.require(Role::Operator)?;
    Ok(Json(serde_json::json!({ "id": id, "traceparent": TraceContext::current().to_string() })))
}

#[utoipa::path(get, path = "/api/v1/panic", responses((status = 200), Failures))]
async fn panic() -> Json<Value> {
    panic!("a secret of the implementation")
}

#[utoipa::path(get, path = "/api/v1/slow", responses((status = 200), Failures))]
async fn slow(State(things): State<Arc<Things>>) -> Json<Value> {
    things.entered.notify_one();
    things.go_on.notified().await;
    Json(Value::Null)
}

#[utoipa::path(get, path = "/internal/api/v1/thing", responses((status = 200), Failures))]
async fn internal_read(caller: InternalCaller) -> Json<Value> {
    Json(match caller {
        InternalCaller::Operator(_) => "operator".into(),
        InternalCaller::Service(name) => name.into(),
    })
}

fn part(things: &Arc<Things>) -> Part {
    let check = Arc::clone(things);
    let well = ReadyCheck::new("wellness", move || {
        let well = check.well.load(Ordering::Relaxed);
        async move { if well { Ok(()) } else { Err("unwell".to_owned()) } }
    });
    let public = OpenApiRouter::default()
        .routes(routes!(make))
        .routes(routes!(read))
        .routes(routes!(panic))
        .routes(routes!(slow))
        .with_state(Arc::clone(things));
    let internal = OpenApiRouter::default().routes(routes!(internal_read));
    Part { name: "things", public, internal, ready: vec![well] }
}

/// A running house.
pub(crate) struct Running {
    pub(crate) house: House,
    pub(crate) things: Arc<Things>,
    pub(crate) client: Client,
    pub(crate) public: SocketAddr,
    internal: SocketAddr,
    ended: JoinHandle<Result<(), StartError>>,
}

/// How long anything here is waited for.
pub(crate) const SOON: Duration = Duration::from_secs(10);

/// The way to tell every process, as auth has it.
pub(crate) async fn broadcast(nats_url: &str) -> Broadcast {
    let bus = Bus::connect(nats_url, "test").await.unwrap();
    let broadcast = Broadcast::new("auth", bus, topology::sessions(Duration::from_secs(360)));
    eventually(SOON, "the stream of revocations", async || broadcast.state().await.ok()).await;
    broadcast
}

/// What auth says when all that was revoked is on the stream.
pub(crate) async fn tell_that_revocations_are_complete(nats_url: &str) {
    broadcast(nats_url).await.tell(&[RevocationsComplete { at: chrono::Utc::now() }]).await.unwrap();
}

pub(crate) fn config() -> Config {
    let mut config = Config::default();
    config.nats.url = "nats://127.0.0.1:9".into();
    config.http.public_addr = SocketAddr::from(([127, 0, 0, 1], 0));
    config.http.internal_addr = config.http.public_addr;
    config.http.shutdown_grace_seconds = 5;
    config.security.auth_signing_key = Some(SIGNING_KEY.into());
    config
}

impl Running {
    pub(crate) async fn start() -> Self {
        Self::start_with(config()).await
    }

    pub(crate) async fn start_with(config: Config) -> Self {
        let listeners = Listeners::bind(&config.http).unwrap();
        let (public, internal) = (listeners.public_addr().unwrap(), listeners.internal_addr().unwrap());
        let house = House::build(config, "things").await.unwrap();
        let (entered, go_on) = (Notify::new(), Notify::new());
        let things = Arc::new(Things { well: AtomicBool::new(true), entered, go_on });
        let ended = tokio::spawn(service::run(house.clone(), vec![part(&things)], listeners));
        let client = Client::builder().no_proxy().timeout(Duration::from_secs(20)).build().unwrap();
        Self { house, things, client, public, internal, ended }
    }

    pub(crate) fn get(&self, path: &str) -> RequestBuilder {
        self.client.get(format!("http://{}{path}", self.public))
    }

    pub(crate) fn post(&self, path: &str) -> RequestBuilder {
        self.client.post(format!("http://{}{path}", self.public)).header("content-type", "application/json")
    }

    pub(crate) fn internal(&self, path: &str) -> RequestBuilder {
        self.client.get(format!("http://{}{path}", self.internal))
    }

    /// The status of `/readyz`, and what it says.
    pub(crate) async fn readiness(&self) -> (u16, Value) {
        let response = self.internal("/readyz").send().await.unwrap();
        (response.status().as_u16(), response.json().await.unwrap())
    }

    /// Waits until the process is ready.
    pub(crate) async fn is_ready(&self) {
        let ready = async || (self.readiness().await.0 == 200).then_some(());
        eventually(SOON, "the house to be ready", ready).await;
    }

    /// Waits for the end of the process.
    pub(crate) async fn ended(self) {
        self.ended.await.unwrap().unwrap();
    }
}

pub(crate) fn token_by(key: &str, roles: &[Role], issued_seconds_ago: i64) -> String {
    let roles = roles.iter().fold(Roles::default(), |roles, role| roles.with(*role));
    let issued_at = chrono::Utc::now().timestamp() - issued_seconds_ago;
    let claims = Claims::of_user(Uuid::now_v7(), Uuid::now_v7(), roles, issued_at, 300);
    signed(key, &claims)
}

pub(crate) fn signed(key: &str, claims: &Claims) -> String {
    SigningKey::from_pem(&key.into()).unwrap().sign(claims).unwrap()
}

pub(crate) fn user() -> String {
    token_by(SIGNING_KEY, &[Role::User], 0)
}

pub(crate) fn operator() -> String {
    token_by(SIGNING_KEY, &[Role::User, Role::Operator], 0)
}

/// The status and the problem's body, which must be one in every respect.
pub(crate) async fn problem(response: Response) -> (u16, Value) {
    let status = response.status().as_u16();
    let path = response.url().path().to_owned();
    assert_eq!(response.headers()["content-type"], "application/problem+json");
    let trace_id = response.headers()["x-trace-id"].to_str().unwrap().to_owned();
    let body: Value = response.json().await.unwrap();
    assert_eq!(body["status"], status);
    assert_eq!(body["trace_id"], *trace_id);
    assert_eq!(body["instance"], *path);
    for member in ["type", "title", "detail", "code"] {
        assert!(body[member].as_str().is_some_and(|text| !text.is_empty()), "{member} in {body}");
    }
    (status, body)
}

pub(crate) async fn code(response: Response) -> (u16, String) {
    let (status, body) = problem(response).await;
    (status, body["code"].as_str().unwrap().to_owned())
}
