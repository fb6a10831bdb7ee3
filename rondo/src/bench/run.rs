//! One run: so many clients for so long, and what that cost.

use std::collections::{BTreeMap, HashMap};
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::{Duration, Instant};

use anyhow::{Context, bail};
use audit::Told;
use chrono::Utc;
use uuid::Uuid;

use super::connection::Authority;
use super::customers::{Customer, Market};
use super::load::{self, Plan, Tally};
use super::progress::Progress;
use super::report::Run;
use super::system::System;
use super::work::{Observer, Work};
use super::{BenchArguments, QUIET_WITHIN};

const LOOK_EVERY: Duration = Duration::from_millis(100);
/// So late a session of PostgreSQL that has become idle tells what it did.
const STATISTICS_LAG: Duration = Duration::from_millis(10_500);

/// What every run needs.
pub(super) struct Runner<'a> {
    pub(super) arguments: &'a BenchArguments,
    pub(super) system: &'a System,
    pub(super) observer: Observer<'a>,
    pub(super) progress: &'a Progress,
}

/// What was seen in the seconds that count.
struct Window {
    cpu_seconds: BTreeMap<&'static str, f64>,
    sagas: f64,
}

impl Runner<'_> {
    /// Drives `clients` clients, and waits until everything that they began has ended. `before` is what
    /// was done before, and becomes what was done after. Every order is added to `told`.
    pub(super) async fn run(
        &self,
        clients: u32,
        market: &mut Market,
        before: &mut Work,
        told: &mut HashMap<Uuid, Told>,
    ) -> anyhow::Result<Run> {
        let plan = self.plan(market)?;
        let mine = dealt(std::mem::take(&mut market.customers), clients);
        let load = load::start(plan.clone(), mine)?;
        let window = self.watch(clients, &plan).await?;
        let (tally, customers) = load.await.context("the load's thread ended")??;
        market.customers = customers;
        told.extend(tally.told.iter().copied());
        let after = self.settled().await?;
        let work = after.since(before);
        *before = after;
        Ok(self.summary(clients, tally, &window, &work))
    }

    fn plan(&self, market: &Market) -> anyhow::Result<Plan> {
        let counts_from = Instant::now() + Duration::from_secs(self.arguments.warm_up);
        Ok(Plan {
            authority: Authority::parse(self.system.base_url())?,
            client: self.system.client.clone(),
            base_url: self.system.base_url().to_owned(),
            positions: market.positions.clone().into(),
            refused_percent: self.arguments.refused_percent,
            counts_from,
            ends_at: counts_from + Duration::from_secs(self.arguments.seconds),
            answers: Arc::new(AtomicU64::new(0)),
        })
    }

    /// Measures what can only be measured from within.
    async fn watch(&self, clients: u32, plan: &Plan) -> anyhow::Result<Window> {
        let observer = &self.observer;
        let seconds = self.arguments.warm_up + self.arguments.seconds;
        let step = self.progress.steps(format!("{clients} clients"), seconds);
        tokio::time::sleep_until(plan.counts_from.into()).await;
        let (from, cpu_before) = (Utc::now(), self.system.cpu_seconds());
        let sagas_before = observer.metrics().await?.sum(orchestrator::metric_names::SAGAS_FINISHED);
        let mut answers = plan.answers.load(Ordering::Relaxed);
        for second in 1..self.arguments.seconds {
            tokio::time::sleep_until((plan.counts_from + Duration::from_secs(second)).into()).await;
            let now = plan.answers.load(Ordering::Relaxed);
            step.at(self.arguments.warm_up + second);
            step.say(|| format!("s, {} orders/s", now - answers));
            answers = now;
        }
        tokio::time::sleep_until(plan.ends_at.into()).await;
        let (to, cpu_after) = (Utc::now(), self.system.cpu_seconds());
        let sagas_after = observer.metrics().await?.sum(orchestrator::metric_names::SAGAS_FINISHED);
        step.done();
        let counted = observer.finished_between(from, to).await?;
        Ok(Window {
            cpu_seconds: cpu_after
                .into_iter()
                .map(|(name, after)| (name, after - cpu_before[name]))
                .collect(),
            sagas: counted.unwrap_or(sagas_after - sagas_before),
        })
    }

    /// What was done up to now, once all is quiet and PostgreSQL's sessions have told it.
    pub(super) async fn settled(&self) -> anyhow::Result<Work> {
        let observer = &self.observer;
        quiet(observer).await?;
        if observer.sees_databases() {
            let step = self.progress.step("waiting for PostgreSQL's statistics");
            tokio::time::sleep(STATISTICS_LAG).await;
            step.done();
        }
        observer.look().await
    }

    fn summary(&self, clients: u32, mut tally: Tally, window: &Window, work: &Work) -> Run {
        tally.decided_after_us.sort_unstable();
        Run::new(clients, self.arguments.seconds, tally, window.sagas, &window.cpu_seconds, work)
    }
}

/// Waits until no saga is open.
async fn quiet(observer: &Observer<'_>) -> anyhow::Result<()> {
    let began = Instant::now();
    loop {
        let open = observer.open_sagas().await?;
        if open == 0 {
            return Ok(());
        }
        if began.elapsed() > QUIET_WITHIN {
            bail!("{open} sagas have not reached their end within {} s", QUIET_WITHIN.as_secs());
        }
        tokio::time::sleep(LOOK_EVERY).await;
    }
}

/// Deals the customers out to the clients.
fn dealt(customers: Vec<Customer>, clients: u32) -> Vec<Vec<Customer>> {
    let clients = clients as usize;
    let mut hands: Vec<Vec<Customer>> = vec![Vec::new(); clients];
    for (index, customer) in customers.into_iter().enumerate() {
        hands[index % clients].push(customer);
    }
    hands
}
