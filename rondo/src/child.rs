//! This very program, started once more by a run of it: services that `rondo bench` measures and `rondo chaos` kills.

use std::fs::File;
use std::path::Path;
use std::process::Stdio;

use anyhow::Context;
use tokio::process::{Child, Command};

/// This program with other arguments. It dies with the one that starts it, however that ends.
///
/// # Errors
/// The system does not say which file this program is.
pub(crate) fn command(arguments: &[&str]) -> anyhow::Result<Command> {
    let mut command = Command::new("setpriv");
    command.args(["--pdeathsig", "KILL", "--"]).arg(std::env::current_exe()?).args(arguments);
    Ok(command)
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
