//! `rondo cluster-secrets create`, over TLS, against what a cluster's API does with Secrets: there is none here, so this
//! is as much of it as is asked for.

use std::collections::BTreeMap;
use std::path::Path;
use std::sync::{Arc, Mutex};

use axum::extract::{Path as Name, State};
use axum::http::{HeaderMap, StatusCode};
use axum::routing::{get, post};
use axum::{Json, Router};
use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use hyper_util::rt::TokioIo;
use hyper_util::service::TowerToHyperService;
use rcgen::{CertificateParams, KeyPair};
use serde_json::{Value, json};
use tokio::net::TcpListener;
use tokio::process::Command;
use tokio_rustls::TlsAcceptor;
use tokio_rustls::rustls::ServerConfig;
use tokio_rustls::rustls::crypto::aws_lc_rs;
use tokio_rustls::rustls::pki_types::PrivateKeyDer;

const TOKEN: &str = "a-token-of-the-cluster";

/// What the API keeps, and after how many changes it fails.
#[derive(Debug, Default)]
struct Kept {
    secrets: BTreeMap<String, BTreeMap<String, String>>,
    changes: usize,
    fails_after: Option<usize>,
}

type Api = Arc<Mutex<Kept>>;
type Answer = (StatusCode, Json<Value>);

fn says(status: StatusCode, message: &str) -> Answer {
    (status, Json(json!({ "kind": "Status", "message": message })))
}

impl Kept {
    fn change(&mut self, secret: &Value) -> Answer {
        if self.fails_after.is_some_and(|most| self.changes >= most) {
            return says(StatusCode::INTERNAL_SERVER_ERROR, "etcdserver: request timed out");
        }
        self.changes += 1;
        let name = secret["metadata"]["name"].as_str().unwrap().to_owned();
        assert_eq!((&secret["kind"], &secret["apiVersion"]), (&json!("Secret"), &json!("v1")));
        self.secrets.insert(name, serde_json::from_value(secret["stringData"].clone()).unwrap());
        (StatusCode::CREATED, Json(secret.clone()))
    }
}

fn is_known(headers: &HeaderMap) -> Result<(), Answer> {
    let known = headers.get("authorization").is_some_and(|shown| *shown == format!("Bearer {TOKEN}"));
    if known { Ok(()) } else { Err(says(StatusCode::UNAUTHORIZED, "Unauthorized")) }
}

async fn read(
    State(api): State<Api>,
    Name(name): Name<String>,
    headers: HeaderMap,
) -> Result<Answer, Answer> {
    is_known(&headers)?;
    let api = api.lock().unwrap();
    let Some(entries) = api.secrets.get(&name) else {
        return Ok(says(StatusCode::NOT_FOUND, "secrets not found"));
    };
    let data: BTreeMap<_, _> = entries.iter().map(|(key, text)| (key, STANDARD.encode(text))).collect();
    Ok((StatusCode::OK, Json(json!({ "kind": "Secret", "data": data }))))
}

async fn make(
    State(api): State<Api>,
    headers: HeaderMap,
    Json(secret): Json<Value>,
) -> Result<Answer, Answer> {
    is_known(&headers)?;
    let mut api = api.lock().unwrap();
    if api.secrets.contains_key(secret["metadata"]["name"].as_str().unwrap()) {
        return Ok(says(StatusCode::CONFLICT, "secrets already exists"));
    }
    Ok(api.change(&secret))
}

async fn apply(State(api): State<Api>, headers: HeaderMap, body: String) -> Result<Answer, Answer> {
    is_known(&headers)?;
    assert_eq!(headers["content-type"], "application/apply-patch+yaml");
    Ok(api.lock().unwrap().change(&serde_json::from_str(&body).unwrap()))
}

