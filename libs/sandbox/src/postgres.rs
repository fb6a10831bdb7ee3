//! A private PostgreSQL server.

use std::{
    fs,
    path::{Path, PathBuf},
    process::Command,
    time::SystemTime,
};

use nix::{sys::signal::Signal, unistd::Pid};

use crate::{
    account::Account,
    binaries::PostgresBinaries,
    cluster::{Cluster, SUPERUSER, password, run},
    daemon::Daemon,
    error::Error,
    home::reachable,
    port::free_port,
};

/// What every private server runs with: `docs/performance.md` says what they bring on a small machine.
///
/// What tables grow by lies in the kernel's cache, which writes what is 30 s old all at once, while every sync waits for
/// it, 200 ms and more. Checkpoints that are over before have written it bit by bit.
const SETTINGS: [&str; 13] = [
    "listen_addresses=127.0.0.1",
    "unix_socket_directories=",
    "cluster_name=rondo",
    "timezone=UTC",
    "max_connections=200",
    "shared_buffers=256MB",
    "max_wal_size=2GB",
    "checkpoint_timeout=30s",
    "checkpoint_completion_target=0.3",
    "autovacuum_vacuum_cost_delay=10ms",
    "jit=off",
    "plan_cache_mode=force_generic_plan",
    "logging_collector=off",
];
const NOT_DURABLE: [&str; 4] =
    ["fsync=off", "synchronous_commit=off", "full_page_writes=off", "autovacuum=off"];
/// How often another free port is tried when somebody was faster.
const PORT_ATTEMPTS: usize = 5;

/// How to start a private PostgreSQL.
#[derive(Debug, Clone)]
pub struct PostgresOptions {
    /// Where data, log and password live; made if needed, used again if there.
    pub dir: PathBuf,
    /// The port on 127.0.0.1; `None` takes a free one.
    pub port: Option<u16>,
    /// Whether the data must survive: `true` syncs every commit and asks for a password (a superuser of PostgreSQL can
    /// run programs, so other users of the machine must not be one); `false` does neither, for tests.
    pub durable: bool,
    /// A folder that keeps a fresh data folder to copy, which is faster than making one. For `durable: false` only.
    pub template: Option<PathBuf>,
}

/// A running (or stopped, killed, frozen) private PostgreSQL. Dropping it ends the server at once, without waiting.
pub struct Postgres {
    home: PathBuf,
    port: u16,
    durable: bool,
    password: Option<String>,
    binaries: PostgresBinaries,
    account: Account,
    daemon: Daemon,
}

impl Postgres {
    /// Starts a server and waits until it accepts connections.
    ///
    /// # Errors
    /// Each says what to do: nothing installed, busy port, unreachable folder, a server that ended (with its log).
    pub async fn start(options: PostgresOptions) -> Result<Self, Error> {
        let account = Account::ordinary()?;
        let home = reachable(&options.dir)?;
        let data = home.join("data");
        let binaries = PostgresBinaries::find(&data)?;
        let password_file = options.durable.then(|| home.join("password"));
        let password = password_file.as_deref().map(|file| password(file, &account)).transpose()?;
        let template = options.template.as_deref().filter(|_| !options.durable);
        let cluster = Cluster {
            binaries: &binaries,
            account: &account,
            password_file: password_file.as_deref(),
            template,
        };
        cluster.prepare(&data).await?;
        let daemon = Daemon {
            name: "PostgreSQL",
            program: "postgres",
            folder: data,
            log: home.join("postgres.log"),
            stop_signal: Signal::SIGINT,
            // An immediate shutdown: it ends its processes itself, and the next start replays the log.
            end_signal: Signal::SIGQUIT,
            process: None,
        };
        let durable = options.durable;
        let mut server = Self { home, port: 0, durable, password, binaries, account, daemon };
        server.launch_on(options.port).await?;
        Ok(server)
    }

    async fn launch_on(&mut self, port: Option<u16>) -> Result<(), Error> {
        for _ in 1..PORT_ATTEMPTS {
            self.port = port.unwrap_or_else(free_port);
            match self.launch().await {
                Err(Error::PortBusy { .. }) if port.is_none() => {}
                done => return done,
            }
        }
        self.launch().await
    }

    async fn launch(&mut self) -> Result<(), Error> {
        let mut command =
            self.account.command(self.binaries.program("postgres"), Some(self.daemon.end_signal));
        command.arg("-D").arg(&self.daemon.folder).arg("-p").arg(self.port.to_string());
        let durability = if self.durable { &[][..] } else { &NOT_DURABLE };
        for setting in SETTINGS.iter().chain(durability) {
            command.args(["-c", setting]);
        }
        let pid_file = self.daemon.folder.join("postmaster.pid");
        let since = SystemTime::now();
        self.daemon.launch(self.port, command, async |pid| says_ready(&pid_file, pid, since)).await
    }

    /// The port on 127.0.0.1; stays the same over restarts.
    #[must_use]
    pub fn port(&self) -> u16 {
        self.port
    }

    /// Where data and log really are.
    #[must_use]
    pub fn home(&self) -> &Path {
        &self.home
    }

    /// The URL of a database for its owner, the role of the same name.
    #[must_use]
    pub fn url(&self, database: &str) -> String {
        self.url_as(database, self.password.as_deref(), database)
    }

    /// The URL of a database for the superuser; the database `postgres` is always there.
    #[must_use]
    pub fn superuser_url(&self, database: &str) -> String {
        self.url_as(SUPERUSER, self.password.as_deref(), database)
    }

