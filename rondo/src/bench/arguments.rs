//! What `rondo bench` is told.

use std::path::PathBuf;

use anyhow::bail;
use clap::Args;
use service::config::{Databases, OperatorLogin};

use super::scene::{Mix, Pace, Scene, Setup, TOGETHER};
use crate::services::Service;

/// What is measured, and on what.
#[derive(Debug, Args)]
pub(crate) struct BenchArguments {
    /// Measure what is promised (docs/performance.md), one run after the other, and print target and reached
    /// side by side.
    #[arg(long, conflicts_with_all = ["clients", "rate", "overload", "compare_batching", "replicas", "base_url",
        "refused_percent", "hot_position_percent", "hot_account_percent", "users", "positions", "nats_servers"])]
    pub(super) targets: bool,
    /// Measure the capacity, then let twice of it arrive, and fail when a bound of docs/reliability.md is broken.
    #[arg(long, conflicts_with_all = ["rate", "compare_batching"])]
    pub(super) overload: bool,
    /// Measure 1, 2 and 4 processes of every service, one after the other, and print what each costs beside one.
    #[arg(long, conflicts_with_all = ["targets", "overload", "rate", "compare_batching", "replicas", "base_url"])]
    pub(super) scale_out: bool,
    /// Let 50,000 orders wait for a participant that is away, and measure how fast they reach their end once it is back.
    #[arg(long, conflicts_with_all = ["targets", "overload", "scale_out", "rate", "compare_batching", "replicas", "base_url"])]
    pub(super) backlog: bool,
    /// Seconds that are measured in each run [default: 20; with --targets 10, with --overload 60].
    #[arg(long, value_parser = clap::value_parser!(u64).range(1..=3600))]
    seconds: Option<u64>,
    /// Seconds before them that are not.
    #[arg(long, default_value_t = 5, value_parser = clap::value_parser!(u64).range(0..=600))]
    pub(super) warm_up: u64,
    /// Clients, each with one order at a time; several numbers are several runs: 1,64,256 [default: 256].
    #[arg(long, value_delimiter = ',', value_parser = clap::value_parser!(u32).range(1..=10_000))]
    clients: Vec<u32>,
    /// Orders a second that arrive by a clock, whatever becomes of those before them; their time is counted from
    /// when they were due. Several numbers are several runs.
    #[arg(long, value_delimiter = ',', value_parser = rate)]
    rate: Vec<f64>,
    /// Orders that ask for more than the account has: refused, and their stock released again.
    #[arg(long, default_value_t = 10, value_parser = clap::value_parser!(u8).range(0..=100))]
    refused_percent: u8,
    /// Orders of one position, the same for all of them.
    #[arg(long, default_value_t = 0, value_parser = clap::value_parser!(u8).range(0..=100))]
    hot_position_percent: u8,
    /// Orders of one user, the same for all of them.
    #[arg(long, default_value_t = 0, value_parser = clap::value_parser!(u8).range(0..=100))]
    hot_account_percent: u8,
    /// Users who order; at least as many as clients are made.
    #[arg(long, default_value_t = 1000, value_parser = clap::value_parser!(u32).range(1..=100_000))]
    users: u32,
    /// Positions that are ordered.
    #[arg(long, default_value_t = 100, value_parser = clap::value_parser!(u32).range(1..=10_000))]
    pub(super) positions: u32,
    /// Do every run twice: with loops that decide one input a transaction, then with batches.
    #[arg(long, conflicts_with = "base_url")]
    compare_batching: bool,
    /// So many processes of every service, instead of one process for all of them.
    #[arg(long, conflicts_with = "base_url", value_parser = clap::value_parser!(u32).range(1..=8))]
    replicas: Option<u32>,
    /// So many NATS servers in one cluster, and as many copies of every stream, instead of one server.
    #[arg(long, default_value = "1", value_parser = ["1", "3", "5"], conflicts_with = "base_url")]
    nats_servers: String,
    /// Print one JSON object instead of tables.
    #[arg(long)]
    pub(super) json: bool,
    /// In this folder the servers get a fresh one, which is removed unless something was wrong. A disk
    /// that only pretends to be one gives figures that only pretend.
    #[arg(long, default_value = ".rondo/bench")]
    pub(super) data_dir: PathBuf,
    #[command(flatten)]
    pub(super) given: GivenSystem,
}

