//! `rondo chaos`: orders are driven through separate processes while these are killed, frozen and cut off, and servers
//! crash and lose their stores; afterwards everything must be as the clients were told.
//!
//! The same seed gives the same schedule of faults. What the system makes of it is its own.

mod auditor;
mod client;
mod customers;
mod disk;
mod fault;
mod injector;
mod layout;
mod operators;
mod plan;
mod poison;
mod process;
mod records;
mod refusals;
mod report;
mod system;
mod wire;

use std::collections::BTreeMap;
use std::ops::RangeInclusive;
use std::path::PathBuf;
use std::sync::Arc;
use std::time::Duration;

use anyhow::{Context, bail};
use clap::Args;
use service::config::TelemetryConfig;
use service::{shutdown, telemetry};
use tokio::task::JoinSet;
use tokio_util::sync::CancellationToken;

use auditor::{Auditor, Findings};
use client::ask;
use customers::{AVAILABLE, Customer, Shop};
use injector::{Injected, Injector};
use operators::Operator;
use plan::{Planned, plan};
use records::{Phase, Records};
use report::{Found, Report};
use system::System;

use crate::tell;

/// The shortest has time for a process to be frozen longer than every timeout in the system.
const SECONDS: RangeInclusive<u64> = 60..=86_400;
/// Within this an account is told when nothing is wrong any more.
const TOLD_WITHIN: Duration = Duration::from_secs(30);

/// How long, and with which seed.
#[derive(Debug, Args)]
pub(crate) struct ChaosArguments {
    /// Of the schedule of faults; without it a new one, which is told.
    #[arg(long)]
    seed: Option<u64>,
    /// Seconds in which faults are injected.
    #[arg(long, default_value_t = 300, value_parser = clap::value_parser!(u64).range(SECONDS))]
    seconds: u64,
    /// Customers who do one thing after the other.
    #[arg(long, default_value_t = 16, value_parser = clap::value_parser!(u32).range(1..=500))]
    clients: u32,
    /// Print one JSON object instead of tables.
    #[arg(long)]
    json: bool,
    /// Print the schedule as JSON, and do nothing.
    #[arg(long)]
    plan: bool,
    /// In this folder everything gets a fresh one, which is removed unless something was wrong.
    #[arg(long, default_value = ".rondo/chaos")]
    data_dir: PathBuf,
    /// What is mounted is seen by nobody else: it was started again for that.
    #[arg(long, hide = true)]
    own_mounts: bool,
}

/// Seconds without faults before and after them.
const CALM: Duration = Duration::from_secs(10);
/// Everything has come to its end within this, once nothing disturbs it: a step is asked again every 60 s at the
/// slowest, a message that was in somebody's hands comes again after 30 s.
const QUIET_WITHIN: Duration = Duration::from_secs(180);
const POSITIONS: usize = 12;

/// Runs, prints, and fails if anything was not as it should be.
pub(crate) async fn run(arguments: ChaosArguments) -> anyhow::Result<()> {
    let seed = arguments.seed.unwrap_or_else(|| rand::random_range(0..1_000_000));
    let schedule = plan(seed, arguments.seconds);
    if arguments.plan {
        say_out(&serde_json::to_string_pretty(&schedule)?);
        return Ok(());
    }
    if !arguments.own_mounts {
        disk::take_own_mounts()?;
    }
    telemetry::start_logs(&TelemetryConfig { filter: "warn".to_owned(), ..TelemetryConfig::default() })?;
    let stop = CancellationToken::new();
    shutdown::on_signal(stop.clone())?;
    tell(&format!("chaos: seed {seed}, {} s, {} faults planned", arguments.seconds, schedule.len()));
    // To its end, which is seconds away: half a start is hard to take back.
    let mut system = Arc::new(System::start(&arguments.data_dir, arguments.own_mounts).await?);
    let ran = stop.run_until_cancelled(drive(&mut system, &arguments, seed, schedule)).await;
    let keep = match &ran {
        None => false,
        Some(Ok(report)) => !report.violations.is_empty(),
        // Before anything was served the error says all that there is to be known.
        Some(Err(_)) => system.has_logs(),
    };
    system.stop(!keep).await;
    if keep {
        tell(&format!("logs and data are kept in {}", system.dir.display()));
    }
    let Some(report) = ran.transpose()? else { bail!("interrupted") };
    report.print(arguments.json)?;
    match report.violations.len() {
        0 => Ok(()),
        violations => {
            let ChaosArguments { seconds, clients, .. } = arguments;
            bail!("{violations} violations; again with --seed {seed} --seconds {seconds} --clients {clients}")
        }
    }
}

