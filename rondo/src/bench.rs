//! `rondo bench`: how many orders a second this machine brings to their end, what each costs, and
//! whether money and stock add up afterwards.
//!
//! A closed loop over HTTP: each client has one order at a time. By default on servers of its own in a
//! fresh folder, with `rondo up` as a process beside it, so that everybody's CPU can be told apart.

mod connection;
mod customers;
mod load;
mod metrics;
mod processes;
mod progress;
mod report;
mod run;
mod system;
mod work;

use std::collections::{BTreeMap, HashMap};
use std::path::PathBuf;
use std::time::Duration;

use anyhow::bail;
use clap::Args;
use secrecy::SecretString;
use service::config::Databases;
use service::shutdown;
use tokio_util::sync::CancellationToken;

use customers::Market;
use progress::Progress;
use report::{Books, Report};
use run::Runner;
use system::System;
use work::Observer;

/// What is measured, and on what.
#[derive(Debug, Args)]
pub(crate) struct BenchArguments {
    /// Seconds that are measured in each run.
    #[arg(long, default_value_t = 20, value_parser = clap::value_parser!(u64).range(1..=3600))]
    seconds: u64,
    /// Seconds before them that are not.
    #[arg(long, default_value_t = 5, value_parser = clap::value_parser!(u64).range(0..=600))]
    warm_up: u64,
    /// Clients, each with one order at a time; several numbers are several runs: 1,64,256.
    #[arg(long, value_delimiter = ',', default_value = "256", value_parser = clap::value_parser!(u32).range(1..=10_000))]
    clients: Vec<u32>,
    /// Orders that ask for more than the account has: refused, and their stock released again.
    #[arg(long, default_value_t = 10, value_parser = clap::value_parser!(u8).range(0..=100))]
    refused_percent: u8,
    /// Users who order; at least as many as clients are made.
    #[arg(long, default_value_t = 1000, value_parser = clap::value_parser!(u32).range(1..=100_000))]
    users: u32,
    /// Positions that are ordered.
    #[arg(long, default_value_t = 100, value_parser = clap::value_parser!(u32).range(1..=10_000))]
    positions: u32,
    /// Print one JSON object instead of tables.
    #[arg(long)]
    json: bool,
    /// In this folder the servers get a fresh one, which is removed unless something was wrong. A disk
    /// that only pretends to be one gives figures that only pretend.
    #[arg(long, default_value = ".rondo/bench")]
    data_dir: PathBuf,
    #[command(flatten)]
    given: GivenSystem,
}

/// A running system to measure instead of one of its own. What is not given is not told: CPU never,
/// rows, commits and the audit only with the addresses of all databases.
#[derive(Debug, Args)]
pub(crate) struct GivenSystem {
    /// Its public listener: http://127.0.0.1:8080.
    #[arg(long, requires_all = ["internal_url", "operator_email", "operator_password"])]
    base_url: Option<String>,
    /// Its internal listener: http://127.0.0.1:8081.
    #[arg(long, requires = "base_url")]
    internal_url: Option<String>,
    /// E-mail of an operator.
    #[arg(long, requires = "base_url")]
    operator_email: Option<String>,
    /// Password of that operator.
    #[arg(long, requires = "base_url")]
    operator_password: Option<SecretString>,
    #[command(flatten)]
    databases: Databases,
}

/// How long everything that was begun may take to its end after a run.
const QUIET_WITHIN: Duration = Duration::from_secs(120);

/// Measures, prints, and fails if anything was not as it should be.
pub(crate) async fn run(arguments: BenchArguments) -> anyhow::Result<()> {
    let stop = CancellationToken::new();
    shutdown::on_signal(stop.clone())?;
    let progress = Progress::new();
    let started = stop.run_until_cancelled(System::start(&arguments, &progress)).await;
    let Some(mut system) = started.transpose()? else { bail!("interrupted") };
    let measured = stop.run_until_cancelled(measure(&arguments, &system, &progress)).await;
    let right = matches!(&measured, Some(Ok(report)) if report.complaints().is_empty());
    system.stop(right || measured.is_none(), &progress).await;
    let Some(report) = measured.transpose()? else { bail!("interrupted") };
    report.print(arguments.json)?;
    match report.complaints() {
        complaints if complaints.is_empty() => Ok(()),
        complaints => bail!("{}", complaints.join("\n")),
    }
}

async fn measure(arguments: &BenchArguments, system: &System, progress: &Progress) -> anyhow::Result<Report> {
    let mut market = Market::open(arguments, system, progress).await?;
    let runner = Runner { arguments, system, observer: Observer::connect(system).await?, progress };
    let mut before = runner.settled().await?;
    let (mut runs, mut told) = (Vec::new(), HashMap::new());
    for clients in &arguments.clients {
        runs.push(runner.run(*clients, &mut market, &mut before, &mut told).await?);
    }
    let books = match system.audit_urls() {
        Some(urls) => {
            let step = progress.step("auditing the books of all services");
            let expected = audit::Expected {
                orders: told,
                put_in_stock: market.put_in_stock(),
                deposited: market.deposited().collect::<BTreeMap<_, _>>(),
            };
            let audited = audit::audit_against(&urls, &expected).await?;
            step.done();
            Some(Books::of(&audited))
        }
        None => None,
    };
    Ok(Report::new(arguments, system, runs, books))
}
