//! `rondo simulate`: the real rules of every service on tables in memory, in virtual time, under everything
//! that can go wrong; no PostgreSQL, no NATS, no clock. All of a run follows from its seed.
//!
//! `world` is one run: its `machinery` decides and publishes, its `desk` is what people do, its `weather` what
//! goes wrong by itself, its `sweeping` the services' own clocks. `service` is a service's loops, `road` what
//! is between them, `faults` says what goes wrong, `invariants` what must never be, `shrink` makes a failing
//! run small.

mod clock;
#[cfg(test)]
mod defects;
mod dice;
mod faults;
mod ids;
mod invariants;
mod managed;
mod parts;
mod people;
mod report;
mod road;
mod service;
mod shrink;
#[cfg(test)]
mod tests;
mod world;

use std::time::{Duration, Instant};

use anyhow::bail;
use chrono::TimeDelta;
use clap::Args;

use clock::Clock;
use dice::{Dice, mix};
use faults::{Strike, Strikes};
use ids::Ids;
use managed::Managed;
#[cfg(test)]
use parts::Cast;
use parts::{Databases, Stage, cast};
use report::{Report, Spent};
use service::PROCESSES;
use shrink::shrink;
use world::{Mode, Script, Violation, World};

use crate::processes::own_cpu_seconds;
use crate::tell;

/// Orders of one run: few, so that what breaks a rule can be looked through.
const ORDERS: u64 = 32;
/// Who waits for a long simulation sees that it goes on.
const TOLD_EVERY: Duration = Duration::from_secs(10);

/// What is simulated.
#[derive(Debug, Args)]
pub(crate) struct SimulateArguments {
    /// From it everything follows; the same seed gives the same runs.
    #[arg(long, default_value_t = 1)]
    seed: u64,
    /// Until so many sagas have ended.
    #[arg(long, default_value_t = 20_000, value_parser = clap::value_parser!(u64).range(1..))]
    sagas: u64,
    /// At most so many seconds.
    #[arg(long, default_value_t = 3_600, value_parser = clap::value_parser!(u64).range(1..))]
    seconds: u64,
    /// Only runs of this mode; both in turn without it.
    #[arg(long)]
    mode: Option<Mode>,
    /// This one run, by its own seed (hexadecimal), as a violation names it.
    #[arg(long, value_parser = hexadecimal, requires = "mode")]
    run: Option<u64>,
    /// Of that run, only these orders.
    #[arg(long, value_delimiter = ',', requires = "run", value_parser = clap::value_parser!(u64).range(..ORDERS))]
    orders: Vec<u64>,
    /// Of that run, only these strikes; those that the seed draws without it.
    #[arg(long, value_delimiter = ',', requires = "run", conflicts_with = "calm")]
    strikes: Vec<Strike>,
    /// That run without any strike.
    #[arg(long, requires = "run")]
    calm: bool,
}

fn hexadecimal(text: &str) -> Result<u64, std::num::ParseIntError> {
    u64::from_str_radix(text, 16)
}

/// Simulates, and says what was seen; fails on the first violation.
#[expect(clippy::print_stdout, reason = "what was asked for")]
pub(crate) fn run(arguments: &SimulateArguments) -> anyhow::Result<()> {
    let began = Instant::now();
    let seen = match arguments.run {
        Some(seed) => one(arguments, seed),
        None => many(arguments),
    };
    match seen {
        Ok(report) => {
            let is_one = arguments.run.is_some();
            let what = arguments.run.map_or(format!("seed {}", arguments.seed), |run| format!("run {run:x}"));
            let spent = Spent { time: began.elapsed(), cpu_seconds: own_cpu_seconds() };
            let never_sent = if is_one { Vec::new() } else { report.never_sent(&registered()) };
            print!("{}", report.text(&what, &spent, &never_sent));
            if !is_one && report.sagas < arguments.sagas {
                println!("the time was over: {} of {} sagas", report.sagas, arguments.sagas);
            }
            match &report.missed[..] {
                [] => Ok(()),
                missed => bail!("these strike nothing in this run: {}", report::words(missed)),
            }
        }
        Err(failed) => {
            print!("{}", report::violation(&failed.0, &failed.1));
            bail!("a rule does not hold: {}", failed.1.broken.rule)
        }
    }
}

type Failed = (Script, Box<Violation>);

/// One run, exactly as it is asked for.
fn one(arguments: &SimulateArguments, seed: u64) -> Result<Report, Failed> {
    let orders = if arguments.orders.is_empty() { (0..ORDERS).collect() } else { arguments.orders.clone() };
    let is_drawn = arguments.strikes.is_empty() && !arguments.calm;
    let listed = || Strikes::Listed(arguments.strikes.iter().copied().collect());
    let strikes = if is_drawn { Strikes::Drawn } else { listed() };
    let mode = arguments.mode.unwrap_or(Mode::Liveness);
    let script = Script { seed, mode, orders, strikes };
    let mut report = Report::default();
    let sight = World::run(script.clone(), cast).map_err(|violation| (script, violation))?;
    report.add(mode, sight);
    Ok(report)
}

/// Run after run, until there were enough sagas or the time is over.
fn many(arguments: &SimulateArguments) -> Result<Report, Failed> {
    let until = Instant::now() + Duration::from_secs(arguments.seconds);
    let mut report = Report::default();
    let mut told = Instant::now();
    let modes = match arguments.mode {
        Some(mode) => vec![mode],
        None => vec![Mode::Liveness, Mode::Safety],
    };
    for script in scripts(arguments.seed, modes) {
        let mode = script.mode;
        match World::run(script.clone(), cast) {
            Ok(sight) => report.add(mode, sight),
            Err(violation) => {
                tell(&format!(
                    "{} sagas of seed {}, and a violation: making it small",
                    report.sagas, arguments.seed
                ));
                return Err(shrink(script, violation, cast));
            }
        }
        if told.elapsed() >= TOLD_EVERY {
            told = Instant::now();
            tell(&format!("{} of {} sagas", report.sagas, arguments.sagas));
        }
        if report.sagas >= arguments.sagas || Instant::now() >= until {
            break;
        }
    }
    Ok(report)
}

/// The runs of a seed, without end.
fn scripts(seed: u64, modes: Vec<Mode>) -> impl Iterator<Item = Script> {
    (0..).zip(modes.into_iter().cycle()).map(move |(number, mode): (u64, Mode)| Script {
        seed: mix(seed, number),
        mode,
        orders: (0..ORDERS).collect(),
        strikes: Strikes::Drawn,
    })
}

/// The workflows that the orchestrator runs.
fn registered() -> Vec<Managed> {
    let clock = Clock::default();
    let ids = Ids::new(clock.clone(), Dice::new(0));
    let databases = Databases::default();
    cast(&Stage { databases, clock, ids, hold_life: TimeDelta::days(7), skews: [0; PROCESSES] }).managed
}
