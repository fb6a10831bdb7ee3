//! `rondo up` as its user meets it: what is said about a second start and a busy port, a private server
//! that dies, and that nothing is left running.

use std::collections::BTreeMap;
use std::net::TcpListener;
use std::path::{Path, PathBuf};
use std::process::{Output, Stdio};
use std::time::Duration;

use nix::sys::signal::{Signal, kill};
use nix::unistd::Pid;
use testkit::eventually;
use tokio::process::{Child, Command};
use uuid::Uuid;

const WITHIN: Duration = Duration::from_secs(60);

/// A data folder that PostgreSQL's own user can reach; removed in the end.
struct Folder(PathBuf);

impl Folder {
    fn new() -> Self {
        Self(Path::new(env!("CARGO_TARGET_TMPDIR")).join(format!("up-{}", Uuid::now_v7())))
    }
}

impl Drop for Folder {
    fn drop(&mut self) {
        let _ = std::fs::remove_dir_all(&self.0);
    }
}

struct Up {
    child: Child,
    folder: Folder,
    public: u16,
    internal: u16,
}

impl Up {
    async fn start() -> Self {
        let folder = Folder::new();
        let (public, internal) = (testkit::free_port(), testkit::free_port());
        let child = rondo_up(&folder.0, public, internal).spawn().unwrap();
        let up = Self { child, folder, public, internal };
        up.ready().await;
        up
    }

    async fn ready(&self) {
        eventually(WITHIN, "everything to be ready", async || {
            let answer = reqwest::get(format!("http://127.0.0.1:{}/readyz", self.internal)).await.ok()?;
            answer.status().is_success().then_some(())
        })
        .await;
    }

    fn pid(&self) -> i32 {
        self.child.id().expect("it runs").cast_signed()
    }

    /// Its private servers, by the name of their program.
    fn servers(&self) -> BTreeMap<String, i32> {
        let pid = self.pid();
        let threads = std::fs::read_dir(format!("/proc/{pid}/task")).unwrap();
        let children = threads.map(|thread| {
            std::fs::read_to_string(thread.unwrap().path().join("children")).unwrap_or_default()
        });
        let pids: Vec<i32> = children
            .flat_map(|list| list.split_whitespace().map(|pid| pid.parse().unwrap()).collect::<Vec<_>>())
            .collect();
        pids.into_iter()
            .map(|pid| (std::fs::read_to_string(format!("/proc/{pid}/comm")).unwrap().trim().to_owned(), pid))
            .collect()
    }
}

fn rondo_up(folder: &Path, public: u16, internal: u16) -> Command {
    let mut command = Command::new(env!("CARGO_BIN_EXE_rondo"));
    command.arg("up").arg("--data-dir").arg(folder);
    command.arg("--public-addr").arg(format!("127.0.0.1:{public}"));
    command.arg("--internal-addr").arg(format!("127.0.0.1:{internal}"));
    command.arg("--argon2-memory-kib").arg("8").arg("--argon2-passes").arg("1");
    // The tests run in the folder of the crate, the tools lie beside it.
    command.current_dir(concat!(env!("CARGO_MANIFEST_DIR"), "/.."));
    command.stdin(Stdio::null()).stdout(Stdio::null()).stderr(Stdio::null()).kill_on_drop(true);
    command
}

async fn said(mut command: Command) -> (bool, String) {
    let Output { status, stderr, .. } =
        command.stdout(Stdio::piped()).stderr(Stdio::piped()).output().await.unwrap();
    (status.success(), String::from_utf8(stderr).unwrap())
}

fn is_alive(pid: i32) -> bool {
    kill(Pid::from_raw(pid), None).is_ok()
}

#[tokio::test]
async fn a_private_server_that_dies_is_started_again_and_a_stop_leaves_nothing() {
    let mut up = Up::start().await;
    for program in ["nats-server", "postgres"] {
        let before = up.servers()[program];
        kill(Pid::from_raw(before), Signal::SIGKILL).unwrap();
        eventually(WITHIN, "the server to be started again", async || {
            up.servers().get(program).filter(|pid| **pid != before && !is_alive(before)).map(drop)
        })
        .await;
        up.ready().await;
    }
    let servers = up.servers();
    assert_eq!(servers.keys().collect::<Vec<_>>(), ["nats-server", "postgres"]);
    kill(Pid::from_raw(up.pid()), Signal::SIGTERM).unwrap();
    let status = tokio::time::timeout(WITHIN, up.child.wait()).await.expect("it stops in time").unwrap();
    assert!(status.success(), "{status}");
    assert!(servers.values().all(|pid| !is_alive(*pid)), "{servers:?} are left");
}

#[tokio::test]
async fn a_second_start_and_a_busy_port_are_said_at_once() {
    let up = Up::start().await;
    let (ok, words) = said(rondo_up(&up.folder.0, testkit::free_port(), testkit::free_port())).await;
    assert!(!ok && words.contains("already"), "{words}");

    let elsewhere = Folder::new();
    let busy = TcpListener::bind("127.0.0.1:0").unwrap();
    let port = busy.local_addr().unwrap().port();
    for (public, internal, wanted_for) in [
        (port, testkit::free_port(), "the public listener"),
        (testkit::free_port(), up.internal, "the internal listener"),
    ] {
        let (ok, words) = said(rondo_up(&elsewhere.0, public, internal)).await;
        let port = if wanted_for == "the public listener" { public } else { internal };
        assert!(
            !ok && words.contains(&format!("port {port}, wanted for {wanted_for}, is in use")),
            "{words}"
        );
        assert!(!elsewhere.0.join("postgres").exists(), "nothing was started");
    }
    assert_ne!(up.public, port);
}