/// A running system to measure instead of one of its own. What is not given is not told: CPU never,
/// rows, commits and the audit only with the addresses of all databases.
#[derive(Debug, Args)]
pub(crate) struct GivenSystem {
    /// Its public listener: http://127.0.0.1:8080.
    #[arg(long, requires_all = ["internal_url", "operator_email", "operator_password"])]
    pub(super) base_url: Option<String>,
    /// Its internal listener: http://127.0.0.1:8081.
    #[arg(long, requires = "base_url")]
    pub(super) internal_url: Option<String>,
    #[command(flatten)]
    pub(super) login: OperatorLogin,
    #[command(flatten)]
    pub(super) databases: Databases,
}

impl GivenSystem {
    /// # Errors
    /// The addresses of some databases are known and those of others are not: what is counted would be of some services.
    pub(super) fn check(&self, overload: bool) -> anyhow::Result<()> {
        let names = Service::ALL.map(Service::name);
        let (known, unknown): (Vec<&str>, Vec<&str>) =
            names.into_iter().partition(|name| self.databases.of(name).is_some());
        if overload && known.is_empty() {
            bail!("an overload is measured with the addresses of all databases");
        }
        if !known.is_empty() && !unknown.is_empty() {
            bail!(
                "of the databases those of {} are known and those of {} are not: give all of them, or none",
                known.join(", "),
                unknown.join(", ")
            );
        }
        Ok(())
    }
}

fn rate(word: &str) -> Result<f64, String> {
    let rate = word.parse().map_err(|_| "is no number of orders a second".to_owned())?;
    if (0.1..=100_000.0).contains(&rate) { Ok(rate) } else { Err("must be 0.1 to 100,000".to_owned()) }
}

impl BenchArguments {
    /// Seconds that count in a run.
    pub(super) fn seconds(&self) -> u64 {
        let default = if self.targets { 10 } else { 20 };
        self.seconds.unwrap_or(if self.overload { 60 } else { default })
    }

    /// Servers of a NATS of its own: a majority of an even number is no smaller than that of the next odd one.
    pub(super) fn nats_servers(&self) -> usize {
        self.nats_servers.parse().unwrap_or(1)
    }

    /// What is ordered.
    pub(super) fn mix(&self) -> Mix {
        Mix {
            refused_percent: self.refused_percent,
            hot_position_percent: self.hot_position_percent,
            hot_account_percent: self.hot_account_percent,
        }
    }

    /// The most clients at once, for which there must be users.
    pub(super) fn clients_max(&self) -> u32 {
        self.clients.iter().copied().max().unwrap_or(256)
    }

    /// Users who order: each client is one of its own, and orders that come by a clock are anybody's.
    pub(super) fn customers(&self) -> u32 {
        let only_by_a_clock = self.clients.is_empty() && !self.rate.is_empty();
        if only_by_a_clock { self.users } else { self.users.max(self.clients_max()) }
    }

    /// The services of the first run.
    pub(super) fn setup(&self) -> Setup {
        Setup { replicas: self.replicas, ..TOGETHER }
    }

    /// The services that are measured, one after the other.
    pub(super) fn setups(&self) -> Vec<Setup> {
        let batched = self.setup();
        if self.compare_batching {
            vec![Setup { batching: false, ..batched }, batched]
        } else {
            vec![batched]
        }
    }

    /// A run of so many clients.
    pub(super) fn closed(&self, clients: u32) -> Scene {
        self.scene(format!("{clients} clients"), Pace::Clients(clients))
    }

    /// A run of so many orders a second.
    pub(super) fn open(&self, rate: f64) -> Scene {
        let digits = usize::from(rate < 10.0);
        self.scene(format!("{rate:.digits$} orders/s"), Pace::rate(rate, self.seconds()))
    }

