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
        let (Some(email), Some(password)) = (&config.login.operator_email, &config.login.operator_password)
        else {
            bail!(
                "as whom? Give --operator-email and --operator-password, or better RONDO_OPERATOR_EMAIL and \
                 RONDO_OPERATOR_PASSWORD in the environment; `rondo up` keeps the password of its operator in \
                 the file operator-password of its data folder"
            );
        };
        let body = json!({"email": email, "password": password.expose_secret()});
        let asked = client.post(format!("{base_url}/api/v1/login")).json(&body).send().await;
        let answer = asked.with_context(|| nobody_at(base_url, "--base-url", "RONDO_BASE_URL"))?;
        let status = answer.status();
        let session: Value = answer.json().await.unwrap_or_default();
        let Some(token) = session["access_token"].as_str() else {
            bail!("{email} cannot log in: {}", said(status, &session));
        };
        let internal_url = config.internal_url.trim_end_matches('/').to_owned();
        Ok(Self { client, internal_url, token: token.to_owned() })
    }

    /// Reads; `None` where there is nothing.
    pub(super) async fn find(&self, path: &str, query: &[(&str, String)]) -> anyhow::Result<Option<Value>> {
        let url = self.url(path);
        let url =
            reqwest::Url::parse_with_params(&url, query).with_context(|| format!("no address: {url}"))?;
        match self.send(self.client.get(url)).await? {
            (StatusCode::NOT_FOUND, _) => Ok(None),
            (status, body) if status.is_success() => Ok(Some(body)),
            (status, body) => bail!("{}", said(status, &body)),
        }
    }

    /// Reads what must be there.
    pub(super) async fn get(&self, path: &str, query: &[(&str, String)]) -> anyhow::Result<Value> {
        self.find(path, query).await?.with_context(|| self.nothing_at(path))
    }

    /// Does something; `None` where there is nothing to do it to.
    pub(super) async fn try_post(&self, path: &str, body: &Value) -> anyhow::Result<Option<Value>> {
        let request = self.client.request(Method::POST, self.url(path)).json(body);
        match self.send(request).await? {
            (StatusCode::NOT_FOUND, _) => Ok(None),
            (status, body) if status.is_success() => Ok(Some(body)),
            (status, body) => bail!("{}", said(status, &body)),
        }
    }

    /// Does something to what must be there.
    pub(super) async fn post(&self, path: &str, body: &Value) -> anyhow::Result<Value> {
        self.try_post(path, body).await?.with_context(|| self.nothing_at(path))
    }

    fn url(&self, path: &str) -> String {
        format!("{}{path}", self.internal_url)
    }

    fn nothing_at(&self, path: &str) -> String {
        let url = self.url(path);
        format!(
            "there is nothing at {url}: --internal-url or RONDO_INTERNAL_URL has to be the internal listener \
             of the process that runs the service"
        )
    }

    async fn send(&self, request: reqwest::RequestBuilder) -> anyhow::Result<(StatusCode, Value)> {
        let answer = request.bearer_auth(&self.token).send().await;
        let nobody = || nobody_at(&self.internal_url, "--internal-url", "RONDO_INTERNAL_URL");
        let answer = answer.with_context(nobody)?;
        let status = answer.status();
        Ok((status, answer.json().await.unwrap_or_default()))
    }
}

fn nobody_at(url: &str, option: &str, variable: &str) -> String {
    format!("nobody answers at {url} ({option} or {variable} says where)")
}

/// A problem in a line.
fn said(status: StatusCode, problem: &Value) -> String {
    let Some(code) = problem["code"].as_str() else {
        return format!("{status}, not in words of Rondo's: is there another server at this address?");
    };
    let detail = problem["detail"].as_str().unwrap_or_default();
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

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_problem_is_said_in_a_line_with_its_fields() {
        let mut problem = json!({ "code": "validation_failed", "detail": "some fields are not acceptable" });
        let status = StatusCode::UNPROCESSABLE_ENTITY;
        assert_eq!(said(status, &problem), "422 validation_failed: some fields are not acceptable");
        problem["errors"] = json!([{ "field": "step", "message": "must be one of: a, b" }]);
        assert!(said(status, &problem).ends_with("acceptable: step must be one of: a, b"));
        assert!(said(StatusCode::BAD_GATEWAY, &Value::Null).starts_with("502 Bad Gateway, not in words"));
    }
}
