//! The local overlay, run: a PostgreSQL, a NATS with the manifests' own configuration, and a process for each pod, with
//! exactly the arguments, settings and files that the manifests give it. What a cluster would do by names and mounts is
//! done by replacing addresses and paths.

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};
use std::process::Stdio;
use std::time::{Duration, Instant};

use nix::sys::signal::{Signal, kill};
use nix::unistd::Pid;
use sandbox::Postgres;
use sea_orm::{ConnectionTrait, Database};
use serde_json::json;
use testkit::{Client, eventually, free_port};
use tokio::process::{Child, Command};

use super::manifests::{Manifests, Pods, list, text};
use super::secrets::{made, mounted};

const WITHIN: Duration = Duration::from_secs(60);
const LOOK_EVERY: Duration = Duration::from_millis(50);

/// Of it nothing may stand in an address, a script or a shell as it is.
pub(crate) const ODD_PASSWORD: &str = r#"p@ss/w:rd?#%41 &+'"\$x ü"#;

/// Secrets by name and key.
type Secrets = BTreeMap<String, BTreeMap<String, String>>;

/// The machine on which the pods are.
struct Machine {
    manifests: Manifests,
    folder: tempfile::TempDir,
    postgres: Postgres,
    secrets: Secrets,
    /// What the cluster would resolve or mount, and what it is here; longer ones first.
    places: Vec<(String, String)>,
    /// Where each Deployment's internal listener is.
    internal: BTreeMap<String, u16>,
    gateway: u16,
    running: BTreeMap<String, Child>,
}

impl Machine {
    async fn new() -> Self {
        let manifests = Manifests::of("local");
        let folder = tempfile::tempdir().unwrap();
        let postgres = testkit::own_postgres().await;
        // As somebody may choose it.
        let passwords = folder.path().join("keys/postgres");
        std::fs::create_dir_all(&passwords).unwrap();
        std::fs::write(passwords.join("rondo_stock.password"), format!("{ODD_PASSWORD}\n")).unwrap();
        let secrets = made(&folder.path().join("keys"), &format!("127.0.0.1:{}", postgres.port()));
        let mut places = Vec::new();
        let (mut internal, mut gateway) = (BTreeMap::new(), 0);
        for pods in manifests.ours().into_iter().filter(|pods| pods.kind == "Deployment") {
            for port in ["public", "internal"] {
                let here = free_port();
                let number = pods.port(port).unwrap();
                places.push((format!("http://{}:{number}", pods.name), format!("http://127.0.0.1:{here}")));
                places.push((format!("{}@0.0.0.0:{number}", pods.name), format!("127.0.0.1:{here}")));
                match (port, pods.name) {
                    ("internal", name) => drop(internal.insert(name.to_owned(), here)),
                    (_, "gateway") => gateway = here,
                    _ => {}
                }
            }
        }
        let running = BTreeMap::new();
        Self { manifests, folder, postgres, secrets, places, internal, gateway, running }
    }

