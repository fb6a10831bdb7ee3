//! The internal listener: probes, metrics and runbooks for everybody who reaches it, the parts' internal routes
//! for operators and services.

use std::sync::Arc;

use axum::Router;
use axum::extract::State;
use axum::http::header::{CONTENT_TYPE, RETRY_AFTER};
use axum::http::{HeaderValue, StatusCode};
use axum::response::{IntoResponse, Response};
use axum::routing::get;
use futures::future::join_all;
use messaging::Buses;
use serde_json::{Map, Value, json};
use tokio_util::sync::CancellationToken;
use utoipa_axum::router::OpenApiRouter;

use super::envelope::Listener;
use super::{Owners, openapi, public, runbooks};
use crate::http::Json;
use crate::{House, ReadyCheck, telemetry};

/// What the guard lets everybody see; of the last, which gateways ask with their users' tokens, the
/// handler is the guard.
const OPEN: [&str; 6] =
    [ALIVE_PATH, "/readyz", "/metrics", runbooks::PATH, runbooks::WITH_SLASH, "/internal/api/v1/auth"];

/// Where it is asked whether the process answers at all.
pub(super) const ALIVE_PATH: &str = "/livez";
/// What is answered there. It says nothing of databases or NATS: ending a process mends neither.
pub(super) const ALIVE: &str = "alive\n";

/// What a process that is not ready says of when to ask again.
const RETRY_AFTER_SECONDS: u32 = 1;

type Checks = Vec<(String, ReadyCheck)>;

pub(super) fn router(house: &House, parts: OpenApiRouter, owners: Owners, mut checks: Checks) -> Router {
    checks.push(("tokens".to_owned(), house.tokens.ready()));
    checks.push(("revocations".to_owned(), house.tokens.revocations().ready()));
    let readiness = Readiness { leaving: house.leaving.clone(), buses: Some(house.buses.clone()), checks };
    let router = openapi::served(parts).merge(probes(readiness));
    let tokens = Some(house.tokens.clone());
    public::finish(router, Listener { name: "internal", owners, tokens, guarded: true, open: &OPEN })
}

/// Of a gateway, which can serve whoever of the services is away.
pub(super) fn gateway_router(leaving: CancellationToken) -> Router {
    let router = probes(Readiness { leaving, buses: None, checks: Checks::new() });
    public::finish(
        router,
        Listener { name: "internal", owners: Owners::default(), tokens: None, guarded: false, open: &[] },
    )
}

fn probes(readiness: Readiness) -> Router {
    Router::new()
        .route(ALIVE_PATH, get(async || ALIVE))
        .route("/readyz", get(readyz).with_state(Arc::new(readiness)))
        .route("/metrics", get(render_metrics))
        .merge(runbooks::routes())
}

struct Readiness {
    leaving: CancellationToken,
    /// None in a process that does not need it.
    buses: Option<Buses>,
    checks: Checks,
}

async fn readyz(State(readiness): State<Arc<Readiness>>) -> Response {
    let answers = join_all(readiness.checks.iter().map(|(_, check)| check.ask())).await;
    let mut well = answers.iter().all(Result::is_ok);
    let mut checks: Map<String, Value> = (readiness.checks.iter().zip(answers))
        .map(|((name, _), answer)| (name.clone(), answer.map_or_else(Value::from, |()| "ok".into())))
        .collect();
    // No reason to be sent no requests: what they decide is published when NATS is back.
    if let Some(buses) = &readiness.buses {
        checks.insert("nats".to_owned(), nats(buses).into());
        // Without its own streams and consumers a service hears nothing, and nobody hears it.
        let missing = buses.missing_roads();
        well &= missing.is_empty();
        let streams = if missing.is_empty() { "ok".to_owned() } else { missing.join("; ") };
        checks.insert("streams".to_owned(), streams.into());
    }
    let leaving = readiness.leaving.is_cancelled();
    let (status, word) = match (leaving, well) {
        (true, _) => (StatusCode::SERVICE_UNAVAILABLE, "draining"),
        (false, false) => (StatusCode::SERVICE_UNAVAILABLE, "not ready"),
        (false, true) => (StatusCode::OK, "ready"),
    };
    readiness_told(status, word, &checks)
}

/// The answer of `/readyz`.
pub(super) fn readiness_told(status: StatusCode, word: &str, checks: &Map<String, Value>) -> Response {
    let mut response = (status, Json(json!({ "status": word, "checks": checks }))).into_response();
    if status == StatusCode::SERVICE_UNAVAILABLE {
        response.headers_mut().insert(RETRY_AFTER, HeaderValue::from(RETRY_AFTER_SECONDS));
    }
    response
}

/// How it stands with the connections, in words.
fn nats(buses: &Buses) -> String {
    let refusals = buses.refusals();
    match buses.are_connected() {
        true => "ok".to_owned(),
        false if refusals.is_empty() => "away, requests go on".to_owned(),
        false => refusals.join("; "),
    }
}

async fn render_metrics() -> Response {
    let text = telemetry::rendered_metrics();
    ([(CONTENT_TYPE, "text/plain; version=0.0.4; charset=utf-8")], text).into_response()
}
