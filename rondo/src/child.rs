//! This very program, started once more by a run of it: services that `rondo bench` measures and `rondo chaos` kills.

use std::fs::File;
use std::path::Path;
use std::process::Stdio;

use anyhow::Context;
use tokio::process::{Child, Command};

/// What of the environment the services see besides what they are given: how they find programs and files, and how they
/// are watched. A configuration that somebody has exported for another system is not theirs.
const INHERITED: [&str; 12] = [
    "HOME",
    "LANG",
    "LC_ALL",
    "LD_LIBRARY_PATH",
    "LOG",
    "LOG_FORMAT",
    "LOGNAME",
    "PATH",
    "RUST_BACKTRACE",
    "TMPDIR",
    "TZ",
    "USER",
];
/// The same, by how names begin: where traces go.
const INHERITED_PREFIX: &str = "OTEL_";

/// This program with other arguments, and without this one's configuration. It dies with the one that starts it, however
/// that ends.
///
/// # Errors
/// The system does not say which file this program is.
pub(crate) fn command(arguments: &[&str]) -> anyhow::Result<Command> {
    let mut command = Command::new("setpriv");
    let inherited = std::env::vars_os().filter(|(name, _)| name.to_str().is_some_and(is_inherited));
    command.env_clear().envs(inherited);
    command.args(["--pdeathsig", "KILL", "--"]).arg(std::env::current_exe()?).args(arguments);
    Ok(command)
}

fn is_inherited(name: &str) -> bool {
    INHERITED.contains(&name) || name.starts_with(INHERITED_PREFIX)
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
        for name in ["BATCH_INPUTS_MAX", "AUTH_PUBLIC_URL", "ORCHESTRATOR_DATABASE_URL", "RONDO_DATA_DIR"] {
            assert!(!is_inherited(name), "{name}");
        }
        assert!(is_inherited("PATH") && is_inherited("OTEL_EXPORTER_OTLP_ENDPOINT"));
    }
}