    /// The URL of a database for a role with a password of letters and digits; a server that is not durable wants
    /// none.
    #[must_use]
    pub fn url_as(&self, role: &str, password: Option<&str>, database: &str) -> String {
        url(role, password, self.port, database)
    }

    /// Makes a database and the role of the same name that owns it and alone may connect, where absent.
    /// Returns [`Self::url`].
    ///
    /// # Errors
    /// [`Error::BadName`], or [`Error::Command`] when the server refuses.
    pub async fn create_database(&self, name: &str) -> Result<String, Error> {
        check_name(name)?;
        let secret =
            self.password.as_ref().map(|password| format!("password '{password}'")).unwrap_or_default();
        // `create database` cannot run in a block or function, so both are made by psql's \gexec.
        let script = format!(
            "select $$create role {name} login {secret}$$
               where not exists (select from pg_roles where rolname = '{name}') \\gexec
             select $$create database {name} owner {name}$$
               where not exists (select from pg_database where datname = '{name}') \\gexec
             revoke connect on database {name} from public;"
        );
        self.psql(&script).await?;
        Ok(self.url(name))
    }

    /// Runs a script of SQL and psql commands in database `postgres` as the superuser, up to the first error.
    async fn psql(&self, script: &str) -> Result<(), Error> {
        let script_file = self.home.join(format!("script-{:016x}.sql", rand::random::<u64>()));
        fs::write(&script_file, script)
            .map_err(crate::error::while_doing(format!("write {}", script_file.display())))?;
        let mut psql: Command = Account::own().command(self.binaries.program("psql"), None);
        psql.args(["--no-psqlrc", "--quiet", "--set", "ON_ERROR_STOP=1", "--file"]).arg(&script_file);
        psql.arg(self.superuser_url("postgres"));
        let ran = run("psql", psql).await;
        let _ = fs::remove_file(&script_file);
        ran
    }

    /// Stops in order: sessions are cut, data is written. What has not stopped in 15 s is killed.
    ///
    /// # Errors
    /// [`Error::StillRunning`] when even SIGKILL does not end it.
    pub async fn stop(&mut self) -> Result<(), Error> {
        self.daemon.stop().await
    }

    /// SIGKILL to the server and all its sessions: a crash. They are gone on return.
    ///
    /// # Errors
    /// [`Error::StillRunning`] when even SIGKILL does not end it.
    pub async fn kill(&mut self) -> Result<(), Error> {
        self.daemon.kill().await
    }

    /// Stops it if it runs, and starts it again on the same data and port.
    ///
    /// # Errors
    /// As [`Self::start`].
    pub async fn restart(&mut self) -> Result<(), Error> {
        self.daemon.stop().await?;
        self.launch().await
    }

    /// SIGSTOP to the server and all its sessions; they stand still on return.
    ///
    /// # Errors
    /// [`Error::StillRunning`] when they do not stand still.
    pub async fn freeze(&self) -> Result<(), Error> {
        self.daemon.freeze().await
    }

    /// SIGCONT to the server and all its sessions.
    pub fn thaw(&self) {
        self.daemon.thaw();
    }

    /// Whether it runs; false also when it ended by itself.
    #[must_use]
    pub fn is_running(&self) -> bool {
        self.daemon.is_running()
    }

    /// Process ids: the server's main process first, then its sessions and workers; empty when it does not run.
    #[must_use]
    pub fn pids(&self) -> Vec<i32> {
        self.daemon.processes().into_iter().map(Pid::as_raw).collect()
    }
}

/// The URL of a database on this machine.
pub(crate) fn url(role: &str, password: Option<&str>, port: u16, database: &str) -> String {
    let password = password.map(|password| format!(":{password}")).unwrap_or_default();
    format!("postgres://{role}{password}@127.0.0.1:{port}/{database}")
}

/// Whether the server with this process id, started now, says in its pid file that it accepts connections.
fn says_ready(pid_file: &Path, pid: Pid, since: SystemTime) -> bool {
    let Ok(text) = fs::read_to_string(pid_file) else { return false };
    let lines: Vec<&str> = text.lines().map(str::trim).collect();
    // A file left by a crash may even name the same process id, but an earlier time (in whole seconds).
    let since_s = since.duration_since(SystemTime::UNIX_EPOCH).map_or(0, |since| since.as_secs());
    let started_s = lines.get(2).and_then(|line| line.parse::<u64>().ok()).unwrap_or(0);
    lines.first().is_some_and(|line| *line == pid.to_string())
        && started_s >= since_s
        && lines.get(7) == Some(&"ready")
}

fn check_name(name: &str) -> Result<(), Error> {
    let first_is_good = name.starts_with(|first: char| first.is_ascii_lowercase() || first == '_');
    let good = |c: char| c.is_ascii_lowercase() || c.is_ascii_digit() || c == '_';
    if first_is_good && name.len() <= 63 && name.chars().all(good) {
        return Ok(());
    }
    Err(Error::BadName(name.to_owned()))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_that_would_need_quotes_are_refused() {
        for good in ["billing", "_a1", &"x".repeat(63)] {
            assert!(check_name(good).is_ok(), "{good}");
        }
        for bad in ["", "1a", "Billing", "a-b", "a;drop", &"x".repeat(64)] {
            assert!(matches!(check_name(bad), Err(Error::BadName(_))), "{bad}");
        }
    }
}
