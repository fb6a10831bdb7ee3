//! `rondo bench`: how many orders a second this machine brings to their end, what each costs, and
//! whether money and stock add up afterwards.
//!
//! Over HTTP, in a closed loop (each client has one order at a time) or an open one (orders arrive by a clock).
//! By default on servers of its own in a fresh folder, with `rondo up` as a process beside it, so that
//! everybody's CPU can be told apart.

mod arguments;
mod backlog;
mod connection;
mod customers;
mod figure;
mod idle;
mod load;
mod metrics;
mod overload;
mod own;
mod percentiles;
mod progress;
mod report;
mod run;
mod scale_out;
mod scene;
mod system;
mod targets;
mod work;

use anyhow::bail;
use service::shutdown;
use tokio_util::sync::CancellationToken;

pub(crate) use arguments::BenchArguments;
use progress::Progress;
use report::Report;
use run::Bench;
use system::System;

/// Measures, prints, and fails if anything was not as it should be.
pub(crate) async fn run(arguments: BenchArguments) -> anyhow::Result<()> {
    let stop = CancellationToken::new();
    shutdown::on_signal(stop.clone())?;
    let progress = Progress::new();
    // To its end, which is seconds away: half a start is hard to take back.
    let mut system = System::start(&arguments, &progress).await?;
    let measured = stop.run_until_cancelled(measure(&arguments, &mut system, &progress)).await;
    let measured = match measured {
        Some(Err(error)) => Some(Err(system.death_behind(error).await)),
        measured => measured,
    };
    let right = matches!(&measured, Some(Ok(report)) if report.complaints().is_empty());
    system.stop(right || measured.is_none(), &progress).await;
    let Some(report) = measured.transpose()? else { bail!("interrupted") };
    report.print(arguments.json)?;
    match report.complaints() {
        complaints if complaints.is_empty() => Ok(()),
        complaints => bail!("{}", complaints.join("\n")),
    }
}

async fn measure(
    arguments: &BenchArguments,
    system: &mut System,
    progress: &Progress,
) -> anyhow::Result<Report> {
    let own_servers = system.is_own();
    system.begin(progress).await?;
    let mut bench = Bench::open(arguments, system, progress).await?;
    let figures = if arguments.targets {
        targets::measure(&mut bench).await?
    } else if arguments.overload {
        overload::measure(&mut bench).await?
    } else if arguments.scale_out {
        scale_out::measure(&mut bench).await?
    } else if arguments.backlog {
        vec![backlog::measure(&mut bench, &arguments.closed(arguments.clients_max())).await?]
    } else {
        all_runs(&mut bench).await?;
        Vec::new()
    };
    let books = bench.audit().await?;
    Ok(Report::new(arguments, own_servers, bench.runs, figures, books))
}

/// Each run that was asked for, on each of the services.
async fn all_runs(bench: &mut Bench<'_>) -> anyhow::Result<()> {
    let arguments = bench.arguments;
    for setup in arguments.setups() {
        bench.serve(setup).await?;
        for scene in arguments.scenes() {
            bench.run(&scene).await?;
        }
    }
    Ok(())
}
