//! A walk through the runbooks: every kind of fault that `rondo chaos` knows is done to a running system, and what
//! docs/runbooks.md says shows it is seen by a real Prometheus with the project's own rules (but for their patience).

use std::path::Path;
use std::time::Duration;

use nix::sys::signal::Signal;
use reqwest::Method;
use sandbox::{Flow, Proxy};
use serde_json::{Value, json};
use testkit::{Client, Road, eventually};
use tokio::task::JoinHandle;
use uuid::Uuid;

use super::alarms::impatient;
use super::faults::copied;
use super::observed::{Watcher, read};
use super::orders::Shop;
use super::processes::{GATEWAY, SEPARATE, SERVICES, System, database};

const WITHIN: Duration = Duration::from_secs(120);
const PROCESSES: [&str; 7] =
    ["front", "billing", "stock", "delivery", "notification", "orchestrator", GATEWAY];
/// Longer than a request may take that is to be called quick.
const DELAY: Duration = Duration::from_millis(600);

/// A row of the runbooks' table: the fault, and what shows it, alerts and metrics.
pub(crate) struct Row {
    pub(crate) fault: String,
    pub(crate) signs: Vec<String>,
}

pub(crate) fn rows() -> Vec<Row> {
    let text = read("docs/runbooks.md");
    let table = text.split_once("\n| fault |").expect("the table of faults").1;
    let lines = table.lines().skip(2).take_while(|line| line.starts_with('|'));
    lines
        .map(|line| {
            let cells: Vec<&str> = line.split('|').map(str::trim).collect();
            let signs = cells[2].split('`').skip(1).step_by(2).map(str::to_owned);
            Row { fault: cells[1].to_owned(), signs: signs.collect() }
        })
        .collect()
}

pub(crate) fn is_metric(sign: &str) -> bool {
    sign.starts_with("rondo_")
}

/// A system whose ways to its servers, and from its gateway to billing, lead through proxies; customers order and look.
struct Walk {
    system: System,
    watcher: Watcher,
    postgres: Proxy,
    nats: Proxy,
    http: Proxy,
    /// What every process but the gateway is told.
    environment: Vec<(String, String)>,
    position: Uuid,
    customers: JoinHandle<()>,
    looks: Vec<Client>,
}

impl Walk {
    async fn begin() -> Self {
        let mut system = System::start(&[]).await;
        let proxy = async |port| Proxy::start(vec![([127, 0, 0, 1], port).into()]).await.unwrap();
        let postgres = proxy(system.postgres.port()).await;
        let nats = proxy(system.nats.port()).await;
        let environment = environment(&system, &postgres, &nats);
        let told: Vec<(&str, &str)> = environment.iter().map(|(name, value)| (&**name, &**value)).collect();
        for (name, services) in SEPARATE {
            system.launch(name, services, &told);
        }
        for (name, _) in SEPARATE {
            system.ready(name).await;
        }
        let http = Proxy::start(vec![system.public_addr("billing")]).await.unwrap();
        front(&mut system, &http).await;
        let shop = Shop::open(&system, 2, 1).await;
        // Windows are short, so that what is over is soon forgotten.
        let rules = impatient().replace("[1m]", "[20s]").replace("[30s]", "[20s]");
        let watcher = Watcher::start(&system, &PROCESSES, &rules).await;
        let customers = tokio::spawn(customers(
            system.client("orchestrator", shop.customers[0]),
            json!([{ "position_id": shop.positions[0], "quantity": 1 }]),
        ));
        let looks = (0..8).map(|_| system.client("billing", shop.customers[1])).collect();
        let position = shop.positions[0];
        Self { system, watcher, postgres, nats, http, environment, position, customers, looks }
    }

    /// Starts a process that has ended, as it was.
    async fn start(&mut self, name: &str) {
        if name == GATEWAY {
            return front(&mut self.system, &self.http).await;
        }
        let told: Vec<(&str, &str)> =
            self.environment.iter().map(|(name, value)| (&**name, &**value)).collect();
        self.system.restart(name, &told).await;
    }

    /// Starts stock again, to die of this; it may be dead before it is ready.
    fn start_to_die(&mut self, of: &str) {
        let told = self.environment.iter().map(|(name, value)| (&**name, &**value));
        let told: Vec<(&str, &str)> = told.chain([("RONDO_CRASH_AT", of)]).collect();
        self.system.launch("stock", &["stock"], &told);
    }

    /// One row of the table, from calm to calm.
    async fn walk(&mut self, row: &Row) {
        let (alerts, metrics): (Vec<_>, Vec<_>) = row.signs.iter().partition(|sign| !is_metric(sign));
        for alert in &alerts {
            self.watcher.falls_silent(alert, WITHIN).await;
        }
        let mut counted = Vec::new();
        for metric in metrics {
            counted.push((metric, self.counted(metric).await));
        }
        self.does(&row.fault).await;
        for alert in &alerts {
            eventually(WITHIN, &format!("{}: {alert} to fire", row.fault), async || {
                self.goes_on(&row.fault).await;
                self.watcher.is_firing(alert).await.then_some(())
            })
            .await;
        }
        self.takes_back(&row.fault).await;
        // What is counted by those who come back is seen only then.
        for (metric, before) in counted {
            eventually(WITHIN, &format!("{}: {metric} to grow from {before}", row.fault), async || {
                self.goes_on(&row.fault).await;
                (self.counted(metric).await > before).then_some(())
            })
            .await;
        }
        for alert in &alerts {
            self.watcher.falls_silent(alert, WITHIN).await;
        }
    }

