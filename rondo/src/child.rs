//! This very program, started once more by a run of it: services that `rondo bench` measures and `rondo chaos` kills.

use std::fs::File;
use std::path::Path;
use std::process::Stdio;

use anyhow::Context;
use clap::CommandFactory;
use tokio::process::{Child, Command};

use crate::Cli;

/// What of this program's configuration its children see besides what they are given: how they are watched.
const INHERITED: [&str; 2] = ["LOG", "LOG_FORMAT"];
/// The same, by how names begin: where traces go.
const INHERITED_PREFIX: &str = "OTEL_";

/// This program with other arguments. What somebody has exported to configure another system does not reach it. It dies
/// with the one that starts it, however that ends.
///
/// # Errors
/// The system does not say which file this program is.
pub(crate) fn command(arguments: &[&str]) -> anyhow::Result<Command> {
    let mut command = Command::new("setpriv");
    for variable in configuration(&Cli::command()) {
        command.env_remove(variable);
    }
    command.args(["--pdeathsig", "KILL", "--"]).arg(std::env::current_exe()?).args(arguments);
    Ok(command)
}

/// The variables that configure a command and those below it.
fn configuration(command: &clap::Command) -> Vec<String> {
    let names = command.get_arguments().filter_map(|argument| argument.get_env()?.to_str());
    let own = names.filter(|name| !INHERITED.contains(name) && !name.starts_with(INHERITED_PREFIX));
    own.map(str::to_owned).chain(command.get_subcommands().flat_map(configuration)).collect()
}

/// Starts it, listening on these addresses, its output behind what the file holds. It is not ready yet. Ctrl-C in a
/// terminal does not reach it.
///
/// # Errors
/// The file cannot be written, or the system starts no process.
pub(crate) fn spawn(mut command: Command, public: &str, internal: &str, log: &Path) -> anyhow::Result<Child> {
    let log_file = File::options().create(true).append(true).open(log);
    let log = log_file.with_context(|| log.display().to_string())?;
    command.env("PUBLIC_ADDR", public).env("INTERNAL_ADDR", internal);
    command.stdin(Stdio::null()).stdout(log.try_clone()?).stderr(log);
    command.process_group(0).kill_on_drop(true).spawn().context("setpriv cannot be started")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_another_system_is_configured_by_stays_outside() {
        let outside = configuration(&Cli::command());
        for name in [
            "BATCH_INPUTS_MAX",
            "AUTH_PUBLIC_URL",
            "AUTH_SIGNING_KEY_FILE",
            "ORCHESTRATOR_DATABASE_URL",
            "STOCK_NATS_NKEY_SEED_FILE",
            "RONDO_DATA_DIR",
        ] {
            assert!(outside.iter().any(|one| one == name), "{name}");
        }
        for name in ["PATH", "LOG", "OTEL_EXPORTER_OTLP_ENDPOINT"] {
            assert!(outside.iter().all(|one| one != name), "{name}");
        }
    }
}
