//! A rolling upgrade: two of everything under load, replaced one by one as a cluster does it. For each process a new one
//! is started; when it is ready, the old one is told to end (SIGTERM). No client sees any of it.
//!
//! Times are those of the manifests; for the Services of a cluster stand addresses that lead new connections to whoever
//! is ready.

use std::path::Path;
use std::time::Duration;

use testkit::eventually;

use super::balancer::Balancer;
use super::crowd::Crowd;
use super::observed::read;
use super::orders::Shop;
use super::processes::{GATEWAY, System};

/// What is replaced, in turn.
const KINDS: [&str; 8] =
    ["stock", "orchestrator", "billing", GATEWAY, "auth", "user", "delivery", "notification"];
const WITHIN: Duration = Duration::from_secs(60);
const CUSTOMERS: usize = 16;
const CALM: Duration = Duration::from_secs(3);

/// What the manifests give a process to end.
struct Times {
    drain: String,
    grace: String,
    gateways_grace: String,
    /// Who has not ended by then is killed.
    killed_after: Duration,
}

impl Times {
    fn of_the_manifests() -> Self {
        let common = read("k8s/base/rondo.env");
        let of = |text: &str, name: &str| {
            let rest = text.split(name).nth(1).unwrap_or_else(|| panic!("{name} is not there"));
            rest.chars()
                .skip_while(|one| !one.is_ascii_digit())
                .take_while(char::is_ascii_digit)
                .collect::<String>()
        };
        let killed_after = of(&read("k8s/base/process.yaml"), "terminationGracePeriodSeconds:");
        Self {
            // To see what it is for: RONDO_DRAIN_SECONDS=0.
            drain: std::env::var("RONDO_DRAIN_SECONDS").unwrap_or_else(|_| of(&common, "DRAIN_SECONDS=")),
            grace: of(&common, "SHUTDOWN_GRACE_SECONDS="),
            gateways_grace: of(&read("k8s/base/gateway.yaml"), "SHUTDOWN_GRACE_SECONDS"),
            killed_after: Duration::from_secs(killed_after.parse().unwrap()),
        }
    }
}

/// Processes behind their Services.
struct Fleet {
    system: System,
    services: Balancer,
    times: Times,
}

impl Fleet {
    async fn start() -> Self {
        let mut system = System::start(&[]).await;
        system.log = Some(
            Path::new(env!("CARGO_TARGET_TMPDIR")).join(format!("upgrade-{}.log", uuid::Uuid::now_v7())),
        );
        let services = Balancer::start(&KINDS).await;
        let mut fleet = Self { system, services, times: Times::of_the_manifests() };
        for kind in KINDS {
            for name in [kind.to_owned(), format!("{kind}-2")] {
                fleet.launch(kind, &name);
            }
        }
        for kind in KINDS {
            for name in [kind.to_owned(), format!("{kind}-2")] {
                fleet.serves(kind, &name).await;
            }
        }
        fleet
    }

    /// Starts a process that knows the others by the names of their Services, and of keys only its own.
    fn launch(&mut self, kind: &'static str, name: &str) {
        let url =
            |kind: &str| (format!("{}_PUBLIC_URL", kind.to_uppercase()), self.services.public_url(kind));
        let mut environment: Vec<_> = KINDS.into_iter().filter(|kind| *kind != GATEWAY).map(url).collect();
        let grace = if kind == GATEWAY { &self.times.gateways_grace } else { &self.times.grace };
        let key = if kind == "auth" { testkit::SIGNING_KEY } else { "" };
        for (name, value) in [
            ("AUTH_INTERNAL_URL", self.services.internal_url("auth")),
            ("AUTH_SIGNING_KEY", key.to_owned()),
            ("SERVICE_TOKEN", testkit::service_token(kind)),
            ("DRAIN_SECONDS", self.times.drain.clone()),
            ("SHUTDOWN_GRACE_SECONDS", grace.clone()),
            ("ARGON2_MEMORY_KIB", "64".to_owned()),
            ("ARGON2_PASSES", "1".to_owned()),
        ] {
            environment.push((name.to_owned(), value));
        }
        let environment: Vec<(&str, &str)> =
            environment.iter().map(|(name, value)| (name.as_str(), value.as_str())).collect();
        self.system.launch(name, &[kind], &environment);
        self.services.add(kind, name, self.system.public_addr(name), self.system.internal_addr(name));
    }

    /// Waits until a process is ready and its Service knows it.
    async fn serves(&mut self, kind: &str, name: &str) {
        self.system.ready(name).await;
        eventually(WITHIN, &format!("connections for {name}"), async || {
            self.services.leads_to(kind, name).then_some(())
        })
        .await;
    }
}

#[tokio::test]
#[ignore = "long: make proof"]
#[expect(clippy::print_stderr, reason = "how long each took to end is what somebody wants to know")]
async fn a_rolling_upgrade_is_seen_by_no_client() {
    let mut fleet = Fleet::start().await;
    let shop = Shop::open(&fleet.system, CUSTOMERS, 3).await;
    let crowd = Crowd::gather(&fleet.services.public_url(GATEWAY), &shop.customers, &shop.positions);
    tokio::time::sleep(CALM).await;
    let mut drains = Vec::new();
    for (old, new) in [("", "-3"), ("-2", "-4")] {
        for (index, kind) in KINDS.into_iter().enumerate() {
            if index == 0 {
                fleet.launch(kind, &format!("{kind}{new}"));
            }
            fleet.serves(kind, &format!("{kind}{new}")).await;
            // The next one starts meanwhile.
            if let Some(next) = KINDS.get(index + 1) {
                fleet.launch(next, &format!("{next}{new}"));
            }
            let name = format!("{kind}{old}");
            let took = fleet.system.stop_within(&name, fleet.times.killed_after).await;
            eprintln!("{name} ended after {:.1} s", took.as_secs_f64());
            drains.push(took);
        }
    }
    tokio::time::sleep(CALM).await;
    let book = crowd.disperse().await;
    book.tell();
    assert_eq!(drains.len(), 2 * KINDS.len());
    assert!(book.decided.len() > 200, "there was a load");
    shop.agrees_with(&fleet.system, &book).await;
    let log = std::fs::read_to_string(fleet.system.log.as_ref().unwrap()).unwrap();
    let cut_off: Vec<_> = log.lines().filter(|line| line.contains("cut off")).collect();
    assert_eq!(cut_off, Vec::<&str>::new());
    std::fs::remove_file(fleet.system.log.as_ref().unwrap()).unwrap();
}
