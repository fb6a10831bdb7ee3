//! What all servers have in common: start and wait until ready, stop, kill, freeze, thaw; never leave one behind.

use std::{
    collections::VecDeque,
    fs::{self, File},
    net::{Ipv4Addr, SocketAddr},
    path::{Path, PathBuf},
    process::Command,
    time::Duration,
};

use nix::{
    sys::signal::{Signal, kill},
    unistd::Pid,
};
use tokio::time::{Instant, sleep};

use crate::{
    error::{Error, while_doing},
    port::require_free,
    process::Process,
    process_table,
};

const POLL_INTERVAL: Duration = Duration::from_millis(5);
/// Replaying the log after a crash takes PostgreSQL its time.
const READY_WITHIN: Duration = Duration::from_secs(120);
const STOPPED_WITHIN: Duration = Duration::from_secs(15);
const KILLED_WITHIN: Duration = Duration::from_secs(10);
const FROZEN_WITHIN: Duration = Duration::from_secs(5);
const LOG_TAIL_LINES: usize = 20;

/// A server program and, while it runs, its processes.
pub(crate) struct Daemon {
    /// For messages.
    pub(crate) name: &'static str,
    /// The executable's name, as the kernel knows its processes.
    pub(crate) program: &'static str,
    /// Working folder of all its processes.
    pub(crate) folder: PathBuf,
    /// Where its output goes; the previous start's is kept beside it as `<log>.old`.
    pub(crate) log: PathBuf,
    /// Asks it to stop in order.
    pub(crate) stop_signal: Signal,
    /// Ends it and all its processes at once.
    pub(crate) end_signal: Signal,
    /// The child, while we have one.
    pub(crate) process: Option<Process>,
}

impl Daemon {
    /// Starts the command and waits until `ready` says so of its process id.
    pub(crate) async fn launch(
        &mut self,
        port: u16,
        mut command: Command,
        ready: impl AsyncFn(Pid) -> bool,
    ) -> Result<(), Error> {
        self.wait_until_gone(KILLED_WITHIN).await?;
        require_free(SocketAddr::from((Ipv4Addr::LOCALHOST, port)), self.name)?;
        let log = self.open_log().map_err(while_doing(format!("write {}", self.log.display())))?;
        let errors = log.try_clone().map_err(while_doing(format!("write {}", self.log.display())))?;
        command.stdout(log).stderr(errors).current_dir(&self.folder);
        let process =
            Process::spawn(self.program, command).map_err(while_doing(format!("start {}", self.name)))?;
        let process = self.process.insert(process);
        let deadline = Instant::now() + READY_WITHIN;
        let why = loop {
            if !process.is_running() {
                break "ended before it was ready".to_owned();
            }
            if ready(process.pid()).await {
                return Ok(());
            }
            if Instant::now() > deadline {
                break format!("was not ready within {} s", READY_WITHIN.as_secs());
            }
            sleep(POLL_INTERVAL).await;
        };
        self.kill().await?;
        Err(Error::NotReady { name: self.name, why, log: self.log.clone(), log_tail: tail(&self.log) })
    }

    fn open_log(&self) -> std::io::Result<File> {
        if self.log.exists() {
            fs::rename(&self.log, self.log.with_added_extension("old"))?;
        }
        File::create(&self.log)
    }

    /// Asks it to stop; what has not stopped in time is killed.
    pub(crate) async fn stop(&mut self) -> Result<(), Error> {
        self.thaw();
        if let Some(process) = &self.process {
            process.signal(self.stop_signal);
            if !process.ended(STOPPED_WITHIN).await {
                tracing::warn!(
                    "{} did not stop within {} s and is killed",
                    self.name,
                    STOPPED_WITHIN.as_secs()
                );
            }
        }
        self.kill().await
    }

    /// Whether its main process runs.
    pub(crate) fn is_running(&self) -> bool {
        self.process.as_ref().is_some_and(Process::is_running)
    }