async fn drive(
    system: &mut Arc<System>,
    arguments: &ChaosArguments,
    seed: u64,
    schedule: Vec<Planned>,
) -> anyhow::Result<Report> {
    Arc::get_mut(system).context("somebody has it before it has begun")?.begin().await?;
    Run::new(Arc::clone(system), arguments, seed).through(schedule).await
}

/// One run, step by step.
struct Run<'a> {
    system: Arc<System>,
    arguments: &'a ChaosArguments,
    seed: u64,
    records: Arc<Records>,
}

/// Everybody who drives the system.
struct Crowd {
    customers: Vec<Customer>,
    operator: Arc<Operator>,
}

impl<'a> Run<'a> {
    fn new(system: Arc<System>, arguments: &'a ChaosArguments, seed: u64) -> Self {
        Self { system, arguments, seed, records: Arc::default() }
    }

    async fn through(self, schedule: Vec<Planned>) -> anyhow::Result<Report> {
        let shop = Shop::open(Arc::clone(&self.system), Arc::clone(&self.records), POSITIONS).await?;
        let shop = Arc::new(shop);
        let auditor = Auditor::connect(&self.system).await?;
        let cursed = Customer::new(&shop).await?;
        let mut users = vec![cursed.asker.clone()];
        let injector = Arc::new(Injector::new(Arc::clone(&self.system), cursed, shop.cursed));
        let mut customers = Vec::new();
        for _ in 0..self.arguments.clients {
            customers.push(Customer::new(&shop).await?);
        }
        users.extend(customers.iter().map(|customer| customer.asker.clone()));
        let operator = Arc::new(Operator::new(&self.system, &self.records)?);
        let mut crowd = Crowd { customers, operator };

        tell("calm");
        self.drive(&mut crowd, Phase::Before, tokio::time::sleep(CALM)).await?;
        tell("faults");
        let keeping = CancellationToken::new();
        let keeper = tokio::spawn({
            let (injector, keeping) = (Arc::clone(&injector), keeping.clone());
            async move { injector.keep(&keeping).await }
        });
        let faults = injector.follow(&schedule, |planned| {
            tell(&format!(
                "{:7.1} s  {:?}, {} ms",
                planned.at_ms as f64 / 1_000.0,
                planned.fault,
                planned.lasts_ms
            ));
        });
        self.drive(&mut crowd, Phase::During, faults).await?;
        tell("no more faults; waiting until everything is quiet");
        let mut violations = Vec::new();
        let mut quiet = self.quiet(&auditor, &mut violations).await;
        if quiet.is_some() {
            self.drive(&mut crowd, Phase::After, tokio::time::sleep(CALM)).await?;
            let again = self.quiet(&auditor, &mut violations).await;
            quiet = again.and(quiet);
        }
        keeping.cancel();
        keeper.await?;
        tell("auditing");
        let mut findings = self.audit(&auditor, &shop, &users).await?;
        findings.violations.extend(violations);
        findings.violations.extend(self.system.forbidden_by_nats().await);
        let injected = injector.take();
        findings.violations.extend(injected.ended_by_themselves.iter().cloned());
        findings.violations.extend(unproven(&injected, &findings.orders).map(str::to_owned));
        let found = Found {
            seed: self.seed,
            seconds: self.arguments.seconds,
            clients: self.arguments.clients,
            mounted: self.system.disk.mounted,
            quiet,
            injected,
            findings,
        };
        Ok(Report::new(found, &self.records.book()))
    }

