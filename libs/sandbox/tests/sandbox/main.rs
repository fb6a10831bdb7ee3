//! The private servers on this machine: start, stop, restart, crash, freeze, and what can be in their way.

mod home;
mod lock;
mod nats;
mod orphans;
mod ports;
mod postgres;

use std::{
    fs,
    path::{Path, PathBuf},
    time::{Duration, Instant},
};

use sandbox::{NatsOptions, PostgresOptions};

const TMP: &str = env!("CARGO_TARGET_TMPDIR");
const TOOLS: &str = concat!(env!("CARGO_MANIFEST_DIR"), "/../../.rondo/tools");

/// An empty folder of this test's own.
fn fresh_dir(name: &str) -> PathBuf {
    let dir = Path::new(TMP).join(name);
    let _ = fs::remove_dir_all(&dir);
    fs::create_dir_all(&dir).expect("the target folder can be written");
    dir
}

/// A throwaway PostgreSQL, quick to start.
fn throwaway(dir: PathBuf) -> PostgresOptions {
    PostgresOptions { dir, port: None, durable: false, template: Some(Path::new(TMP).join("template")) }
}

fn nats_options(dir: PathBuf) -> NatsOptions {
    NatsOptions {
        dir,
        port: None,
        durable: true,
        configuration: String::new(),
        tools: vec![PathBuf::from(TOOLS)],
    }
}

/// Whether a process is there and not merely waiting to be reaped.
fn is_alive(pid: i32) -> bool {
    let stat = fs::read_to_string(format!("/proc/{pid}/stat")).unwrap_or_default();
    stat.rsplit_once(") ").is_some_and(|(_, fields)| !fields.starts_with('Z'))
}

/// Waits until none of the processes is alive.
fn assert_gone_within(limit: Duration, pids: &[i32]) {
    let deadline = Instant::now() + limit;
    while pids.iter().any(|pid| is_alive(*pid)) {
        assert!(Instant::now() < deadline, "some of {pids:?} still live after {limit:?}");
        std::thread::sleep(Duration::from_millis(10));
    }
}
