//! The system under test: servers, and `rondo serve` processes that can be killed, frozen and started
//! again.

use std::collections::BTreeMap;
use std::fs::File;
use std::net::SocketAddr;
use std::path::PathBuf;
use std::process::Stdio;
use std::time::{Duration, Instant};

use messaging::rights::Work;
use migrations::rights::{Area, MIGRATOR, Owner, apply, steps};
use nix::sys::signal::{Signal, kill};
use nix::unistd::Pid;
use sandbox::{Nats, Postgres, Proxy};
use sea_orm::{ConnectOptions, ConnectionTrait, Database, DatabaseBackend, DatabaseConnection, Statement};
use secrecy::ExposeSecret;
use service::config::Seeds;
use service::token::Role;
use testkit::{Client, eventually};
use tokio::process::{Child, Command};
use uuid::Uuid;

/// Every service with a database.
pub(crate) const SERVICES: [&str; 7] =
    ["auth", "user", "billing", "stock", "delivery", "notification", "orchestrator"];
/// One process of each kind; those that only tests of other things need are together.
pub(crate) const SEPARATE: [(&str, &[&str]); 6] = [
    ("front", &["auth", "user"]),
    ("billing", &["billing"]),
    ("stock", &["stock"]),
    ("delivery", &["delivery"]),
    ("notification", &["notification"]),
    ("orchestrator", &["orchestrator"]),
];

/// The process that clients come through, if it is there.
pub(crate) const GATEWAY: &str = "gateway";

/// Of a service here; a role may have the connections of so many.
const MOST_REPLICAS: u32 = 8;
const READY_WITHIN: Duration = Duration::from_secs(30);

/// Servers and processes of one test. Everything ends with it.
pub(crate) struct System {
    pub(crate) postgres: Postgres,
    pub(crate) nats: Nats,
    /// The others, where NATS is a cluster.
    pub(crate) nats_peers: Vec<Nats>,
    /// The one address of all of them.
    nats_service: Option<Proxy>,
    /// Who the services are at NATS.
    pub(crate) seeds: Seeds,
    /// Whether somebody tries what he may not; else nobody must.
    pub(crate) refuses_something: bool,
    processes: BTreeMap<String, Process>,
    /// Where what processes say is added; none: where the test itself says it.
    pub(crate) log: Option<PathBuf>,
}

/// A `rondo serve` process.
struct Process {
    services: Vec<String>,
    public: SocketAddr,
    internal: SocketAddr,
    child: Child,
}

impl Drop for System {
    fn drop(&mut self) {
        if !self.refuses_something {
            self.nats_servers().for_each(testkit::assert_rights_sufficed);
        }
    }
}

