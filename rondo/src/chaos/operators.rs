//! An operator who acts at bad moments: retries, pauses and cancels sagas, pauses participants, sends dead letters
//! again. What is paused is resumed in the end. Nothing is skipped or abandoned: that would be an accepted difference.

use std::sync::Arc;
use std::time::Duration;

use rand::RngExt;
use rand::seq::IndexedRandom;
use reqwest::RequestBuilder;
use serde_json::{Value, json};
use service::token::Role;
use tokio_util::sync::CancellationToken;
use uuid::Uuid;

use super::client::{Answer, Asker, ask, insist};
use super::layout;
use super::records::Records;
use super::system::System;

const PAUSED_MS: std::ops::Range<u64> = 500..4_000;
const ACTS_EVERY_MS: std::ops::Range<u64> = 300..1_500;
/// What a saga that has not ended is said to be doing.
const OPEN: [&str; 3] = ["running", "compensating", "tail"];
const AGAIN_AFTER: Duration = Duration::from_millis(300);

/// One of them.
pub(super) struct Operator {
    asker: Asker,
    system: Arc<System>,
    records: Arc<Records>,
}

impl Operator {
    pub(super) fn new(system: &Arc<System>, records: &Arc<Records>) -> anyhow::Result<Self> {
        let asker = Asker::new(system, Uuid::now_v7(), Some(Role::Operator))?;
        Ok(Self { asker, system: Arc::clone(system), records: Arc::clone(records) })
    }

    /// One deed after the other, until told to stop; then nothing is paused any more.
    pub(super) async fn live(&self, stop: &CancellationToken) {
        while !stop.is_cancelled() {
            let deed = rand::rng().random_range(0..10);
            match deed {
                0..3 => self.act_on_some_saga("retry", stop).await,
                3..5 => self.pause_some_saga(stop).await,
                5 => self.act_on_some_saga("cancel", stop).await,
                6..8 => self.pause_a_participant(stop).await,
                _ => self.redrive(stop).await,
            }
            let rests = Duration::from_millis(rand::rng().random_range(ACTS_EVERY_MS));
            stop.run_until_cancelled(tokio::time::sleep(rests)).await;
        }
        self.resume_everything().await;
    }

    fn url(&self, path: &str) -> String {
        format!("{}/internal/api/v1/{path}", self.system.internal_url("orchestrator"))
    }

    fn sagas(&self, filter: &str) -> RequestBuilder {
        self.asker.get(&self.url(&format!("sagas?limit=100&{filter}")))
    }

    /// Which sagas; and of which orders.
    async fn found(&self, filter: &str) -> Option<Vec<(Uuid, Uuid)>> {
        let answer = ask(self.sagas(filter)).await.filter(|answer| answer.status == 200)?;
        let ids = |saga: &Value| {
            let id = |name: &str| saga[name].as_str()?.parse().ok();
            Some((id("saga_id")?, id("key")?))
        };
        Some(answer.body["items"].as_array()?.iter().filter_map(ids).collect())
    }

    fn action(&self, saga_id: Uuid, action: &str) -> RequestBuilder {
        self.asker.post(&self.url(&format!("sagas/{saga_id}/{action}")), &json!({ "reason": "chaos" }))
    }

    async fn act_on_some_saga(&self, action: &'static str, stop: &CancellationToken) {
        let Some((saga_id, key)) = self.some_open_saga().await else { return };
        if action == "cancel" {
            self.records.wants_to_cancel(key);
        }
        let kind = if action == "cancel" { "operator cancels" } else { "operator retries" };
        insist(kind, self.action(saga_id, action), true, &self.records, stop).await;
    }

    async fn some_open_saga(&self) -> Option<(Uuid, Uuid)> {
        let status = OPEN.choose(&mut rand::rng()).copied().unwrap_or("running");
        let open = self.found(&format!("status={status}")).await?;
        open.choose(&mut rand::rng()).copied()
    }

    async fn pause_some_saga(&self, stop: &CancellationToken) {
        let Some((saga_id, _)) = self.some_open_saga().await else { return };
        insist("operator pauses", self.action(saga_id, "pause"), true, &self.records, stop).await;
        self.rest(stop).await;
        insist("operator resumes", self.action(saga_id, "resume"), true, &self.records, stop).await;
    }

    async fn pause_a_participant(&self, stop: &CancellationToken) {
        let name = layout::PARTICIPANTS.choose(&mut rand::rng()).copied().unwrap_or("billing");
        let body = json!({ "scope": "participant", "name": name, "reason": "chaos" });
        let pause = self.asker.post(&self.url("pauses"), &body);
        insist("operator pauses", pause, true, &self.records, stop).await;
        self.rest(stop).await;
        let resume = self.asker.post(&self.url("pauses/resume"), &body);
        insist("operator resumes", resume, true, &self.records, stop).await;
    }

    async fn rest(&self, stop: &CancellationToken) {
        let paused = Duration::from_millis(rand::rng().random_range(PAUSED_MS));
        stop.run_until_cancelled(tokio::time::sleep(paused)).await;
    }

    /// Poison fails again and stays; what should not be there is told by the auditor.
    async fn redrive(&self, stop: &CancellationToken) {
        let kind = layout::LOOPED.choose(&mut rand::rng()).copied().unwrap_or("billing");
        let base = format!("{}/internal/api/v1/dead-letters", self.system.internal_url(kind));
        let Some(listed) = ask(self.asker.get(&base)).await else { return };
        let Some(group) = listed.body["items"][0]["group"].as_str() else { return };
        let body = json!({ "reason": "chaos", "group": group });
        insist(
            "operator redrives",
            self.asker.post(&format!("{base}/redrive"), &body),
            false,
            &self.records,
            stop,
        )
        .await;
    }

    /// Until nothing is paused, however long that takes.
    async fn resume_everything(&self) {
        while self.resume_once().await.is_none() {
            tokio::time::sleep(AGAIN_AFTER).await;
        }
    }

    /// `Some` when nothing was left to be resumed.
    async fn resume_once(&self) -> Option<()> {
        let pauses = ask(self.asker.get(&self.url("pauses"))).await.filter(|answer| answer.status == 200)?;
        let pauses = pauses.body["items"].as_array()?.clone();
        for pause in &pauses {
            let body = json!({ "scope": pause["scope"], "name": pause["name"], "reason": "chaos" });
            ask(self.asker.post(&self.url("pauses/resume"), &body)).await?;
        }
        let mut resumed = 0;
        for (saga_id, _) in self.found("paused=true").await? {
            // One that a participant's pause holds is resumed by the sweep.
            let answer: Answer = ask(self.action(saga_id, "resume")).await?;
            resumed += u32::from(answer.status == 200);
        }
        (pauses.is_empty() && resumed == 0).then_some(())
    }
}
