//! `rondo bench` itself, which starts whole systems and fails when a bound is broken, an answer is not as it should
//! be, or the books do not add up.

use std::path::Path;
use std::process::Stdio;
use std::time::Duration;

use nix::sys::signal::{Signal, kill};
use nix::unistd::Pid;
use serde_json::Value;
use tokio::io::{AsyncBufReadExt, BufReader};
use tokio::process::Command;
use uuid::Uuid;

const WITHIN: Duration = Duration::from_secs(300);

fn command(arguments: &[&str], folder: &Path) -> Command {
    let mut bench = Command::new(env!("CARGO_BIN_EXE_rondo"));
    // It looks for nats-server where the Makefile puts it.
    bench.current_dir(concat!(env!("CARGO_MANIFEST_DIR"), "/.."));
    bench.arg("bench").args(arguments).arg("--data-dir").arg(folder);
    bench
}

/// What it found.
async fn bench(arguments: &[&str]) -> Value {
    let folder = Path::new(env!("CARGO_TARGET_TMPDIR")).join(format!("bench-{}", Uuid::now_v7()));
    let mut bench = command(&[&["--json", "--users", "256"], arguments].concat(), &folder);
    let ended = tokio::time::timeout(WITHIN, bench.kill_on_drop(true).output()).await;
    let ended = ended.expect("it ends in time").unwrap();
    let said = [&ended.stdout, &ended.stderr].map(|said| String::from_utf8_lossy(said).into_owned());
    assert!(ended.status.success(), "{}\n{}", said[0], said[1]);
    let _ = std::fs::remove_dir_all(&folder);
    serde_json::from_slice(&ended.stdout).unwrap()
}

/// Its child of this name.
fn child_of(bench: u32, name: &str) -> Pid {
    let threads = std::fs::read_dir(format!("/proc/{bench}/task")).unwrap();
    let children = threads.map(|thread| std::fs::read_to_string(thread.unwrap().path().join("children")));
    let children = children.map(Result::unwrap_or_default).collect::<Vec<_>>().join(" ");
    let is = |pid: &&str| std::fs::read_to_string(format!("/proc/{pid}/comm")).unwrap().trim() == name;
    let found = children.split_whitespace().find(is).unwrap_or_else(|| panic!("no {name} in {children}"));
    Pid::from_raw(found.parse().unwrap())
}

#[tokio::test]
async fn what_dies_under_a_bench_is_named_at_once() {
    let folder = Path::new(env!("CARGO_TARGET_TMPDIR")).join(format!("bench-{}", Uuid::now_v7()));
    for (program, name) in [("nats-server", "NATS"), ("postgres", "PostgreSQL"), ("rondo", "rondo up")] {
        let mut command = command(&["--clients", "4", "--users", "4", "--seconds", "3600"], &folder);
        let mut bench = command.stderr(Stdio::piped()).kill_on_drop(true).spawn().unwrap();
        let mut lines = BufReader::new(bench.stderr.take().unwrap()).lines();
        let said = async {
            while !lines.next_line().await.unwrap().expect("it goes on").contains("registering") {}
            kill(child_of(bench.id().unwrap(), program), Signal::SIGKILL).unwrap();
            let mut last = String::new();
            while let Some(line) = lines.next_line().await.unwrap() {
                last = line;
            }
            last
        };
        let said = tokio::time::timeout(WITHIN, said).await.expect("it ends in time");
        assert!(!bench.wait().await.unwrap().success());
        assert!(said.starts_with(&format!("rondo: {name} ")) && said.matches(name).count() == 1, "{said}");
    }
    std::fs::remove_dir_all(folder).unwrap();
}

#[tokio::test]
#[ignore = "long: make proof"]
async fn under_twice_the_load_it_carries_its_own_and_refuses_the_rest_at_once() {
    let found = bench(&["--overload", "--seconds", "12"]).await;
    // The last one is of the capacity again.
    let overload = found["runs"].as_array().unwrap().iter().rev().nth(1).unwrap();
    assert!(overload["orders_asked_to_come_later"].as_u64().unwrap() > 0, "{found}");
    assert_eq!(found["figures"].as_array().unwrap().len(), 8, "{found}");
}

#[tokio::test]
#[ignore = "long: make proof"]
async fn one_two_and_four_of_every_service_share_the_work_and_the_books_add_up() {
    let found = bench(&["--scale-out", "--seconds", "5", "--warm-up", "2", "--clients", "64"]).await;
    let runs = found["runs"].as_array().unwrap();
    let replicas: Vec<_> = runs.iter().map(|run| run["replicas"].as_u64().unwrap()).collect();
    assert_eq!(replicas, [1, 2, 2, 4, 4], "spread, and on one hot account");
    for run in runs {
        assert!(run["sagas_per_second"].as_f64().unwrap() > 2.0, "{run}");
        assert_eq!(run["cpu_seconds_per_1000_sagas_by_service"].as_object().unwrap().len(), 7, "{run}");
    }
    assert_eq!(found["figures"].as_array().unwrap().len(), 6, "{found}");
}

#[tokio::test]
#[ignore = "long: make proof"]
async fn with_and_without_batches_two_of_every_service_carry_hot_orders_that_come_by_a_clock() {
    let hot = ["--hot-position-percent", "50", "--hot-account-percent", "50"];
    let short = ["--rate", "10", "--seconds", "4", "--warm-up", "2", "--replicas", "2", "--compare-batching"];
    let found = bench(&[hot.as_slice(), &short].concat()).await;
    let batching: Vec<_> = found["runs"].as_array().unwrap().iter().map(|run| &run["batching"]).collect();
    assert_eq!(batching, [false, true]);
    for run in found["runs"].as_array().unwrap() {
        assert!(run["sagas_per_second"].as_f64().unwrap() > 2.0, "{run}");
        assert_eq!(run["replicas"], 2);
    }
    let inputs = |run: usize| found["runs"][run]["inputs_per_batch"]["billing"].as_f64().unwrap();
    assert_eq!(inputs(0), 1.0, "one input a transaction");
}
