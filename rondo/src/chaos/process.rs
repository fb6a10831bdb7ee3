//! A `rondo serve` process that can be killed, stopped, frozen and started again; its output goes to a file that it
//! shares with those before it.

use std::net::SocketAddr;
use std::os::unix::process::ExitStatusExt;
use std::path::PathBuf;
use std::process::ExitStatus;
use std::time::Duration;

use anyhow::Context;
use nix::sys::signal::{Signal, kill};
use nix::unistd::Pid;
use tokio::process::Child;

use crate::child;

/// A process that is told to stop and has not after this is killed: the grace is 5 s twice, and a word to NATS 3 s.
const STOPS_WITHIN: Duration = Duration::from_secs(20);

/// What a process is told at every start.
#[derive(Debug, Clone)]
pub(super) struct Told {
    pub(super) services: &'static [&'static str],
    pub(super) public: SocketAddr,
    pub(super) internal: SocketAddr,
    pub(super) environment: Vec<(String, String)>,
    pub(super) log: PathBuf,
}

/// A process, or the place of one that has ended.
pub(super) struct Process {
    name: String,
    told: Told,
    child: Option<Child>,
    /// Whether it is to be started again when it ends by itself.
    kept: bool,
    /// How it is made to die; survives its deaths until it is taken away.
    crash_at: Option<CrashAt>,
}

/// What makes a process die by itself.
#[derive(Debug, Clone)]
pub(super) enum CrashAt {
    /// Once, at a point of its work.
    Once(String),
    /// Every time it meets this.
    Always(String),
}

/// How a process ended that nobody had told to.
#[derive(Debug)]
pub(super) struct Ended {
    pub(super) name: String,
    pub(super) status: ExitStatus,
    /// It was made to die by itself.
    pub(super) as_planned: bool,
}

impl Process {
    pub(super) fn new(name: &str, told: Told) -> Self {
        Self { name: name.to_owned(), told, child: None, kept: false, crash_at: None }
    }

    pub(super) fn internal(&self) -> SocketAddr {
        self.told.internal
    }

    /// Starts it, unless it runs. It is not ready yet.
    pub(super) fn start(&mut self) -> anyhow::Result<()> {
        self.kept = true;
        if self.child.is_some() {
            return Ok(());
        }
        let mut command = child::command(&["serve"])?;
        command.args(self.told.services);
        command.envs(self.told.environment.iter().map(|(name, value)| (name, value)));
        if let Some(CrashAt::Once(words) | CrashAt::Always(words)) = &self.crash_at {
            command.env("RONDO_CRASH_AT", words);
        }
        let (public, internal) = (self.told.public.to_string(), self.told.internal.to_string());
        let child = child::spawn(command, &public, &internal, &self.told.log);
        self.child = Some(child.with_context(|| format!("{} cannot be started", self.name))?);
        Ok(())
    }

    /// Makes it die by itself from its next start on.
    pub(super) fn arm(&mut self, crash_at: CrashAt) {
        self.crash_at = Some(crash_at);
    }

    /// From its next start on it lives.
    pub(super) fn disarm(&mut self) {
        self.crash_at = None;
    }

    /// SIGKILL; it is gone on return, and stays so.
    pub(super) async fn kill(&mut self) {
        self.kept = false;
        if let Some(mut child) = self.child.take() {
            // One that has ended meanwhile is as good.
            let _ = child.kill().await;
        }
    }

    /// SIGTERM; it is gone on return, and stays so. Whether it stopped in time by itself.
    pub(super) async fn stop(&mut self) -> bool {
        self.kept = false;
        self.signal(Signal::SIGTERM);
        let Some(child) = &mut self.child else { return true };
        let stopped = tokio::time::timeout(STOPS_WITHIN, child.wait()).await.is_ok();
        self.kill().await;
        stopped
    }

    /// Sends a signal, if it runs.
    pub(super) fn signal(&self, signal: Signal) {
        let pid = self.child.as_ref().and_then(Child::id);
        if let Some(pid) = pid.and_then(|pid| i32::try_from(pid).ok()) {
            // Ours and not reaped: nothing can refuse it.
            let _ = kill(Pid::from_raw(pid), signal);
        }
    }

    /// Starts it again if it has ended by itself, and says how it ended.
    pub(super) fn keep(&mut self) -> anyhow::Result<Option<Ended>> {
        let Some(child) = self.child.as_mut().filter(|_| self.kept) else { return Ok(None) };
        let Some(status) = child.try_wait()? else { return Ok(None) };
        self.child = None;
        let killed = status.signal() == Some(Signal::SIGKILL as i32);
        let as_planned = killed && self.crash_at.is_some();
        if matches!(self.crash_at, Some(CrashAt::Once(_))) {
            self.crash_at = None;
        }
        self.start()?;
        Ok(Some(Ended { name: self.name.clone(), status, as_planned }))
    }
}