    fn scene(&self, name: String, pace: Pace) -> Scene {
        let (warm_up, seconds) = (self.warm_up, self.seconds());
        Scene { name, pace, mix: self.mix(), warm_up, seconds, may_refuse: false }
    }

    /// What is done with every setup.
    pub(super) fn scenes(&self) -> Vec<Scene> {
        let default: &[u32] = if self.rate.is_empty() { &[256] } else { &[] };
        let clients = if self.clients.is_empty() { default } else { &self.clients };
        let closed = clients.iter().map(|clients| self.closed(*clients));
        closed.chain(self.rate.iter().map(|rate| self.open(*rate))).collect()
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use clap::Parser;

    #[derive(Parser)]
    struct Command {
        #[command(flatten)]
        bench: BenchArguments,
    }

    fn names(arguments: &[&str]) -> Vec<String> {
        let all = std::iter::once("rondo").chain(arguments.iter().copied());
        Command::parse_from(all).bench.scenes().into_iter().map(|scene| scene.name).collect()
    }

    #[test]
    fn what_is_not_asked_for_is_256_clients() {
        assert_eq!(names(&[]), ["256 clients"]);
        assert_eq!(names(&["--rate", "1000"]), ["1000 orders/s"]);
        assert_eq!(
            names(&["--clients", "1,64", "--rate", "50,500"]),
            ["1 clients", "64 clients", "50 orders/s", "500 orders/s"]
        );
        assert_eq!(names(&["--rate", "0.1"]), ["0.1 orders/s"]);
    }

    #[test]
    fn the_promise_is_measured_as_it_was_given() {
        for option in [
            "refused-percent",
            "hot-position-percent",
            "hot-account-percent",
            "users",
            "positions",
            "nats-servers",
        ] {
            let told = Command::try_parse_from(["rondo", "--targets", &format!("--{option}"), "1"]);
            assert!(told.is_err(), "{option}");
        }
        assert!(Command::try_parse_from(["rondo", "--targets", "--seconds", "3"]).is_ok());
    }

    #[test]
    fn every_client_is_a_user_of_its_own() {
        let customers = |arguments: &[&str]| Command::parse_from(arguments).bench.customers();
        assert_eq!(customers(&["rondo", "--users", "20", "--clients", "64"]), 64);
        assert_eq!(customers(&["rondo", "--users", "70", "--clients", "64"]), 70);
        assert_eq!(customers(&["rondo", "--users", "20"]), 256);
        assert_eq!(customers(&["rondo", "--users", "20", "--rate", "5"]), 20);
    }

    #[test]
    fn of_a_given_system_all_databases_are_known_or_none() {
        let url = "postgres://127.0.0.1/x";
        let names = Service::ALL.map(|service| format!("--{}-database-url", service.name()));
        let given = |count: usize| {
            let databases = names[..count].iter().flat_map(|name| [name.as_str(), url]);
            let all = ["rondo", "--base-url", "http://127.0.0.1:1", "--internal-url", "http://127.0.0.1:2"];
            let operator = ["--operator-email", "o@example.com", "--operator-password", "x"];
            Command::parse_from(all.into_iter().chain(operator).chain(databases)).bench.given
        };
        assert!(given(0).check(false).is_ok() && given(7).check(true).is_ok());
        let said = given(6).check(false).unwrap_err().to_string();
        assert!(said.contains(&format!("those of {} are not", Service::ALL[6].name())), "{said}");
        assert!(given(0).check(true).is_err(), "an overload cannot be measured without");
    }

    #[test]
    fn batching_is_compared_on_two_setups() {
        let both = Command::parse_from(["rondo", "--compare-batching"]).bench.setups();
        assert_eq!(both.iter().map(|setup| setup.batching).collect::<Vec<_>>(), [false, true]);
        assert_eq!(Command::parse_from(["rondo"]).bench.setups().len(), 1);
    }

    #[test]
    fn a_rate_is_a_positive_number() {
        for wrong in ["0", "-1", "fast", "1e9", "NaN"] {
            assert!(rate(wrong).is_err(), "{wrong}");
        }
    }
}