    /// A signal to the main process.
    pub(crate) fn signal(&self, signal: Signal) {
        if let Some(process) = &self.process {
            process.signal(signal);
        }
    }

    /// SIGKILL to every process; they are gone on return.
    pub(crate) async fn kill(&mut self) -> Result<(), Error> {
        // Frozen first, so that it cannot make new processes while the list of them is read.
        let frozen = self.freeze().await;
        let pids = self.processes();
        if let Some(process) = &self.process {
            process.signal(Signal::SIGKILL);
        }
        signal_each(&pids, Signal::SIGKILL);
        frozen?;
        if let Some(process) = self.process.take()
            && !process.ended(KILLED_WITHIN).await
        {
            let pids = vec![process.pid().as_raw()];
            self.process = Some(process);
            return Err(Error::StillRunning { name: self.name, dir: self.folder.clone(), pids });
        }
        self.wait_until_gone(KILLED_WITHIN).await
    }

    /// SIGSTOP to every process; all stand still on return.
    pub(crate) async fn freeze(&self) -> Result<(), Error> {
        let Some(process) = &self.process else { return Ok(()) };
        process.signal(Signal::SIGSTOP);
        self.until_still(&[process.pid()]).await?;
        let children = process_table::children(process.pid());
        signal_each(&children, Signal::SIGSTOP);
        self.until_still(&children).await
    }

    async fn until_still(&self, pids: &[Pid]) -> Result<(), Error> {
        let still = || pids.iter().all(|pid| process_table::is_still(*pid));
        if within(FROZEN_WITHIN, still).await {
            return Ok(());
        }
        Err(Error::StillRunning { name: self.name, dir: self.folder.clone(), pids: raw(pids) })
    }

    /// SIGCONT to every process.
    pub(crate) fn thaw(&self) {
        signal_each(&self.processes(), Signal::SIGCONT);
    }

    /// The main process first, then its children; empty when it does not run.
    pub(crate) fn processes(&self) -> Vec<Pid> {
        let Some(process) = self.process.as_ref().filter(|process| process.is_running()) else {
            return Vec::new();
        };
        let mut pids = vec![process.pid()];
        pids.extend(process_table::children(process.pid()));
        pids
    }

    /// What an earlier run left is about to end (its processes got the parent-death signal).
    async fn wait_until_gone(&self, time: Duration) -> Result<(), Error> {
        let left = || process_table::working_in(&self.folder, self.program);
        if within(time, || left().is_empty()).await {
            return Ok(());
        }
        Err(Error::StillRunning { name: self.name, dir: self.folder.clone(), pids: raw(&left()) })
    }
}

impl Drop for Daemon {
    /// Does not wait: whoever wants the data in order calls `stop`.
    fn drop(&mut self) {
        if let Some(process) = &self.process {
            process.signal(self.end_signal);
            self.thaw();
        }
    }
}

/// Children may have ended meanwhile, and that is fine.
fn signal_each(pids: &[Pid], signal: Signal) {
    for pid in pids {
        let _ = kill(*pid, signal);
    }
}

fn raw(pids: &[Pid]) -> Vec<i32> {
    pids.iter().map(|pid| pid.as_raw()).collect()
}

/// Polls a condition until it holds or the time is over; says whether it held.
async fn within(time: Duration, holds: impl Fn() -> bool) -> bool {
    let deadline = Instant::now() + time;
    loop {
        if holds() {
            return true;
        }
        if Instant::now() > deadline {
            return false;
        }
        sleep(POLL_INTERVAL).await;
    }
}

fn tail(log: &Path) -> String {
    let text = fs::read(log).map(|bytes| String::from_utf8_lossy(&bytes).into_owned()).unwrap_or_default();
    let mut last = VecDeque::with_capacity(LOG_TAIL_LINES);
    for line in text.lines() {
        if last.len() == LOG_TAIL_LINES {
            last.pop_front();
        }
        last.push_back(line);
    }
    Vec::from(last).join("\n")
}
