//! The way to the REST API: logs in once, and turns problems into sentences.

use std::time::Duration;

use anyhow::{Context, bail};
use reqwest::{Client, Method, StatusCode};
use secrecy::ExposeSecret;
use serde_json::{Value, json};
use service::config::OperatorConfig;

/// Longer than any bulk call takes.
const REQUEST_TIMEOUT: Duration = Duration::from_secs(60);

/// An operator who has logged in.
pub(super) struct Operator {
    client: Client,
    internal_url: String,
    token: String,
}

impl Operator {
    /// Logs in.
    pub(super) async fn log_in(config: &OperatorConfig) -> anyhow::Result<Self> {
        let client = Client::builder().no_proxy().timeout(REQUEST_TIMEOUT).build()?;
        let base_url = config.base_url.trim_end_matches('/');
        let body =
            json!({"email": config.operator_email, "password": config.operator_password.expose_secret()});
        let asked = client.post(format!("{base_url}/api/v1/login")).json(&body).send().await;
        let answer = asked.with_context(|| format!("nobody answers at {base_url}"))?;
        let status = answer.status();
        let session: Value = answer.json().await.unwrap_or_default();
        let Some(token) = session["access_token"].as_str() else {
            bail!("{} cannot log in: {}", config.operator_email, said(status, &session));
        };
        let internal_url = config.internal_url.trim_end_matches('/').to_owned();
        Ok(Self { client, internal_url, token: token.to_owned() })
    }

    /// Reads; `None` where there is nothing.
    pub(super) async fn find(&self, path: &str, query: &[(&str, String)]) -> anyhow::Result<Option<Value>> {
        let url = reqwest::Url::parse_with_params(&format!("{}{path}", self.internal_url), query)?;
        match self.send(self.client.get(url)).await? {
            (StatusCode::NOT_FOUND, _) => Ok(None),
            (status, body) if status.is_success() => Ok(Some(body)),
            (status, body) => bail!("{}", said(status, &body)),
        }
    }

    /// Reads what must be there.
    pub(super) async fn get(&self, path: &str, query: &[(&str, String)]) -> anyhow::Result<Value> {
        self.find(path, query).await?.with_context(|| format!("there is nothing at {path}"))
    }

    /// Does something.
    pub(super) async fn post(&self, path: &str, body: &Value) -> anyhow::Result<Value> {
        let request = self.client.request(Method::POST, format!("{}{path}", self.internal_url)).json(body);
        match self.send(request).await? {
            (status, body) if status.is_success() => Ok(body),
            (status, body) => bail!("{}", said(status, &body)),
        }
    }

    async fn send(&self, request: reqwest::RequestBuilder) -> anyhow::Result<(StatusCode, Value)> {
        let answer = request.bearer_auth(&self.token).send().await;
        let answer = answer.with_context(|| format!("nobody answers at {}", self.internal_url))?;
        let status = answer.status();
        Ok((status, answer.json().await.unwrap_or_default()))
    }
}

/// A problem in a line.
fn said(status: StatusCode, problem: &Value) -> String {
    let detail = problem["detail"].as_str().unwrap_or_default();
    let code = problem["code"].as_str().unwrap_or_default();
    let errors = problem["errors"].as_array().into_iter().flatten();
    let fields = errors.map(|error| {
        format!(
            "{} {}",
            error["field"].as_str().unwrap_or_default(),
            error["message"].as_str().unwrap_or_default()
        )
    });
    let fields: Vec<String> = fields.collect();
    let fields = if fields.is_empty() { String::new() } else { format!(": {}", fields.join("; ")) };
    format!("{} {code}: {detail}{fields}", status.as_u16())
}
