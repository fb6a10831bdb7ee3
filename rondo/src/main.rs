//! `rondo`: every service in one binary. Subcommands only; each lives in a module of its own.

mod audit;
mod bench;
mod chaos;
mod child;
mod cluster;
mod kept;
mod keys;
mod metric_list;
mod migrate;
mod operate;
mod processes;
mod rights;
mod run_folder;
mod serve;
mod services;
mod simulate;
mod up;

use clap::{Parser, Subcommand};
use nix::sys::resource::{Resource, getrlimit, setrlimit};

/// Under load a tenth of the machine went into the system's allocator; see docs/performance.md.
#[global_allocator]
static ALLOCATOR: mimalloc::MiMalloc = mimalloc::MiMalloc;

/// Orders as orchestrated sagas, on PostgreSQL and NATS JetStream.
#[derive(Debug, Parser)]
#[command(name = "rondo", version, propagate_version = true)]
struct Cli {
    #[command(subcommand)]
    command: Command,
}

#[derive(Debug, Subcommand)]
enum Command {
    /// Start everything in one process, on private servers.
    Up(Box<up::UpArguments>),
    /// Run one service or several: what a cluster runs.
    Serve(Box<serve::ServeArguments>),
    /// Bring the database of a service, or of all, up to date.
    Migrate(Box<migrate::MigrateArguments>),
    /// Make signing keys and service tokens.
    Keys(Box<keys::KeysArguments>),
    /// Say who may do what at NATS and PostgreSQL, and make the keys for it.
    Rights(Box<rights::RightsArguments>),
    /// Check that money and stock add up over all services; or show what operators did.
    Audit(Box<operate::AuditCommand>),
    /// Find sagas, see why one hangs, and set it going.
    Saga(Box<operate::SagaArguments>),
    /// Look at what could not be processed; send it again or discard it.
    DeadLetters(Box<operate::DeadLettersArguments>),
    /// Make the Secrets that the manifests of a cluster refer to.
    ClusterSecrets(Box<cluster::ClusterArguments>),
    /// List every metric that any process exports.
    Metrics,
    /// Put every workflow through everything that can go wrong, in memory and in virtual time.
    Simulate(Box<simulate::SimulateArguments>),
    /// Measure sagas per second, and what one costs.
    Bench(Box<bench::BenchArguments>),
    /// Drive orders while processes and servers die, and check that nothing is lost or doubled.
    Chaos(Box<chaos::ChaosArguments>),
}

fn main() -> std::process::ExitCode {
    let cli = Cli::parse();
    // With huge pages a process at rest holds a third more, and none of its work was seen to be faster by them. A kernel
    // that does not know them does not use them.
    let _ = nix::sys::prctl::set_thp_disable(true);
    allow_open_files();
    let runtime = match tokio::runtime::Builder::new_multi_thread().enable_all().build() {
        Ok(runtime) => runtime,
        Err(error) => return failed(&error.into()),
    };
    let done = runtime.block_on(async {
        match cli.command {
            Command::Up(arguments) => Box::pin(up::run(*arguments)).await,
            Command::Serve(arguments) => serve::run(*arguments).await,
            Command::Migrate(arguments) => migrate::run(&arguments).await,
            Command::Keys(arguments) => keys::run(&arguments),
            Command::Rights(arguments) => rights::run(&arguments),
            Command::Audit(arguments) => operate::run_audit(*arguments).await,
            Command::Saga(arguments) => operate::run_saga(*arguments).await,
            Command::DeadLetters(arguments) => operate::run_dead_letters(*arguments).await,
            Command::ClusterSecrets(arguments) => cluster::run(&arguments).await,
            Command::Metrics => {
                metric_list::run();
                Ok(())
            }
            Command::Simulate(arguments) => simulate::run(&arguments),
            Command::Bench(arguments) => bench::run(*arguments).await,
            Command::Chaos(arguments) => Box::pin(chaos::run(*arguments)).await,
        }
    });
    service::telemetry::stop_traces();
    match done {
        Ok(()) => std::process::ExitCode::SUCCESS,
        Err(error) => failed(&error),
    }
}

/// Takes as many open files as the system grants. The soft limit that most start with, 1,024, is for programs that use
/// `select`; here each client is a connection, and one too many would be refused. What cannot be raised stays.
fn allow_open_files() {
    if let Ok((_, most)) = getrlimit(Resource::RLIMIT_NOFILE) {
        let _ = setrlimit(Resource::RLIMIT_NOFILE, most, most);
    }
}

#[expect(clippy::print_stderr, reason = "the one place where the program says why it ends")]
fn failed(error: &anyhow::Error) -> std::process::ExitCode {
    eprintln!("rondo: {error:#}");
    std::process::ExitCode::FAILURE
}

/// Tells whoever waits how far it is. What was asked for goes to the standard output.
#[expect(clippy::print_stderr, reason = "progress is for people")]
fn tell(line: &str) {
    eprintln!("  {line}");
}