/// An API that shows a certificate of its own, and the folder of who may ask it.
async fn cluster(identity: &Path) -> (Api, String) {
    let key = KeyPair::generate().unwrap();
    let certificate = CertificateParams::new(["localhost".to_owned()]).unwrap().self_signed(&key).unwrap();
    std::fs::write(identity.join("ca.crt"), certificate.pem()).unwrap();
    std::fs::write(identity.join("token"), TOKEN).unwrap();
    std::fs::write(identity.join("namespace"), "rondo").unwrap();
    let private = PrivateKeyDer::Pkcs8(key.serialize_der().into());
    let config = ServerConfig::builder_with_provider(Arc::new(aws_lc_rs::default_provider()))
        .with_safe_default_protocol_versions()
        .unwrap()
        .with_no_client_auth()
        .with_single_cert(vec![certificate.der().clone()], private)
        .unwrap();
    let api = Api::default();
    let secrets = "/api/v1/namespaces/rondo/secrets";
    let router = Router::new()
        .route(secrets, post(make))
        .route(&format!("{secrets}/{{name}}"), get(read).patch(apply))
        .with_state(Arc::clone(&api));
    let listener = TcpListener::bind(("127.0.0.1", 0)).await.unwrap();
    let url = format!("https://localhost:{}", listener.local_addr().unwrap().port());
    let acceptor = TlsAcceptor::from(Arc::new(config));
    tokio::spawn(async move {
        while let Ok((stream, _)) = listener.accept().await {
            let (acceptor, router) = (acceptor.clone(), TowerToHyperService::new(router.clone()));
            tokio::spawn(async move {
                if let Ok(stream) = acceptor.accept(stream).await {
                    let served = hyper::server::conn::http1::Builder::new();
                    let _ = served.serve_connection(TokioIo::new(stream), router).await;
                }
            });
        }
    });
    (api, url)
}

/// One run of the Job, in a folder that is as empty as a new pod's.
async fn run(url: &str, identity: &Path) -> Result<String, String> {
    let keys = tempfile::tempdir().unwrap();
    let mut command = Command::new(env!("CARGO_BIN_EXE_rondo"));
    command.args(["cluster-secrets", "create", "--api", url, "--dir"]).arg(keys.path().join("keys"));
    let output = command.arg("--identity").arg(identity).env_clear().output().await.unwrap();
    let said = String::from_utf8(output.stderr).unwrap();
    if output.status.success() { Ok(said) } else { Err(said) }
}

#[tokio::test]
async fn a_job_that_is_cut_off_goes_on_with_the_same_keys() {
    let identity = tempfile::tempdir().unwrap();
    let (api, url) = cluster(identity.path()).await;
    api.lock().unwrap().fails_after = Some(4);
    let why = run(&url, identity.path()).await.unwrap_err();
    assert!(why.contains("etcdserver: request timed out"), "{why}");
    let before = api.lock().unwrap().secrets.clone();
    assert_eq!(before.len(), 4, "the keys, and of some services theirs: {:?}", before.keys());

    api.lock().unwrap().fails_after = None;
    run(&url, identity.path()).await.unwrap();
    let after = api.lock().unwrap().secrets.clone();
    for (name, entries) in before.iter().filter(|(name, _)| *name != "user") {
        assert_eq!(after.get(name), Some(entries), "{name} stays as it was");
    }
    let said = run(&url, identity.path()).await.unwrap();
    assert!(said.contains("the keys stay as they are"), "{said}");

    // Both ends of everything agree.
    let password = &after["postgres"]["RONDO_BILLING_PASSWORD"];
    assert_eq!(
        after["billing"]["database-url"],
        format!("postgres://rondo_billing:{password}@postgres/rondo_billing")
    );
    let migrator = &after["postgres"]["RONDO_MIGRATOR_PASSWORD"];
    assert_eq!(
        after["migrate"]["stock-database-url"],
        format!("postgres://rondo_migrator:{migrator}@postgres/rondo_stock")
    );
    let public = messaging::nkey::public_key(&after["stock"]["nats-seed"].clone().into()).unwrap();
    assert_eq!(after["nats-users"]["NATS_USER_STOCK"], public);
    assert!(after["auth"]["signing-key"].starts_with("-----BEGIN PRIVATE KEY-----"));
    for (secret, entries) in &after {
        let told = entries.values().find(|value| said.contains(value.as_str()));
        assert!(told.is_none(), "something of {secret} was told");
    }
}

#[tokio::test]
async fn nobody_but_the_cluster_is_believed_and_nobody_but_the_job_may() {
    let (identity, other) = (tempfile::tempdir().unwrap(), tempfile::tempdir().unwrap());
    let (api, url) = cluster(identity.path()).await;
    let _ = cluster(other.path()).await;
    let why = run(&url, other.path()).await.unwrap_err();
    assert!(why.contains("certificate"), "{why}");
    std::fs::write(identity.path().join("token"), "another").unwrap();
    let why = run(&url, identity.path()).await.unwrap_err();
    assert!(why.contains("401") && why.contains("Unauthorized"), "{why}");
    assert!(api.lock().unwrap().secrets.is_empty());
}