    async fn counted(&self, metric: &str) -> f64 {
        self.watcher.number(&format!("sum({metric})")).await.unwrap_or_default()
    }

    fn way(&self, fault: &str) -> Option<(&Proxy, &'static str)> {
        let ways = [("PostgreSQL", &self.postgres), ("NATS", &self.nats), ("HTTP", &self.http)];
        let (way, trouble) = fault.strip_prefix("connections to ")?.split_once(' ')?;
        let (_, proxy) = ways.into_iter().find(|(name, _)| *name == way)?;
        let known = ["reset", "delayed", "cut", "silent for ever"];
        Some((proxy, known.into_iter().find(|name| *name == trouble)?))
    }

    async fn does(&mut self, fault: &str) {
        match self.way(fault) {
            Some((proxy, "delayed")) => return proxy.set(Flow::Delayed(DELAY)),
            Some((proxy, "cut")) => return proxy.set(Flow::Cut),
            Some(_) => return,
            None => {}
        }
        match fault {
            "process killed" => self.system.kill("stock").await,
            "process stopped politely" => self.system.stop("stock").await,
            "process frozen" => self.system.signal("stock", Signal::SIGSTOP),
            "process died at a point of its work" => {
                self.system.stop("stock").await;
                self.start_to_die("stock:before_commit:1");
                assert!(self.system.is_killed("stock", WITHIN).await, "it dies by itself");
            }
            "participant that crashes on one order" => {
                self.system.stop("stock").await;
                self.start_to_die(&format!("stock:on:{}", self.position));
            }
            "power loss" => {
                for name in PROCESSES {
                    self.system.kill(name).await;
                }
                self.system.nats.kill().await.unwrap();
                self.system.postgres.kill().await.unwrap();
            }
            "PostgreSQL restarted (fast)" => self.system.postgres.stop().await.unwrap(),
            "PostgreSQL crashed" => self.system.postgres.kill().await.unwrap(),
            "PostgreSQL frozen" => self.system.postgres.freeze().await.unwrap(),
            "poison" => {
                let road = Road::connect(&self.system.nats.url()).await;
                road.send("cmd.stock.reserve_stock.v1", &[json!({ "nothing": "that is known" })]).await;
            }
            _ => self.does_to_nats(fault).await,
        }
    }

    async fn does_to_nats(&mut self, fault: &str) {
        let store = self.system.nats.home().join("jetstream");
        match fault {
            "NATS restarted" => self.system.nats.stop().await.unwrap(),
            "NATS restarted with an empty store" => {
                self.system.nats.stop().await.unwrap();
                tokio::fs::remove_dir_all(&store).await.unwrap();
                self.system.nats.restart().await.unwrap();
            }
            "NATS restarted with an older copy" => self.older_copy(&store).await,
            "NATS frozen" => self.system.nats.freeze().await.unwrap(),
            "NATS' disk full" => self.limit_files().await,
            "stream deleted" => testkit::delete_stream(&self.system.nats.url(), "CMD_STOCK").await,
            "consumer deleted" => {
                let client = async_nats::connect(self.system.nats.url()).await.unwrap();
                let stream = async_nats::jetstream::new(client).get_stream("CMD_STOCK").await.unwrap();
                assert!(stream.delete_consumer("stock").await.unwrap().success);
            }
            _ => panic!("nobody knows how to do {fault}"),
        }
    }

    async fn older_copy(&mut self, store: &Path) {
        let copy = self.system.nats.home().join("older-copy");
        self.events_reach_the_stream().await;
        self.system.nats.stop().await.unwrap();
        copied(store, &copy).await;
        self.system.nats.restart().await.unwrap();
        self.events_reach_the_stream().await;
        self.system.nats.stop().await.unwrap();
        tokio::fs::remove_dir_all(store).await.unwrap();
        copied(&copy, store).await;
        self.system.nats.restart().await.unwrap();
    }

    async fn events_reach_the_stream(&self) {
        let marked = "SELECT count(*) FROM outbox WHERE sequence IS NOT NULL";
        let before = self.system.number("orchestrator", marked).await;
        eventually(WITHIN, "events of new orders to be in the stream", async || {
            (self.system.number("orchestrator", marked).await > before + 3).then_some(())
        })
        .await;
    }

    /// No file of the server may grow beyond a page: to the server that is a disk which takes no more.
    async fn limit_files(&self) {
        for pid in self.system.nats.pids() {
            let mut limit = tokio::process::Command::new("prlimit");
            limit.args(["--pid", &pid.to_string(), "--fsize=4096"]);
            assert!(limit.status().await.unwrap().success(), "prlimit");
        }
    }

