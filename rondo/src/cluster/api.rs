//! The little that is asked of a cluster: a Secret is read, made, or brought into a form.

use std::collections::BTreeMap;
use std::path::Path;
use std::sync::Arc;
use std::time::Duration;

use anyhow::{Context, bail};
use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use bytes::Bytes;
use http_body_util::{BodyExt, Full, Limited};
use hyper::header::{AUTHORIZATION, CONTENT_TYPE};
use hyper::{Method, Request, StatusCode};
use hyper_rustls::{HttpsConnector, HttpsConnectorBuilder};
use hyper_util::client::legacy::Client;
use hyper_util::client::legacy::connect::HttpConnector;
use hyper_util::rt::TokioExecutor;
use rustls::RootCertStore;
use rustls::pki_types::CertificateDer;
use rustls::pki_types::pem::PemObject;
use secrecy::{ExposeSecret, SecretString};
use serde_json::Value;

use super::secrets::Secret;

const ANSWER_WITHIN: Duration = Duration::from_secs(10);
/// A Secret has at most 1 MiB.
const ANSWER_BYTES_MAX: usize = 4 * 1024 * 1024;
/// Under which the cluster remembers which fields are ours.
const MANAGER: &str = "rondo";

/// The cluster's API, as one who may do something in one namespace.
pub(super) struct Api {
    client: Client<HttpsConnector<HttpConnector>, Full<Bytes>>,
    secrets: String,
    token: SecretString,
}

/// What came of making a Secret.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Outcome {
    Made,
    Exists,
}

impl Api {
    /// The API at `url`, for the one whose `token` and `namespace` lie in `identity`, believing the `ca.crt` there.
    pub(super) fn new(url: &str, identity: &Path) -> anyhow::Result<Self> {
        let read = |name: &str| {
            let path = identity.join(name);
            std::fs::read_to_string(&path).with_context(|| path.display().to_string())
        };
        let mut roots = RootCertStore::empty();
        for certificate in CertificateDer::pem_file_iter(identity.join("ca.crt")).context("ca.crt")? {
            roots.add(certificate.context("ca.crt")?)?;
        }
        let provider = Arc::new(rustls::crypto::aws_lc_rs::default_provider());
        let tls = rustls::ClientConfig::builder_with_provider(provider)
            .with_safe_default_protocol_versions()?
            .with_root_certificates(roots)
            .with_no_client_auth();
        let connector = HttpsConnectorBuilder::new().with_tls_config(tls).https_only().enable_http1().build();
        let namespace = read("namespace")?;
        Ok(Self {
            client: Client::builder(TokioExecutor::new()).build(connector),
            secrets: format!("{}/api/v1/namespaces/{}/secrets", url.trim_end_matches('/'), namespace.trim()),
            token: read("token")?.trim().into(),
        })
    }

    /// What is in a Secret, if it is there.
    pub(super) async fn secret(&self, name: &str) -> anyhow::Result<Option<BTreeMap<String, String>>> {
        let path = format!("/{name}");
        let (status, body) = self.ask(Method::GET, &path, None).await?;
        match status {
            StatusCode::OK => entries(&body).map(Some),
            StatusCode::NOT_FOUND => Ok(None),
            _ => refused(status, &body),
        }
    }

    /// Makes a Secret that is not there.
    pub(super) async fn create(&self, secret: &Secret) -> anyhow::Result<Outcome> {
        let (status, body) = self.ask(Method::POST, "", Some(("application/json", secret))).await?;
        match status {
            StatusCode::CREATED => Ok(Outcome::Made),
            StatusCode::CONFLICT => Ok(Outcome::Exists),
            _ => refused(status, &body),
        }
    }

    /// Makes a Secret, or makes it have these entries.
    pub(super) async fn apply(&self, secret: &Secret) -> anyhow::Result<()> {
        let path = format!("/{}?fieldManager={MANAGER}&force=true", secret.name);
        // JSON is YAML.
        let content = Some(("application/apply-patch+yaml", secret));
        let (status, body) = self.ask(Method::PATCH, &path, content).await?;
        if status.is_success() { Ok(()) } else { refused(status, &body) }
    }

    async fn ask(
        &self,
        method: Method,
        path: &str,
        content: Option<(&str, &Secret)>,
    ) -> anyhow::Result<(StatusCode, Value)> {
        let mut request = Request::builder()
            .method(method)
            .uri(format!("{}{path}", self.secrets))
            .header(AUTHORIZATION, format!("Bearer {}", self.token.expose_secret()));
        let mut body = Bytes::new();
        if let Some((media, secret)) = content {
            request = request.header(CONTENT_TYPE, media);
            body = serde_json::to_vec(&secret.manifest())?.into();
        }
        let asked = async {
            let answer =
                self.client.request(request.body(Full::new(body))?).await.context("the cluster's API")?;
            let (status, body) = (answer.status(), Limited::new(answer.into_body(), ANSWER_BYTES_MAX));
            let body = body.collect().await.map_err(|error| anyhow::anyhow!(error))?.to_bytes();
            anyhow::Ok((status, serde_json::from_slice(&body).unwrap_or_default()))
        };
        tokio::time::timeout(ANSWER_WITHIN, asked).await.context("the cluster's API does not answer")?
    }
}

fn entries(secret: &Value) -> anyhow::Result<BTreeMap<String, String>> {
    let data = secret["data"].as_object().context("a Secret without data")?;
    let decoded = |text: &Value| -> anyhow::Result<String> {
        Ok(String::from_utf8(STANDARD.decode(text.as_str().context("no text")?)?)?)
    };
    data.iter().map(|(name, text)| Ok((name.clone(), decoded(text)?))).collect()
}

/// In the cluster's words, which quote nothing of what was sent.
fn refused<T>(status: StatusCode, body: &Value) -> anyhow::Result<T> {
    bail!("the cluster's API says {status}: {}", body["message"].as_str().unwrap_or("no message"))
}
