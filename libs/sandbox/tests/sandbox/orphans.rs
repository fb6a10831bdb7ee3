//! Nothing outlives its parent, however that ends.

use std::{
    io::{BufRead, BufReader},
    path::{Path, PathBuf},
    process::{Command, Stdio},
    time::Duration,
};

use crate::{TOOLS, assert_gone_within, fresh_dir, is_alive};

/// Beside this test's own executable, in `<profile>/examples`.
fn hold_servers() -> PathBuf {
    let test = std::env::current_exe().unwrap();
    let profile = test.ancestors().nth(2).expect("tests are in <profile>/deps");
    profile.join("examples/hold_servers")
}

fn assert_dies_with_its_parent(dir: &Path, freeze: bool) {
    let mut holder = Command::new(hold_servers());
    holder.arg(dir).arg(TOOLS).args(freeze.then_some("freeze")).stdout(Stdio::piped());
    let mut holder = holder.spawn().expect("the example hold_servers has been built");
    let mut line = String::new();
    BufReader::new(holder.stdout.take().unwrap()).read_line(&mut line).unwrap();
    let pids: Vec<i32> = line.split_whitespace().map(|pid| pid.parse().unwrap()).collect();
    assert!(pids.len() >= 3, "PostgreSQL, its workers and NATS run: {pids:?}");
    assert!(pids.iter().all(|pid| is_alive(*pid)));

    holder.kill().unwrap();
    holder.wait().unwrap();
    assert_gone_within(Duration::from_secs(15), &pids);
}

#[test]
fn servers_die_with_a_killed_parent() {
    assert_dies_with_its_parent(&fresh_dir("orphans"), false);
}

#[test]
fn frozen_servers_die_with_a_killed_parent() {
    assert_dies_with_its_parent(&fresh_dir("frozen_orphans"), true);
}