    /// What has to be done again until it is seen.
    async fn goes_on(&mut self, fault: &str) {
        if fault == "participant that crashes on one order" {
            // Somebody starts it again each time.
            if self.system.is_killed("stock", Duration::from_secs(10)).await {
                self.start_to_die(&format!("stock:on:{}", self.position));
            }
            return;
        }
        let looks = self.looks.iter().map(|client| client.try_get("/api/v1/account"));
        let disturbed = async {
            match self.way(fault) {
                Some((proxy, "reset")) => proxy.reset(),
                Some((proxy, "silent for ever")) => proxy.forget(),
                _ => {}
            }
        };
        tokio::join!(futures::future::join_all(looks), disturbed);
    }

    async fn takes_back(&mut self, fault: &str) {
        if let Some((proxy, _)) = self.way(fault) {
            return proxy.set(Flow::Open);
        }
        match fault {
            "process killed" | "process stopped politely" | "process died at a point of its work" => {
                self.start("stock").await;
            }
            "process frozen" => self.system.signal("stock", Signal::SIGCONT),
            "participant that crashes on one order" => {
                assert!(self.system.is_killed("stock", WITHIN).await);
                self.start("stock").await;
            }
            "power loss" => {
                self.system.postgres.restart().await.unwrap();
                self.system.nats.restart().await.unwrap();
                for name in PROCESSES {
                    self.start(name).await;
                }
            }
            // A new server is not bounded as the one before it.
            "NATS restarted" | "NATS' disk full" => self.system.nats.restart().await.unwrap(),
            "NATS frozen" => self.system.nats.thaw(),
            "PostgreSQL restarted (fast)" | "PostgreSQL crashed" => {
                self.system.postgres.restart().await.unwrap();
            }
            "PostgreSQL frozen" => self.system.postgres.thaw(),
            "poison" => {
                let operator = self.system.operator("stock");
                let letters = operator.get("/internal/api/v1/dead-letters").await;
                let group = &letters.body["items"][0]["group"];
                let discard = json!({ "group": group, "reason": "nobody sent it in earnest" });
                let answer = operator.post("/internal/api/v1/dead-letters/discard", &discard).await;
                assert!(answer.status < 300, "{letters:?} {answer:?}");
            }
            _ => {}
        }
    }
}

/// What every process is told of the servers: to go through the proxies.
fn environment(system: &System, postgres: &Proxy, nats: &Proxy) -> Vec<(String, String)> {
    let through = |url: &str, proxy: &Proxy| {
        let mut url = reqwest::Url::parse(url).unwrap();
        url.set_port(Some(proxy.address().port())).unwrap();
        url.to_string()
    };
    let of = |service: &str| {
        let url = through(&system.postgres.url(&database(service)), postgres);
        (format!("{}_DATABASE_URL", service.to_uppercase()), url)
    };
    let databases = SERVICES.into_iter().map(of);
    databases.chain([("NATS_URL".to_owned(), through(&system.nats.url(), nats))]).collect()
}

/// The gateway, which reaches billing through the proxy.
async fn front(system: &mut System, http: &Proxy) {
    let mut told = vec![("GATEWAY_TIMEOUT_SECONDS".to_owned(), "3".to_owned())];
    for (name, services) in SEPARATE {
        let address = if name == "billing" { http.address() } else { system.public_addr(name) };
        let url =
            |service: &&str| (format!("{}_PUBLIC_URL", service.to_uppercase()), format!("http://{address}"));
        told.extend(services.iter().map(url));
    }
    let told: Vec<(&str, &str)> = told.iter().map(|(name, value)| (&**name, &**value)).collect();
    system.launch(GATEWAY, &[GATEWAY], &told);
    system.ready(GATEWAY).await;
}

/// Orders, some a second, whatever becomes of them.
async fn customers(client: Client, items: Value) {
    loop {
        let order = client.request(Method::POST, "/api/v1/order").header("Prefer", "respond-async");
        let _ = client.try_send(order.json(&json!({ "items": items }))).await;
        tokio::time::sleep(Duration::from_millis(300)).await;
    }
}

#[tokio::test]
#[ignore = "long: make proof"]
#[expect(clippy::print_stderr, reason = "it takes a quarter of an hour, and each row is of interest")]
async fn every_kind_of_fault_is_shown_by_what_the_runbooks_say() {
    let mut walk = Walk::begin().await;
    // To try a part: RONDO_WALK="connections to NATS".
    let only = std::env::var("RONDO_WALK").unwrap_or_default();
    for row in rows().iter().filter(|row| row.fault.contains(&only)) {
        let began = std::time::Instant::now();
        walk.walk(row).await;
        eprintln!("{}: {:?} after {:.1?}", row.fault, row.signs, began.elapsed());
    }
    walk.customers.abort();
    eventually(WITHIN, "every order to come to its end", async || {
        let open = "SELECT count(*) FROM sagas WHERE finished_at IS NULL";
        (walk.system.number("orchestrator", open).await == 0).then_some(())
    })
    .await;
}