/// The connections to its database that one process of a service has at most.
pub(crate) fn connections() -> [(&'static str, u32); 7] {
    [
        ("auth", auth::CONNECTIONS),
        ("user", user::CONNECTIONS),
        ("billing", billing::CONNECTIONS),
        ("stock", stock::CONNECTIONS),
        ("delivery", delivery::CONNECTIONS),
        ("notification", notification::CONNECTIONS),
        ("orchestrator", orchestrator::CONNECTIONS),
    ]
}

/// What each service does at NATS.
pub(crate) fn works() -> Vec<Work> {
    vec![
        auth::work(),
        user::work(),
        billing::work(),
        stock::work(),
        delivery::work(),
        notification::work(),
        orchestrator::work(),
        Work::of("audit"),
    ]
}

impl System {
    /// Servers of its own, databases up to date, and these processes.
    pub(crate) async fn start(layout: &[(&str, &[&str])]) -> Self {
        let (configuration, seeds) = testkit::users(&works());
        let nats = async { vec![testkit::nats_with(configuration).await] };
        let (postgres, nats) = tokio::join!(testkit::own_postgres(), nats);
        Self::start_on(postgres, nats, None, seeds, layout).await
    }

    /// The same on three NATS servers and with three copies of every stream, behind one address.
    pub(crate) async fn start_on_a_cluster(layout: &[(&str, &[&str])]) -> Self {
        let (configuration, seeds) = testkit::users(&works());
        let (postgres, nats) = tokio::join!(testkit::own_postgres(), testkit::nats_cluster(configuration));
        let servers = nats.iter().map(|server| SocketAddr::from(([127, 0, 0, 1], server.port())));
        let service = Proxy::start(servers.collect()).await.unwrap();
        Self::start_on(postgres, nats, Some(service), seeds, layout).await
    }

    async fn start_on(
        postgres: Postgres,
        mut nats: Vec<Nats>,
        nats_service: Option<Proxy>,
        seeds: Seeds,
        layout: &[(&str, &[&str])],
    ) -> Self {
        let areas = connections().map(|(service, of_one)| Area::of(service, MOST_REPLICAS * of_one));
        let superuser = |database: Option<&str>| postgres.superuser_url(database.unwrap_or("postgres"));
        apply(&steps(Owner::Made(MIGRATOR), &areas, &|_| None), superuser).await.unwrap();
        let nats_peers = nats.split_off(1);
        let mut system = Self {
            postgres,
            nats: nats.remove(0),
            nats_peers,
            nats_service,
            seeds,
            refuses_something: false,
            processes: BTreeMap::new(),
            log: None,
        };
        let mut migrate = system.rondo(&["migrate", "all"]);
        for service in SERVICES {
            let url = system.postgres.url_as(MIGRATOR, None, &database(service));
            migrate.env(format!("{}_DATABASE_URL", service.to_uppercase()), url);
        }
        let migrated = migrate.status().await.unwrap();
        assert!(migrated.success(), "the databases are brought up to date");
        for (name, services) in layout {
            system.launch(name, services, &[]);
        }
        for (name, _) in layout {
            system.ready(name).await;
        }
        system
    }

    /// The binary, knowing the servers.
    pub(crate) fn rondo(&self, arguments: &[&str]) -> Command {
        let mut command = Command::new(env!("CARGO_BIN_EXE_rondo"));
        command.args(arguments).kill_on_drop(true).stdin(Stdio::null());
        command.env("LOG", "warn").env("NATS_URL", self.nats_url());
        command.env("NATS_REPLICAS", self.nats_servers().count().to_string());
        command.env("AUTH_SIGNING_KEY", testkit::SIGNING_KEY);
        command.env("DRAIN_SECONDS", "0").env("SHUTDOWN_GRACE_SECONDS", "5");
        for service in SERVICES {
            command.env(
                format!("{}_DATABASE_URL", service.to_uppercase()),
                self.postgres.url(&database(service)),
            );
        }
        command
    }

    /// Where processes find NATS.
    pub(crate) fn nats_url(&self) -> String {
        self.nats_service
            .as_ref()
            .map_or_else(|| self.nats.url(), |service| format!("nats://{}", service.address()))
    }

    /// All servers that NATS is.
    pub(crate) fn nats_servers(&self) -> impl Iterator<Item = &Nats> {
        std::iter::once(&self.nats).chain(&self.nats_peers)
    }

    /// One of them by its name.
    pub(crate) fn nats_server(&mut self, name: &str) -> &mut Nats {
        let all = std::iter::once(&mut self.nats).chain(&mut self.nats_peers);
        all.into_iter().find(|server| server.name() == name).unwrap()
    }

    /// Starts a gateway in front of the processes; from here on clients come through it.
    pub(crate) async fn put_gateway_in_front(&mut self) {
        let mut urls = Vec::new();
        for process in self.processes.values() {
            let url = format!("http://{}", process.public);
            let of = |service: &String| (format!("{}_PUBLIC_URL", service.to_uppercase()), url.clone());
            urls.extend(process.services.iter().map(of));
        }
        let urls: Vec<(&str, &str)> = urls.iter().map(|(name, url)| (name.as_str(), url.as_str())).collect();
        self.launch(GATEWAY, &[GATEWAY], &urls);
        self.ready(GATEWAY).await;
    }

    /// Starts a process, with additional environment; does not wait until it is ready. One that has ended
    /// is found where it was.
    pub(crate) fn launch(&mut self, name: &str, services: &[&str], environment: &[(&str, &str)]) {
        let address = || SocketAddr::from(([127, 0, 0, 1], testkit::free_port()));
        let before = self.processes.get(name).map(|process| (process.public, process.internal));
        let (public, internal) = before.unwrap_or_else(|| (address(), address()));
        let arguments: Vec<&str> = ["serve"].iter().chain(services).copied().collect();
        let mut command = self.rondo(&arguments);
        for service in services {
            if let Some(seed) = self.seeds.of(service) {
                command.env(format!("{}_NATS_NKEY_SEED", service.to_uppercase()), seed.expose_secret());
            }
        }
        command.env("PUBLIC_ADDR", public.to_string()).env("INTERNAL_ADDR", internal.to_string());
        for (name, value) in environment {
            // What is empty is not there.
            match value.is_empty() {
                true => command.env_remove(name),
                false => command.env(name, value),
            };
        }
        if let Some(log) = &self.log {
            command.stderr(File::options().create(true).append(true).open(log).unwrap());
        }
        let child = command.spawn().unwrap();
        let services = services.iter().map(|&service| service.to_owned()).collect();
        self.processes.insert(name.to_owned(), Process { services, public, internal, child });
    }

    /// Waits until a process answers that it is ready.
    pub(crate) async fn ready(&mut self, name: &str) {
        let client = self.internal_client(name, None);
        let process = self.processes.get_mut(name).unwrap();
        let what = format!("{name} to be ready");
        eventually(READY_WITHIN, &what, async || {
            if let Some(status) = process.child.try_wait().unwrap() {
                panic!("{name} ended with {status} instead of getting ready");
            }
            let answer = client.try_get("/readyz").await?;
            (answer.status == 200).then_some(())
        })
        .await;
    }

    /// Starts a process again that has ended, and waits until it is ready.
    pub(crate) async fn restart(&mut self, name: &str, environment: &[(&str, &str)]) {
        let services = self.processes[name].services.clone();
        let services: Vec<&str> = services.iter().map(String::as_str).collect();
        self.launch(name, &services, environment);
        self.ready(name).await;
    }

    /// Whether a process is ended by SIGKILL within that time.
    pub(crate) async fn is_killed(&mut self, name: &str, within: Duration) -> bool {
        use std::os::unix::process::ExitStatusExt;
        let process = self.processes.get_mut(name).unwrap();
        let Ok(status) = tokio::time::timeout(within, process.child.wait()).await else { return false };
        assert_eq!(status.unwrap().signal(), Some(Signal::SIGKILL as i32), "{name} died by SIGKILL");
        true
    }

    /// Kills a process at once.
    pub(crate) async fn kill(&mut self, name: &str) {
        self.processes.get_mut(name).unwrap().child.kill().await.unwrap();
    }

    /// Tells a process to stop and waits until it has.
    pub(crate) async fn stop(&mut self, name: &str) {
        self.stop_within(name, Duration::from_secs(20)).await;
    }

    /// Tells a process to stop; how long that took.
    pub(crate) async fn stop_within(&mut self, name: &str, within: Duration) -> Duration {
        let began = Instant::now();
        self.signal(name, Signal::SIGTERM);
        let child = &mut self.processes.get_mut(name).unwrap().child;
        let status = tokio::time::timeout(within, child.wait()).await;
        let status = status.unwrap_or_else(|_| panic!("{name} has not stopped after {within:?}"));
        assert!(status.unwrap().success(), "{name} stops in order");
        began.elapsed()
    }

    /// Sends a signal to a process.
    pub(crate) fn signal(&self, name: &str, signal: Signal) {
        let pid = self.processes[name].child.id().expect("the process runs");
        kill(Pid::from_raw(pid.cast_signed()), signal).unwrap();
    }

    /// Whether a process stands still by SIGSTOP.
    pub(crate) fn is_frozen(&self, name: &str) -> bool {
        let pid = self.processes[name].child.id().expect("the process runs");
        let stat = std::fs::read_to_string(format!("/proc/{pid}/stat")).unwrap();
        stat.rsplit(") ").next().is_some_and(|rest| rest.starts_with('T'))
    }

    /// A client of a process' public listener, for a user.
    pub(crate) fn client(&self, name: &str, user_id: Uuid) -> Client {
        self.public_client(name, Some(testkit::token(user_id, &[Role::User])))
    }

    /// A client of a process' public listener; of the gateway's, if there is one.
    pub(crate) fn public_client(&self, name: &str, token: Option<String>) -> Client {
        let process = self.processes.get(GATEWAY).unwrap_or_else(|| &self.processes[name]);
        Client::new(process.public, token)
    }

    /// Where a process serves clients.
    pub(crate) fn public_addr(&self, name: &str) -> SocketAddr {
        self.processes[name].public
    }

    /// Where a process serves operators and other services.
    pub(crate) fn internal_addr(&self, name: &str) -> SocketAddr {
        self.processes[name].internal
    }

    /// A client of a process' internal listener.
    pub(crate) fn internal_client(&self, name: &str, token: Option<String>) -> Client {
        Client::new(self.processes[name].internal, token)
    }

    /// A client of a process' internal listener, for an operator.
    pub(crate) fn operator(&self, name: &str) -> Client {
        self.internal_client(name, Some(testkit::token(Uuid::now_v7(), &[Role::User, Role::Operator])))
    }

    /// The test's own look into a service's database.
    pub(crate) async fn look(&self, service: &str) -> DatabaseConnection {
        let mut options = ConnectOptions::new(self.postgres.url(&database(service)));
        options.max_connections(1).sqlx_logging(false);
        Database::connect(options).await.unwrap()
    }

    /// One number out of a service's database.
    pub(crate) async fn number(&self, service: &str, sql: &str) -> i64 {
        let db = self.look(service).await;
        let row = db.query_one_raw(Statement::from_string(DatabaseBackend::Postgres, sql)).await.unwrap();
        row.unwrap().try_get_by_index(0).unwrap()
    }

    /// How many dead letters all services have.
    pub(crate) async fn dead_letters(&self) -> i64 {
        let mut sum = 0;
        for service in ["billing", "stock", "delivery", "notification", "orchestrator"] {
            sum += self.number(service, "SELECT count(*) FROM dead_letters").await;
        }
        sum
    }
}

/// The name of a service's database.
pub(crate) fn database(service: &str) -> String {
    format!("rondo_{service}")
}
