//! One child process with a keeper thread: the child dies with us, and a signal never reaches a stranger.
//!
//! The kernel sends the parent-death signal when the *thread* that spawned ends, so the keeper spawns the child
//! and stays until it has ended. It reaps under a lock, so that no signal goes to a process id used anew.

use std::{
    io,
    process::{Child, Command},
    sync::{Arc, Mutex, PoisonError, mpsc},
    thread,
    time::Duration,
};

use nix::{
    errno::Errno,
    sys::{
        signal::{Signal, kill},
        wait::{Id, WaitPidFlag, waitid},
    },
    unistd::Pid,
};
use tokio::{sync::watch, time::timeout};

/// A running or ended child.
pub(crate) struct Process {
    pid: Pid,
    reaped: Arc<Mutex<bool>>,
    /// Its sender is dropped by the keeper when the child has been reaped.
    alive: watch::Receiver<()>,
}

impl Process {
    /// Spawns on a keeper thread.
    pub(crate) fn spawn(name: &str, command: Command) -> io::Result<Self> {
        let (report, started) = mpsc::sync_channel(1);
        let (ended, alive) = watch::channel(());
        let reaped = Arc::new(Mutex::new(false));
        let reaped_by_keeper = Arc::clone(&reaped);
        thread::Builder::new()
            .name(format!("keep-{name}"))
            .spawn(move || keep(command, &report, &reaped_by_keeper, ended))?;
        let pid = started.recv().map_err(|_| io::Error::other("the keeper thread ended"))??;
        Ok(Self { pid, reaped, alive })
    }

    pub(crate) fn pid(&self) -> Pid {
        self.pid
    }

    pub(crate) fn is_running(&self) -> bool {
        !*self.reaped.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Sends a signal, if the child has not been reaped.
    pub(crate) fn signal(&self, signal: Signal) {
        let reaped = self.reaped.lock().unwrap_or_else(PoisonError::into_inner);
        if !*reaped {
            // Ours and not reaped: nothing can refuse it but a zombie, which needs no signal.
            let _ = kill(self.pid, signal);
        }
    }

    /// Whether the child has ended within this time.
    pub(crate) async fn ended(&self, within: Duration) -> bool {
        let mut alive = self.alive.clone();
        timeout(within, async move { while alive.changed().await.is_ok() {} }).await.is_ok()
    }
}

fn keep(
    mut command: Command,
    report: &mpsc::SyncSender<io::Result<Pid>>,
    reaped: &Mutex<bool>,
    _ended: watch::Sender<()>,
) {
    let mut child = match command.spawn() {
        Ok(child) => child,
        Err(error) => {
            let _ = report.send(Err(error));
            return;
        }
    };
    let pid = pid_of(&child);
    let _ = report.send(Ok(pid));
    while waitid(Id::Pid(pid), WaitPidFlag::WEXITED | WaitPidFlag::WNOWAIT) == Err(Errno::EINTR) {}
    let mut reaped = reaped.lock().unwrap_or_else(PoisonError::into_inner);
    let _ = child.wait();
    *reaped = true;
}

#[expect(clippy::cast_possible_wrap, reason = "process ids are positive and below 2^22 on Linux")]
fn pid_of(child: &Child) -> Pid {
    Pid::from_raw(child.id() as i32)
}
