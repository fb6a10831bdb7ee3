//! One run after the other on a market that is open: so many orders for so long, and what that cost.

use std::collections::{BTreeMap, HashMap};
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::{Duration, Instant};

use anyhow::{Context, bail};
use audit::Told;
use chrono::{DateTime, Utc};
use uuid::Uuid;

use super::BenchArguments;
use super::customers::Market;
use super::load::{self, Plan, Tally};
use super::percentiles::Percentiles;
use super::progress::Progress;
use super::report::{Books, Run};
use super::scene::{Pace, Scene, Setup, TOGETHER};
use super::system::System;
use super::work::{Observer, Work};

const LOOK_EVERY: Duration = Duration::from_millis(100);
/// How often it is seen that all servers and processes are there.
const ALIVE_EVERY: Duration = Duration::from_secs(1);
/// How long everything that was begun may take to its end after a run.
const QUIET_WITHIN: Duration = Duration::from_secs(120);
/// So late a session of PostgreSQL that has become idle tells what it did.
const STATISTICS_LAG: Duration = Duration::from_millis(10_500);

/// A system with customers and goods, and what was found so far.
pub(super) struct Bench<'a> {
    pub(super) arguments: &'a BenchArguments,
    pub(super) system: &'a mut System,
    pub(super) progress: &'a Progress,
    pub(super) runs: Vec<Run>,
    observer: Observer,
    market: Market,
    setup: Setup,
    /// What was done up to the end of the last run.
    before: Work,
    /// What clients were told of every order that they know of.
    told: HashMap<Uuid, Told>,
}

/// What was seen in the seconds that count.
pub(super) struct Window {
    pub(super) from: DateTime<Utc>,
    pub(super) cpu_seconds: BTreeMap<&'static str, f64>,
    /// By service, where each has processes of its own.
    pub(super) cpu_seconds_by_service: BTreeMap<String, f64>,
    /// At the end.
    pub(super) memory_bytes: BTreeMap<&'static str, u64>,
    /// The most that was seen, looking once a second.
    pub(super) memory_bytes_max: BTreeMap<&'static str, u64>,
    /// That ended.
    pub(super) sagas: f64,
    pub(super) finished_after_ms: Option<Percentiles>,
}

/// A run, as it was seen.
pub(super) struct Seen {
    pub(super) window: Window,
    pub(super) tally: Tally,
    pub(super) work: Work,
}

impl<'a> Bench<'a> {
    /// Makes customers and goods.
    pub(super) async fn open(
        arguments: &'a BenchArguments,
        system: &'a mut System,
        progress: &'a Progress,
    ) -> anyhow::Result<Self> {
        let market = Market::open(arguments, system, progress).await?;
        let observer = Observer::connect(system).await?;
        let setup = TOGETHER;
        let (runs, before, told) = (Vec::new(), Work::default(), HashMap::new());
        let mut bench = Self { arguments, system, progress, runs, observer, market, setup, before, told };
        bench.before = bench.settled().await?;
        Ok(bench)
    }

    /// Has the services run like this.
    pub(super) async fn serve(&mut self, setup: Setup) -> anyhow::Result<()> {
        if setup == self.setup {
            return Ok(());
        }
        self.setup = setup;
        self.serve_anew().await
    }

    /// Starts the services anew, as they are.
    pub(super) async fn serve_anew(&mut self) -> anyhow::Result<()> {
        self.system.serve(self.setup, self.progress).await?;
        // Their counters begin anew.
        self.before = self.settled().await?;
        Ok(())
    }

    /// Measures, and keeps the figures.
    pub(super) async fn run(&mut self, scene: &Scene) -> anyhow::Result<&Run> {
        let seen = self.see(scene).await?;
        Ok(self.keep(scene, &seen))
    }

    /// Adds the figures to the report.
    pub(super) fn keep(&mut self, scene: &Scene, seen: &Seen) -> &Run {
        self.runs.push(Run::new(scene, self.setup, seen));
        self.runs.last().expect("it was pushed a moment ago")
    }

    /// Lets orders arrive, and waits until everything that they began has ended.
    pub(super) async fn see(&mut self, scene: &Scene) -> anyhow::Result<Seen> {
        if let Pace::Rates(_) = scene.pace {
            let lasts = Duration::from_secs(scene.warm_up + scene.seconds);
            load::renew(&mut self.market.customers, lasts, &self.system.client, self.system.base_url())
                .await?;
        }
        let plan = self.plan(scene)?;
        let customers = std::mem::take(&mut self.market.customers);
        let load = load::start(plan.clone(), scene.pace.clone(), customers)?;
        let window = self.watch(scene, &plan).await?;
        let (tally, customers) = load.await.context("the load's thread ended")??;
        self.market.customers = customers;
        self.told.extend(tally.told.iter().copied());
        let after = self.settled().await?;
        let work = after.since(&self.before)?;
        self.before = after;
        Ok(Seen { window, tally, work })
    }

    fn plan(&self, scene: &Scene) -> anyhow::Result<Plan> {
        let counts_from = Instant::now() + Duration::from_secs(scene.warm_up);
        Ok(Plan {
            authorities: self.system.authorities()?.into(),
            client: self.system.client.clone(),
            base_url: self.system.base_url().to_owned(),
            positions: self.market.positions.clone().into(),
            mix: scene.mix,
            counts_from,
            ends_at: counts_from + Duration::from_secs(scene.seconds),
            answers: Arc::new(AtomicU64::new(0)),
        })
    }

