//! `rondo up` as its user meets it: what is said about a second start and a busy port, a private server
//! that dies, and that nothing is left running.

use std::collections::BTreeMap;
use std::net::TcpListener;
use std::os::unix::fs::PermissionsExt;
use std::path::{Path, PathBuf};
use std::process::{Output, Stdio};
use std::time::Duration;

use async_nats::ConnectOptions as ConnectOptionsOfNats;
use nix::sys::signal::{Signal, kill};
use nix::unistd::Pid;
use sandbox::{Postgres, PostgresOptions};
use sea_orm::{
    ConnectOptions, ConnectionTrait, Database, DatabaseBackend, DatabaseConnection, DbErr, Statement,
};
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

    /// What `rondo up` said; stays where a test fails.
    fn log(&self) -> PathBuf {
        self.0.with_extension("log")
    }
}

impl Drop for Folder {
    fn drop(&mut self) {
        let _ = std::fs::remove_dir_all(&self.0);
        if !std::thread::panicking() {
            let _ = std::fs::remove_file(self.log());
        }
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
        Self::start_in(Folder::new()).await
    }

    async fn start_in(folder: Folder) -> Self {
        let up = Self::begin_in(folder);
        up.ready().await;
        up
    }

    /// It is about to start.
    fn begin_in(folder: Folder) -> Self {
        let (public, internal) = (testkit::free_port(), testkit::free_port());
        let log = std::fs::File::create(folder.log()).unwrap();
        let mut command = rondo_up(&folder.0, public, internal);
        let child = command.stdout(log.try_clone().unwrap()).stderr(log).spawn().unwrap();
        Self { child, folder, public, internal }
    }

