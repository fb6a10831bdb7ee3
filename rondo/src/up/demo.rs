//! What a local run begins with: an operator and a small catalogue, made through the API like
//! everybody's. Stock is only put in place where it is missing, never reset.

use std::path::Path;
use std::time::Duration;

use anyhow::{Context, bail};
use messaging::until_answered;
use reqwest::{Client, RequestBuilder, Response, StatusCode};
use secrecy::ExposeSecret;
use serde_json::{Value, json};
use service::token::Role;
use service::{House, database};
use tokio::time::Instant;
use uuid::Uuid;

use super::progress::Progress;
use super::secrets::Operator;

const READY_WITHIN: Duration = Duration::from_secs(60);
const LOOK_EVERY: Duration = Duration::from_millis(50);
const REQUEST_TIMEOUT: Duration = Duration::from_secs(30);
/// How many of each position a new catalogue has.
const AVAILABLE: i64 = 1_000_000;
/// The time in the positions' ids, in milliseconds since 1970: 2026-01-01.
const CATALOGUE_MADE_MS: u64 = 1_767_225_600_000;
/// Name and price in minor units.
const CATALOGUE: [(&str, i64); 8] = [
    ("Espresso beans, 1 kg", 189_000),
    ("Filter beans, 250 g", 74_000),
    ("Paper filters, 100", 39_000),
    ("Porcelain dripper", 215_000),
    ("Hand grinder", 799_000),
    ("Gooseneck kettle", 459_000),
    ("Kitchen scale", 249_000),
    ("Cup", 69_000),
];

/// The running system, seen from outside.
pub(crate) struct Demo<'a> {
    pub(crate) house: &'a House,
    pub(crate) operator: &'a Operator,
}

/// The same at every start, so that nothing is put in stock twice; in the order of time like all ids.
fn demo_id(index: u64) -> Uuid {
    let hash = Uuid::new_v5(&Uuid::NAMESPACE_URL, format!("rondo:demo:{index}").as_bytes());
    let mut random = [0; 10];
    random.copy_from_slice(&hash.as_bytes()[..10]);
    uuid::Builder::from_unix_timestamp_millis(CATALOGUE_MADE_MS + index, &random).into_uuid()
}

/// Asks until somebody answers who knows: a private server that dies meanwhile is started again. All that is asked here
/// may be asked twice.
async fn answered(request: &RequestBuilder) -> anyhow::Result<Response> {
    let until = Instant::now() + READY_WITHIN;
    loop {
        let answer = request.try_clone().context("its body can be sent again")?.send().await;
        let is_again = answer.as_ref().map_or(true, |answer| answer.status().is_server_error());
        if !is_again || Instant::now() > until {
            return Ok(answer?);
        }
        tokio::time::sleep(LOOK_EVERY).await;
    }
}

impl Demo<'_> {
    /// Waits until the system is ready, then makes what is missing.
    pub(crate) async fn load(&self, progress: &Progress) -> anyhow::Result<()> {
        let client = Client::builder().timeout(REQUEST_TIMEOUT).build()?;
        let step = progress.step("waiting until everything is ready");
        self.ready(&client).await?;
        step.done();
        let step = progress.step("looking after the operator and the catalogue");
        let token = self.operator_token(&client).await?;
        self.catalogue(&client, &token).await?;
        step.done();
        Ok(())
    }

    async fn ready(&self, client: &Client) -> anyhow::Result<()> {
        let url = self.internal("/readyz");
        let mut last = String::new();
        let waiting = async {
            loop {
                match client.get(&url).send().await {
                    Ok(answer) if answer.status() == StatusCode::OK => return,
                    Ok(answer) => last = answer.text().await.unwrap_or_default(),
                    Err(error) => last = error.to_string(),
                }
                tokio::time::sleep(LOOK_EVERY).await;
            }
        };
        let ready = tokio::time::timeout(READY_WITHIN, waiting).await;
        if ready.is_err() {
            bail!("not ready within {} s: {last}", READY_WITHIN.as_secs());
        }
        Ok(())
    }

    /// Registers the operator if need be, gives the role, and logs in.
    async fn operator_token(&self, client: &Client) -> anyhow::Result<String> {
        let Operator { email, password } = self.operator;
        let password = password.expose_secret();
        let new = json!({"email": email, "password": password, "name": "Operator"});
        let answer = answered(&client.post(self.public("/api/v1/register")).json(&new)).await?;
        let status = answer.status();
        if status != StatusCode::CREATED && status != StatusCode::CONFLICT {
            bail!("the operator {email} cannot be registered: {}", answer.text().await?);
        }
        let url = self.house.config.databases.of("auth").context("auth has a database")?;
        let db = database::connect(url, "auth", 1, &self.house.draining).await?;
        let address = contracts::Email::parse(email)
            .map_err(|error| anyhow::anyhow!("the operator's e-mail: {error}"))?;
        let security = &self.house.config.security;
        until_answered(async || auth::ensure_role(&db, &address, Role::Operator, security).await).await?;
        db.close().await?;
        let credentials = json!({"email": email, "password": password});
        let answer = answered(&client.post(self.public("/api/v1/login")).json(&credentials)).await?;
        if answer.status() == StatusCode::UNAUTHORIZED {
            bail!(
                "the operator {email} exists with another password; give it as RONDO_OPERATOR_PASSWORD, \
                 or another RONDO_OPERATOR_EMAIL"
            );
        }
        if answer.status() != StatusCode::OK {
            bail!("the operator {email} cannot log in: {}", answer.text().await?);
        }
        let token: Value = answer.json().await?;
        Ok(token["access_token"].as_str().context("login answers with a token")?.to_owned())
    }

    async fn catalogue(&self, client: &Client, token: &str) -> anyhow::Result<()> {
        for (index, (name, price)) in (0_u64..).zip(CATALOGUE) {
            let position_id = demo_id(index);
            let count = self.public(&format!("/api/v1/stock/position/{position_id}/count"));
            if answered(&client.get(count).bearer_auth(token)).await?.status() == StatusCode::OK {
                continue;
            }
            let position = json!({"name": name, "price": price, "available": AVAILABLE});
            let put = client.put(self.internal(&format!("/internal/api/v1/stock/position/{position_id}")));
            let answer = answered(&put.bearer_auth(token).json(&position)).await?;
            if !answer.status().is_success() {
                bail!("the position {name:?} cannot be put in stock: {}", answer.text().await?);
            }
        }
        Ok(())
    }

    /// Says what is where.
    #[expect(clippy::print_stdout, reason = "this is what the program is started for")]
    pub(crate) fn announce(&self, data_dir: &Path, [postgres, nats]: &[String; 2]) {
        println!();
        println!("Rondo is up.");
        println!("  Public API  {}  (to read and to try: {})", self.public(""), self.public("/docs/"));
        println!("  Internal    {}  (/readyz, /metrics, /runbooks, /internal/api/v1/...)", self.internal(""));
        println!("  {postgres}");
        println!("  {nats}");
        println!("  Data        {}", data_dir.display());
        println!(
            "  Operator    {}  password {}",
            self.operator.email,
            self.operator.password.expose_secret()
        );
        println!("Ctrl-C stops everything; the data stays for the next start.");
    }

    fn public(&self, path: &str) -> String {
        format!("http://{}{path}", self.house.config.http.public_addr)
    }

    fn internal(&self, path: &str) -> String {
        format!("http://{}{path}", self.house.config.http.internal_addr)
    }
}