    /// Measures what can only be measured from within.
    async fn watch(&mut self, scene: &Scene, plan: &Plan) -> anyhow::Result<Window> {
        use orchestrator::metric_names::SAGAS_FINISHED;
        let name = format!("{}{}{}", scene.name, scene.mix.note(), self.setup.note());
        let step = self.progress.steps(name, scene.warm_up + scene.seconds);
        self.alive_until(plan.counts_from).await?;
        let (from, cpu_before) = (Utc::now(), self.system.cpu_seconds());
        let by_service_before = self.system.cpu_seconds_by_service();
        let sagas_before = self.system.metrics().await?.sum(SAGAS_FINISHED);
        let mut answers = plan.answers.load(Ordering::Relaxed);
        let mut memory_bytes_max = self.system.memory_bytes();
        for second in 1..scene.seconds {
            self.alive_until(plan.counts_from + Duration::from_secs(second)).await?;
            let now = plan.answers.load(Ordering::Relaxed);
            step.at(scene.warm_up + second);
            step.say(|| format!("s, {} answers/s", now - answers));
            answers = now;
            keep_larger(&mut memory_bytes_max, &self.system.memory_bytes());
        }
        self.alive_until(plan.ends_at).await?;
        let (to, cpu_after) = (Utc::now(), self.system.cpu_seconds());
        let by_service = self.system.cpu_seconds_by_service().into_iter();
        let by_service = by_service.map(|(name, after)| (name.clone(), after - by_service_before[&name]));
        let memory_bytes = self.system.memory_bytes();
        keep_larger(&mut memory_bytes_max, &memory_bytes);
        let sagas_after = self.system.metrics().await?.sum(SAGAS_FINISHED);
        step.done();
        let finished = self.observer.finished_between(from, to).await?;
        let used = |(name, after)| (name, after - cpu_before[name]);
        Ok(Window {
            from,
            cpu_seconds: cpu_after.into_iter().map(used).collect(),
            cpu_seconds_by_service: by_service.collect(),
            memory_bytes,
            memory_bytes_max,
            sagas: finished.map_or(sagas_after - sagas_before, |finished| finished.count),
            finished_after_ms: finished.map(|finished| finished.after_ms),
        })
    }

    /// Waits until then.
    ///
    /// # Errors
    /// A server or a process of its own has ended meanwhile: what would be measured then is not the system.
    async fn alive_until(&mut self, when: Instant) -> anyhow::Result<()> {
        while Instant::now() < when {
            tokio::time::sleep_until(when.min(Instant::now() + ALIVE_EVERY).into()).await;
            self.system.still_running()?;
        }
        Ok(())
    }

    /// Sagas that ended in this time a second, if the database is known.
    pub(super) async fn finished_per_second(
        &self,
        from: DateTime<Utc>,
        lasts: Duration,
    ) -> anyhow::Result<f64> {
        let finished = self.observer.finished_between(from, from + lasts).await?;
        let finished = finished.context("an overload is measured with the orchestrator's database")?;
        Ok(finished.count / lasts.as_secs_f64())
    }

    /// What was done up to now, once all is quiet and PostgreSQL's sessions have told it.
    pub(super) async fn settled(&mut self) -> anyhow::Result<Work> {
        self.quiet().await?;
        if self.observer.sees_databases() {
            let step = self.progress.step("waiting for PostgreSQL's statistics");
            tokio::time::sleep(STATISTICS_LAG).await;
            step.done();
        }
        self.observer.look(self.system).await
    }

    /// Those who order, and what there is.
    pub(super) fn market(&self) -> &Market {
        &self.market
    }

    /// Orders that the audit has to find as their clients were told.
    pub(super) fn were_told(&mut self, told: impl IntoIterator<Item = (Uuid, Told)>) {
        self.told.extend(told);
    }

    /// Waits until no saga is open.
    ///
    /// # Errors
    /// That takes too long, or a server or a process of its own has ended.
    pub(super) async fn quiet(&mut self) -> anyhow::Result<()> {
        let began = Instant::now();
        loop {
            self.system.still_running()?;
            let open = self.observer.open_sagas(self.system).await?;
            if open == 0 {
                return Ok(());
            }
            if began.elapsed() > QUIET_WITHIN {
                bail!("{open} sagas have not reached their end within {} s", QUIET_WITHIN.as_secs());
            }
            tokio::time::sleep(LOOK_EVERY).await;
        }
    }

    /// Compares the books with what was put in and told; `None` where the databases are not known.
    pub(super) async fn audit(&mut self) -> anyhow::Result<Option<Books>> {
        let Some(urls) = self.system.audit_urls() else { return Ok(None) };
        let step = self.progress.step("auditing the books of all services");
        let expected = audit::Expected {
            orders: std::mem::take(&mut self.told),
            put_in_stock: self.market.put_in_stock(),
            deposited: self.market.deposited().collect::<BTreeMap<_, _>>(),
        };
        let audited = audit::audit_against(&urls, &expected).await?;
        step.done();
        Ok(Some(Books::of(&audited)))
    }
}

fn keep_larger(most: &mut BTreeMap<&'static str, u64>, now: &BTreeMap<&'static str, u64>) {
    for (name, bytes) in now {
        let most = most.entry(name).or_default();
        *most = (*most).max(*bytes);
    }
}