    fn pods(&self, name: &str) -> Pods<'_> {
        let is_it =
            |pods: &&Pods<'_>| pods.name == name || pods.name.starts_with(&format!("{name}-release-"));
        let all = self.manifests.pods();
        *all.iter().find(is_it).unwrap_or_else(|| panic!("there is no {name}"))
    }

    /// Writes the ConfigMaps and Secrets of a pod's volumes below a folder, where they would be mounted.
    fn mount(&self, pods: &Pods<'_>) -> PathBuf {
        let root = self.folder.path().join(pods.name);
        let put = |path: &str, text: &str| {
            let file = root.join(path.trim_start_matches('/'));
            std::fs::create_dir_all(file.parent().unwrap()).unwrap();
            std::fs::write(file, text).unwrap();
        };
        let keys = |entries: &BTreeMap<String, String>| entries.keys().cloned().collect();
        let known = self.secrets.iter().map(|(name, entries)| (name.clone(), keys(entries))).collect();
        for [path, secret, key] in mounted(pods, &known) {
            put(&path, &self.secrets[&secret][&key]);
        }
        for volume in list(&pods.spec["volumes"]) {
            let Some(map) = volume["configMap"]["name"].as_str() else { continue };
            let map = self.manifests.find("ConfigMap", map).unwrap_or_else(|| panic!("no ConfigMap {map}"));
            let mounts = list(&pods.container()["volumeMounts"]);
            let mount = mounts.iter().find(|mount| mount["name"] == volume["name"]).unwrap();
            for (name, content) in map["data"].as_object().unwrap() {
                put(&format!("{}/{name}", text(&mount["mountPath"])), text(content));
            }
        }
        root
    }

    /// What a setting is on this machine.
    fn here(&self, pods: &Pods<'_>, root: &Path, name: &str, value: &str) -> String {
        if name.ends_with("_ADDR") {
            let known = format!("{}@{value}", pods.name);
            return self.places.iter().find(|(there, _)| *there == known).unwrap().1.clone();
        }
        if name.ends_with("_FILE") {
            return root.join(value.trim_start_matches('/')).display().to_string();
        }
        self.places.iter().fold(value.to_owned(), |value, (there, here)| value.replace(there, here))
    }

    /// The pod's process, as its manifests have it and with nothing else.
    fn command(&self, name: &str) -> Command {
        let pods = self.pods(name);
        let root = self.mount(&pods);
        let mut command = Command::new(env!("CARGO_BIN_EXE_rondo"));
        command.args(pods.arguments()).env_clear().stdin(Stdio::null()).kill_on_drop(true);
        for (setting, value) in self.manifests.environment(&pods) {
            command.env(&setting, self.here(&pods, &root, &setting, &value));
        }
        command
    }

    fn start(&mut self, name: &str) {
        let child = self.command(name).spawn().unwrap();
        self.running.insert(name.to_owned(), child);
    }

    /// Runs psql as the Job of the roles does.
    async fn make_roles(&self) {
        let pods = self.pods("roles");
        let root = self.mount(&pods);
        let psql = glob_psql();
        let here = |argument: &str| {
            let server = self.postgres.superuser_url("postgres");
            let argument = argument.replace("/etc/rondo", root.join("etc/rondo").to_str().unwrap());
            if argument.starts_with("--dbname=") { format!("--dbname={server}") } else { argument }
        };
        let run = || {
            let mut command = Command::new(&psql);
            command.args(pods.arguments().into_iter().map(here)).envs(&self.secrets["postgres"]);
            command
        };
        for _ in ["at the first time", "again"] {
            let made = run().output().await.unwrap();
            assert!(made.status.success(), "{}", String::from_utf8_lossy(&made.stderr));
        }
        let without = run().env("RONDO_STOCK_PASSWORD", "").output().await.unwrap();
        let said = String::from_utf8_lossy(&without.stderr);
        assert!(!without.status.success() && said.contains("RONDO_STOCK_PASSWORD is empty"), "{said}");
    }

    /// Starts a NATS as the StatefulSet does, but for its ports and folders.
    fn start_nats(&mut self) {
        let pods = self.pods("nats");
        let root = self.mount(&pods);
        let folder = root.join("etc/nats");
        let (port, monitor) = (free_port(), free_port());
        let conf = std::fs::read_to_string(folder.join("nats.conf")).unwrap();
        let data = root.join("data");
        let conf = [
            ("port: 4222", format!("listen: 127.0.0.1:{port}")),
            ("http_port: 8222", format!("http: 127.0.0.1:{monitor}")),
            ("/run/nats/nats.pid", root.join("nats.pid").display().to_string()),
            ("store_dir: /data", format!("store_dir: {data:?}")),
        ]
        .into_iter()
        .fold(conf, |conf, (there, here)| {
            assert!(conf.contains(there), "nats.conf has {there}");
            conf.replace(there, &here)
        });
        std::fs::write(folder.join("nats.conf"), conf).unwrap();
        assert_eq!(pods.arguments(), ["--config", "/etc/nats/nats.conf"]);
        let mut command = Command::new(testkit::tool("nats-server"));
        command.arg("--config").arg(folder.join("nats.conf")).env_clear().kill_on_drop(true);
        command.env("POD_NAME", "nats-0").envs(&self.secrets["nats-users"]);
        command
            .stdout(Stdio::null())
            .stderr(Stdio::from(std::fs::File::create(root.join("nats.log")).unwrap()));
        let child = command.spawn().unwrap();
        self.running.insert("nats".to_owned(), child);
        self.places.push(("nats://nats:4222".to_owned(), format!("nats://127.0.0.1:{port}")));
        self.places.push(("http://nats:8222".to_owned(), format!("http://127.0.0.1:{monitor}")));
    }

    /// What a probe of the pod is answered: the status and the body.
    async fn probe(&self, name: &str, probe: &str) -> Option<(u16, String)> {
        let pods = self.pods(name);
        let asked = &pods.container()[probe]["httpGet"];
        let url = match text(&asked["port"]) {
            "internal" => format!("http://127.0.0.1:{}", self.internal[name]),
            "monitor" => self.places.iter().find(|(there, _)| there == "http://nats:8222").unwrap().1.clone(),
            other => panic!("a probe at {other}"),
        };
        let answer = reqwest::get(format!("{url}{}", text(&asked["path"]))).await.ok()?;
        Some((answer.status().as_u16(), answer.text().await.ok()?))
    }

    async fn ready(&self, name: &str) {
        let last = std::cell::RefCell::new(None);
        let asked = async {
            loop {
                let answer = self.probe(name, "readinessProbe").await;
                if answer.as_ref().is_some_and(|(status, _)| *status == 200) {
                    return;
                }
                last.replace(answer);
                tokio::time::sleep(LOOK_EVERY).await;
            }
        };
        let ready = tokio::time::timeout(WITHIN, asked).await;
        assert!(ready.is_ok(), "{name} did not get ready: {:?}", last.into_inner());
    }

    /// Tells all of them to stop; each does in the time that its pods are given.
    async fn stop(&mut self) {
        let mut stopping = Vec::new();
        for (name, child) in std::mem::take(&mut self.running) {
            kill(Pid::from_raw(child.id().unwrap().cast_signed()), Signal::SIGTERM).unwrap();
            stopping.push((name, child));
        }
        let since = Instant::now();
        for (name, mut child) in stopping.into_iter().filter(|(name, _)| name != "nats") {
            let pods = self.pods(&name);
            let given = Duration::from_secs(pods.spec["terminationGracePeriodSeconds"].as_u64().unwrap());
            let status = tokio::time::timeout(given, child.wait()).await;
            assert!(status.unwrap_or_else(|_| panic!("{name} did not stop")).unwrap().success(), "{name}");
        }
        // They serve on for DRAIN_SECONDS (5), and then have nothing to wait for: SHUTDOWN_GRACE_SECONDS (15) are not used up.
        let took = since.elapsed();
        assert!(took < Duration::from_secs(5 + 15), "idle processes stop at once: {took:?}");
    }
}

