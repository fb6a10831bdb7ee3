//! What README.md says of rights, pasted into a shell as it stands there, but for addresses: it makes a system in which
//! each process is given its own secrets and nobody else's.

use std::collections::{BTreeMap, BTreeSet};
use std::os::unix::process::CommandExt;
use std::process::{Command, Stdio};
use std::time::Duration;

use nix::sys::signal::{Signal, kill, killpg};
use nix::unistd::Pid;
use testkit::{eventually, free_port};

use super::observed::read;

const WITHIN: Duration = Duration::from_secs(60);

/// The blocks of the section, with the addresses of this machine.
fn blocks(replaced: &[(String, String)]) -> Vec<String> {
    let text = read("README.md");
    let (_, section) = text.split_once("**Rights.** The lines above").expect("it is told");
    let (section, _) = section.split_once("`rondo keys --help`").unwrap();
    let blocks = section.split("```bash\n").skip(1).map(|rest| rest.split("```").next().unwrap());
    let here = |block: &str| {
        replaced.iter().fold(block.to_owned(), |block, (there, here)| block.replace(there.as_str(), here))
    };
    blocks.map(here).collect()
}

/// Everything that a shell has started; it ends with the test.
struct Group(Pid);

impl Drop for Group {
    fn drop(&mut self) {
        let _ = killpg(self.0, Signal::SIGKILL);
    }
}

impl Group {
    /// The secrets in the environment of each process that serves, by what it serves.
    fn secrets(&self) -> BTreeMap<String, BTreeSet<String>> {
        let mut found = BTreeMap::new();
        for entry in std::fs::read_dir("/proc").unwrap().map(|entry| entry.unwrap().path()) {
            let read = |name: &str| std::fs::read_to_string(entry.join(name)).unwrap_or_default();
            // Behind the name, which may hold spaces: state, parent, group.
            let stat = read("stat");
            let group = stat.rsplit_once(") ").and_then(|(_, rest)| rest.split(' ').nth(2)?.parse().ok());
            let arguments = read("cmdline");
            let serves: Vec<&str> =
                arguments.split('\0').skip_while(|word| *word != "serve").skip(1).collect();
            let serves: Vec<&str> = serves.into_iter().take_while(|word| !word.starts_with("--")).collect();
            if group != Some(self.0.as_raw()) || serves.is_empty() {
                continue;
            }
            let environment = read("environ");
            let names = environment.split('\0').filter_map(|line| Some(line.split_once('=')?.0));
            let is_secret = |name: &&str| {
                ["_DATABASE_URL", "_SEED_FILE", "_KEY_FILE", "PASSWORD"].iter().any(|end| name.ends_with(end))
            };
            found.insert(serves.join(" "), names.filter(is_secret).map(str::to_owned).collect());
        }
        found
    }
}

/// A shell in that folder that runs this, with as little around it as there may be.
fn shell(folder: &std::path::Path, script: &str) -> Command {
    let mut shell = Command::new("bash");
    shell.args(["-euc", script]).current_dir(folder).stdin(Stdio::null());
    shell.env_clear().env("PATH", std::env::var_os("PATH").unwrap_or_default());
    shell
}

#[tokio::test]
async fn services_that_are_started_as_the_document_says_are_kept_apart() {
    let folder = tempfile::tempdir().unwrap();
    let postgres = testkit::own_postgres().await;
    let mut replaced = vec![
        ("RONDO=target/release/rondo".to_owned(), format!("RONDO={}", env!("CARGO_BIN_EXE_rondo"))),
        ("postgres://postgres:secret@127.0.0.1:5432/postgres".to_owned(), postgres.superuser_url("postgres")),
        ("127.0.0.1:5432".to_owned(), format!("127.0.0.1:{}", postgres.port())),
    ];
    let mut internal = Vec::new();
    for number in 1..=7 {
        let (public, inside) = (free_port(), free_port());
        replaced.push((format!("127.0.0.1:900{number}"), format!("127.0.0.1:{public}")));
        replaced.push((format!("127.0.0.1:910{number}"), format!("127.0.0.1:{inside}")));
        internal.push(inside);
    }
    let made = shell(folder.path(), &blocks(&replaced)[0]).output().unwrap();
    assert!(made.status.success(), "{}", String::from_utf8_lossy(&made.stderr));
    let rights = folder.path().join(".rondo/serve-rights/nats.conf");
    let nats = testkit::nats_with(std::fs::read_to_string(rights).unwrap()).await;
    replaced.push(("nats://127.0.0.1:4222".to_owned(), nats.url()));

    // A shell that is pasted into has what the block before has made; all of it is safe to repeat.
    let blocks = blocks(&replaced);
    assert_eq!(blocks.len(), 2, "what is made, and what is started");
    let log = folder.path().join("log");
    let script = format!("{}\n{}\njobs -p > jobs\necho all is started\nwait\n", blocks[0], blocks[1]);
    let mut started = shell(folder.path(), &script);
    started.stdout(std::fs::File::create(&log).unwrap()).stderr(Stdio::inherit()).process_group(0);
    let mut started = started.spawn().unwrap();
    let group = Group(Pid::from_raw(started.id().cast_signed()));
    for port in internal {
        let ready = async || reqwest::get(format!("http://127.0.0.1:{port}/readyz")).await.ok();
        eventually(WITHIN, &format!("the process at {port} to be ready"), async || {
            ready().await.filter(|answer| answer.status() == 200).map(drop)
        })
        .await;
    }
    eventually(WITHIN, "the audit at the keyboard", async || {
        assert_eq!(started.try_wait().unwrap(), None, "no command of the block fails");
        let said = std::fs::read_to_string(&log).unwrap();
        (said.contains("everything adds up") && said.contains("all is started")).then_some(())
    })
    .await;

    let mut wanted = BTreeMap::new();
    let own = |service: &str| {
        let name = service.to_uppercase();
        [format!("{name}_DATABASE_URL"), format!("{name}_NATS_NKEY_SEED_FILE")]
    };
    for service in ["billing", "stock", "delivery", "notification", "orchestrator"] {
        wanted.insert(service.to_owned(), BTreeSet::from(own(service)));
    }
    let both = own("auth").into_iter().chain(own("user")).chain(["AUTH_SIGNING_KEY_FILE".to_owned()]);
    wanted.insert("auth user".to_owned(), both.collect());
    let looked_at = ["BILLING", "STOCK", "DELIVERY", "NOTIFICATION", "ORCHESTRATOR"];
    let audit = looked_at.map(|name| format!("{name}_DATABASE_URL")).into_iter();
    wanted.insert("audit".to_owned(), audit.chain(["AUDIT_NATS_NKEY_SEED_FILE".to_owned()]).collect());
    assert_eq!(group.secrets(), wanted);

    // What the shell knows as `$!` of each line that ends with & is the process itself: whoever ends that has ended it.
    let jobs = std::fs::read_to_string(folder.path().join("jobs")).unwrap();
    let jobs: Vec<i32> = jobs.lines().map(|line| line.parse().unwrap()).collect();
    assert_eq!(jobs.len(), wanted.len());
    for job in &jobs {
        kill(Pid::from_raw(*job), Signal::SIGTERM).unwrap();
    }
    eventually(WITHIN, "all processes to end", async || group.secrets().is_empty().then_some(())).await;
    eventually(WITHIN, "the shell to end", async || started.try_wait().unwrap()).await;
}
