//! A client of the system: asks, waits as long as it likes, and asks again with the same key where no answer came.

use std::time::{Duration, Instant};

use rand::RngExt;
use reqwest::{Client, RequestBuilder};
use serde_json::Value;
use service::token::{Claims, Role, Roles, SigningKey};
use tokio_util::sync::CancellationToken;
use uuid::Uuid;

use super::records::{Outcome, Records};
use super::system::System;

/// Tokens outlive the longest run.
const TOKEN_SECONDS: u32 = 7 * 24 * 3600;
/// Tries of a client who insists.
const TRIES_MAX: u32 = 8;
const AGAIN_AFTER_MS: std::ops::Range<u64> = 100..1_500;

/// Somebody with a token.
#[derive(Clone)]
pub(super) struct Asker {
    pub(super) user_id: Uuid,
    client: Client,
    token: String,
}

/// What came back.
#[derive(Debug, Clone)]
pub(super) struct Answer {
    pub(super) status: u16,
    /// Null where there is none.
    pub(super) body: Value,
}

/// How a request ended.
pub(super) struct Heard {
    pub(super) outcome: Outcome,
    /// The last one, if it can be believed.
    pub(super) answer: Option<Answer>,
}

impl Answer {
    /// The stable code of a problem; empty where there is none.
    pub(super) fn code(&self) -> &str {
        self.body["code"].as_str().unwrap_or_default()
    }

    pub(super) fn id(&self, name: &str) -> Option<Uuid> {
        self.body[name].as_str()?.parse().ok()
    }

    /// What a client may take from it. A server error says nothing, unless it says that nothing was done.
    fn outcome(&self) -> Outcome {
        const NOTHING_DONE: [&str; 4] =
            ["overloaded", "too_busy", "service_unavailable", "database_unavailable"];
        match self.status {
            200..300 => Outcome::Done,
            400..500 => Outcome::Declined,
            503 if NOTHING_DONE.contains(&self.code()) => Outcome::NotDone,
            _ => Outcome::Unknown,
        }
    }
}

impl Asker {
    /// A user with these roles besides.
    pub(super) fn new(system: &System, user_id: Uuid, also: Option<Role>) -> anyhow::Result<Self> {
        let roles = also.into_iter().fold(Roles::default().with(Role::User), Roles::with);
        let now = chrono::Utc::now().timestamp();
        let claims = Claims::of_user(user_id, Uuid::now_v7(), roles, now, TOKEN_SECONDS);
        let token = SigningKey::from_pem(&system.signing_key)?.sign(&claims)?;
        Ok(Self { user_id, client: system.client.clone(), token })
    }

    pub(super) fn get(&self, url: &str) -> RequestBuilder {
        self.client.get(url).bearer_auth(&self.token)
    }

    pub(super) fn post(&self, url: &str, body: &Value) -> RequestBuilder {
        self.client.post(url).bearer_auth(&self.token).json(body)
    }

    pub(super) fn put(&self, url: &str, body: &Value) -> RequestBuilder {
        self.client.put(url).bearer_auth(&self.token).json(body)
    }
}

/// Asks once; `None`: no answer came, or a broken one.
pub(super) async fn ask(request: RequestBuilder) -> Option<Answer> {
    let response = request.send().await.ok()?;
    let status = response.status().as_u16();
    let bytes = response.bytes().await.ok()?;
    let body = if bytes.is_empty() { Value::Null } else { serde_json::from_slice(&bytes).ok()? };
    Some(Answer { status, body })
}

/// Asks until an answer says what became of it, at most so often. What is asked must be the same every time: it
/// carries a key, or can be done only once.
pub(super) async fn insist(
    kind: &'static str,
    request: RequestBuilder,
    insistent: bool,
    records: &Records,
    stop: &CancellationToken,
) -> Heard {
    let began = Instant::now();
    let (mut lost, mut heard) = (0, Heard { outcome: Outcome::Unknown, answer: None });
    for _ in 0..if insistent { TRIES_MAX } else { 1 } {
        let Some(again) = request.try_clone() else { break };
        let answer = ask(again).await;
        let outcome = answer.as_ref().map_or(Outcome::Unknown, Answer::outcome);
        lost += u64::from(outcome == Outcome::Unknown);
        if let Some(answer) = answer.as_ref().filter(|_| outcome != Outcome::Done) {
            let reason = format!("{kind}: {} {}", answer.status, answer.code());
            *records.book().reasons.entry(reason.trim_end().to_owned()).or_default() += 1;
        }
        heard = Heard { outcome, answer };
        let wait = Duration::from_millis(rand::rng().random_range(AGAIN_AFTER_MS));
        let answered = matches!(outcome, Outcome::Done | Outcome::Declined);
        if answered || stop.run_until_cancelled(tokio::time::sleep(wait)).await.is_none() {
            break;
        }
    }
    // An earlier try may still be on its way, and be done after a later one was turned away.
    if lost > 0 && heard.outcome != Outcome::Done {
        heard.outcome = Outcome::Unknown;
    }
    let answered = matches!(heard.outcome, Outcome::Done | Outcome::Declined);
    records.book().count(kind, heard.outcome, lost, answered.then(|| began.elapsed()));
    heard
}