fn glob_psql() -> PathBuf {
    let versions = std::fs::read_dir("/usr/lib/postgresql").into_iter().flatten().flatten();
    let found = versions.map(|version| version.path().join("bin/psql")).filter(|path| path.is_file()).max();
    found.unwrap_or_else(|| PathBuf::from("psql"))
}

#[tokio::test]
async fn the_local_overlay_takes_an_order() {
    let mut machine = Machine::new().await;
    // As in a cluster everything comes at once; here one that cannot begin yet is looked at.
    machine.make_roles().await;
    machine.start_nats();
    machine.ready("nats").await;
    machine.start("billing");
    let (name, alive) = ("billing", Some((200, "alive\n".to_owned())));
    eventually(WITHIN, "a sign of life", async || machine.probe(name, "livenessProbe").await).await;
    assert_eq!(machine.probe(name, "livenessProbe").await, alive);
    let (status, why) = machine.probe(name, "readinessProbe").await.unwrap();
    assert_eq!((status, why.contains("starting")), (503, true), "it waits for the migration: {why}");

    // Once a release; again when the overlay is applied after the Job has gone; and after a newer release was there.
    for time in ["at the first time", "again", "after a newer release"] {
        if time == "after a newer release" {
            let stock = Database::connect(machine.postgres.superuser_url("rondo_stock")).await.unwrap();
            let newer = "INSERT INTO seaql_migrations VALUES ('m99991231_000000_of_tomorrow', 0)";
            stock.execute_unprepared(newer).await.unwrap();
        }
        let migrated = machine.command("migrate").status().await.unwrap();
        assert!(migrated.success(), "the Job migrates {time}");
    }
    let deployments: Vec<String> = machine.internal.keys().cloned().collect();
    for name in deployments.iter().filter(|name| *name != "billing") {
        machine.start(name);
    }
    for name in deployments.iter().map(String::as_str) {
        machine.ready(name).await;
    }
    assert_eq!(machine.probe("billing", "livenessProbe").await, alive);
    let (_, checks) = machine.probe("billing", "readinessProbe").await.unwrap();
    for check in ["billing.database", "billing.schema", "nats", "streams", "revocations"] {
        assert!(checks.contains(&format!("\"{check}\":\"ok\"")), "{check} is looked at: {checks}");
    }
    let metrics =
        reqwest::get(format!("http://127.0.0.1:{}/metrics", machine.internal["gateway"])).await.unwrap();
    assert_eq!(metrics.status(), 200);
    for probe in ["startupProbe", "livenessProbe"] {
        assert_eq!(machine.probe("nats", probe).await.unwrap().0, 200, "{probe} of NATS");
    }

    let gateway = ([127, 0, 0, 1], machine.gateway).into();
    let anybody = Client::new(gateway, None);
    let who = json!({ "email": "reader@example.com", "password": "correct horse battery" });
    assert_eq!(anybody.post("/api/v1/register", &who).await.status, 201);
    let login = anybody.post("/api/v1/login", &who).await;
    let token = login.body["access_token"].as_str().unwrap().to_owned();
    let user = Client::new(gateway, Some(token));
    eventually(WITHIN, "the account", async || {
        let answer = user.post("/api/v1/account", &json!({ "amount": 5_000 })).await;
        (answer.status == 200).then_some(())
    })
    .await;
    let order = user.post("/api/v1/order", &json!({ "price": 1_000 })).await;
    assert_eq!((order.status, &order.body["status"]), (201, &json!("confirmed")), "{order:?}");

    machine.stop().await;
}