    /// Lets everybody do what they do until something else is over.
    async fn drive(
        &self,
        crowd: &mut Crowd,
        phase: Phase,
        until: impl Future<Output = ()>,
    ) -> anyhow::Result<()> {
        self.records.enter(Some(phase));
        let stop = CancellationToken::new();
        let mut lives = JoinSet::new();
        for mut customer in std::mem::take(&mut crowd.customers) {
            let stop = stop.clone();
            lives.spawn(async move {
                customer.live(&stop).await;
                customer
            });
        }
        let (operator, operating) = (Arc::clone(&crowd.operator), stop.clone());
        let operator = tokio::spawn(async move { operator.live(&operating).await });
        until.await;
        stop.cancel();
        self.records.enter(None);
        while let Some(customer) = lives.join_next().await {
            crowd.customers.push(customer?);
        }
        operator.await?;
        Ok(())
    }

    async fn quiet(&self, auditor: &Auditor, violations: &mut Vec<String>) -> Option<f64> {
        match auditor.quiet(QUIET_WITHIN).await {
            Ok(took) => Some(took.as_secs_f64()),
            Err(moving) => {
                violations.push(moving);
                None
            }
        }
    }

    /// What a user is told. It is asked for a while: pools may still have connections that fell silent.
    async fn balance(&self, user: &client::Asker) -> anyhow::Result<i64> {
        let url = format!("{}/api/v1/account", self.system.public_url);
        let told = async {
            loop {
                let answer = ask(user.get(&url)).await;
                if let Some(balance) = answer.and_then(|answer| answer.body["balance"].as_i64()) {
                    return balance;
                }
                tokio::time::sleep(Duration::from_millis(500)).await;
            }
        };
        let told = tokio::time::timeout(TOLD_WITHIN, told).await;
        told.context("no account is told, and nothing is wrong any more")
    }

    async fn audit(
        &self,
        auditor: &Auditor,
        shop: &Shop,
        users: &[client::Asker],
    ) -> anyhow::Result<Findings> {
        let mut balances = BTreeMap::new();
        for user in users {
            balances.insert(user.user_id, self.balance(user).await?);
        }
        let put_in_stock =
            shop.positions.iter().chain([&shop.cursed]).map(|position| (*position, AVAILABLE)).collect();
        // Nobody asks any more: the lock holds nobody up.
        let book = std::mem::take(&mut *self.records.book());
        let findings = auditor.audit(&book, &balances, put_in_stock).await;
        *self.records.book() = book;
        findings
    }
}

/// Why nothing was proven, if so: nothing was done to the system, or it did nothing.
fn unproven(injected: &Injected, orders: &BTreeMap<String, i64>) -> impl Iterator<Item = &'static str> {
    let confirmed = ["confirmed", "sent", "received"].iter().filter_map(|status| orders.get(*status));
    let nothing_confirmed = confirmed.sum::<i64>() == 0;
    let nothing_injected = injected.faults.values().sum::<u64>() == 0;
    let whys = [
        (nothing_confirmed, "no order was confirmed: nothing was proven"),
        (nothing_injected, "no fault was injected: nothing was proven"),
    ];
    whys.into_iter().filter(|(holds, _)| *holds).map(|(_, why)| why)
}

#[expect(clippy::print_stdout, reason = "what is printed is what was asked for")]
fn say_out(text: &str) {
    println!("{text}");
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_run_without_confirmed_orders_or_without_faults_proves_nothing() {
        let orders = |status: &str| BTreeMap::from([(status.to_owned(), 3)]);
        let faults = BTreeMap::from([("process killed".to_owned(), 1)]);
        let injected = Injected { faults, ..Injected::default() };
        assert_eq!(unproven(&injected, &orders("sent")).count(), 0);
        assert_eq!(unproven(&injected, &orders("rejected")).count(), 1);
        assert_eq!(unproven(&Injected::default(), &orders("confirmed")).count(), 1);
    }
}