    async fn says(&self, words: &str) {
        eventually(WITHIN, words, async || {
            std::fs::read_to_string(self.folder.log()).unwrap().contains(words).then_some(())
        })
        .await;
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

const SERVICES: [&str; 7] = ["auth", "user", "billing", "stock", "delivery", "notification", "orchestrator"];

/// A data folder as an earlier version left it: each database belongs to the role of the same name, and NATS knows
/// nobody.
async fn left_by_an_earlier_version() -> Folder {
    let folder = Folder::new();
    std::fs::create_dir_all(&folder.0).unwrap();
    let dir = folder.0.join("postgres");
    let options = PostgresOptions { dir, port: None, durable: true, template: None };
    let mut postgres = Postgres::start(options).await.unwrap();
    let mut migrate = Command::new(env!("CARGO_BIN_EXE_rondo"));
    migrate.args(["migrate", "all"]);
    for service in SERVICES {
        let url = postgres.create_database(&format!("rondo_{service}")).await.unwrap();
        migrate.env(format!("{}_DATABASE_URL", service.to_uppercase()), url);
    }
    assert!(migrate.status().await.unwrap().success());
    let billing = Database::connect(postgres.url("rondo_billing")).await.unwrap();
    let account = "INSERT INTO accounts VALUES (gen_random_uuid(), gen_random_uuid(), 77, 0, 1, now())";
    billing.execute_unprepared(account).await.unwrap();
    billing.close().await.unwrap();
    postgres.stop().await.unwrap();
    folder
}

/// Opens a database of a running `rondo up`.
async fn open(folder: &Folder, role: &str, password: &Path, name: &str) -> Result<DatabaseConnection, DbErr> {
    let password = std::fs::read_to_string(password).unwrap();
    let url = sandbox::running_postgres(&folder.0.join("postgres"), role, password.trim(), name).unwrap();
    let mut options = ConnectOptions::new(url);
    options.max_connections(1).sqlx_logging(false);
    Database::connect(options).await
}

#[tokio::test]
async fn a_folder_of_an_earlier_version_keeps_its_data_and_gets_rights() {
    let up = Up::start_in(left_by_an_earlier_version().await).await;
    let (folder, rights) = (&up.folder, up.folder.0.join("rights"));
    let password_of = |role: &str| rights.join("postgres").join(format!("{role}.password"));
    let own = open(folder, "rondo_billing", &password_of("rondo_billing"), "rondo_billing").await.unwrap();
    for (what, sql) in [
        ("the account", "SELECT 1 FROM accounts WHERE balance = 77"),
        (
            "the owner",
            "SELECT 1 FROM pg_tables WHERE tablename = 'accounts' AND tableowner = 'rondo_migrator'",
        ),
    ] {
        let row = own.query_one_raw(Statement::from_string(DatabaseBackend::Postgres, sql)).await.unwrap();
        assert!(row.is_some(), "{what}");
    }
    assert!(own.execute_unprepared("DROP TABLE accounts").await.is_err());

    // Neither another's database, nor another's password, nor the superuser's, which once was everybody's.
    let superuser = folder.0.join("postgres").join("password");
    for (role, password, name) in [
        ("rondo_billing", password_of("rondo_billing"), "rondo_stock"),
        ("rondo_billing", password_of("rondo_billing"), "postgres"),
        ("rondo_stock", password_of("rondo_billing"), "rondo_stock"),
        ("rondo_billing", superuser.clone(), "rondo_billing"),
    ] {
        assert!(open(folder, role, &password, name).await.is_err(), "{role} by {password:?} in {name}");
    }
    let all = open(folder, "postgres", &superuser, "postgres").await.unwrap();
    let plain =
        "SELECT rolname::text FROM pg_authid WHERE rolcanlogin AND rolpassword NOT LIKE 'SCRAM-SHA-256$%'";
    let row = all.query_one_raw(Statement::from_string(DatabaseBackend::Postgres, plain)).await.unwrap();
    assert!(row.is_none(), "{row:?}");

    for folder in ["nats", "postgres"] {
        for file in std::fs::read_dir(rights.join(folder)).unwrap() {
            let file = file.unwrap();
            assert_eq!(file.metadata().unwrap().permissions().mode() & 0o777, 0o600, "{file:?}");
        }
    }
    let nats = std::fs::read_to_string(folder.0.join("nats").join("nats.conf")).unwrap();
    let address =
        nats.lines().find_map(|line| line.strip_prefix("listen: ")).unwrap().trim_matches('"').to_owned();
    assert!(async_nats::connect(&address).await.is_err(), "who has no key is let in");
    let seed = std::fs::read_to_string(rights.join("nats").join("operator.seed")).unwrap();
    ConnectOptionsOfNats::with_nkey(seed.trim().to_owned()).connect(&address).await.unwrap();
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
async fn a_private_server_that_dies_while_everything_starts_is_started_again() {
    let up = Up::begin_in(Folder::new());
    let mut killed = 0;
    for step in ["starting NATS (", "migrating the databases (", "waiting until everything is ready ("] {
        up.says(step).await;
        let again = async || up.servers().get("nats-server").copied().filter(|pid| *pid != killed);
        killed = eventually(WITHIN, "NATS", again).await;
        kill(Pid::from_raw(killed), Signal::SIGKILL).unwrap();
    }
    // And the other one, while the operator is registered.
    kill(Pid::from_raw(up.servers()["postgres"]), Signal::SIGKILL).unwrap();
    up.says("Rondo is up.").await;
    up.ready().await;
}

#[tokio::test]
async fn it_takes_as_many_open_files_as_it_may() {
    let folder = Folder::new();
    let asked = rondo_up(&folder.0, testkit::free_port(), testkit::free_port());
    let mut limited = Command::new("prlimit");
    limited.arg("--nofile=256:4096").arg(asked.as_std().get_program()).args(asked.as_std().get_args());
    limited.stdin(Stdio::null()).stdout(Stdio::null()).stderr(Stdio::null()).kill_on_drop(true);
    let mut child = limited.spawn().unwrap();
    let limits = format!("/proc/{}/limits", child.id().expect("it runs"));
    eventually(WITHIN, "the soft limit to be the hard one", async || {
        let limits = std::fs::read_to_string(&limits).unwrap();
        let files = limits.lines().find_map(|line| line.strip_prefix("Max open files")).unwrap();
        (files.split_whitespace().take(2).collect::<Vec<_>>() == ["4096", "4096"]).then_some(())
    })
    .await;
    kill(Pid::from_raw(child.id().unwrap().cast_signed()), Signal::SIGTERM).unwrap();
    tokio::time::timeout(WITHIN, child.wait()).await.expect("it stops in time").unwrap();
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
