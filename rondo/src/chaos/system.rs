//! The system under test: servers of its own, and `rondo serve` processes that reach them through proxies.

use std::collections::{BTreeMap, HashMap};
use std::net::{Ipv4Addr, SocketAddr};
use std::path::{Path, PathBuf};
use std::time::{Duration, Instant};

use anyhow::bail;
use migrations::rights::{MIGRATOR, Owner, apply, database_of, role_of};
use reqwest::Client;
use sandbox::{Nats, Postgres, Proxy};
use secrecy::{ExposeSecret, SecretString};
use tokio::process::Command;
use tokio::sync::Mutex;

use super::disk::Disk;
use super::fault::Server;
use super::layout;
use super::process::{Process, Told};
use crate::rights::Keys;
use crate::run_folder;
use crate::services::Service;

const READY_WITHIN: Duration = Duration::from_secs(120);
const LOOK_EVERY: Duration = Duration::from_millis(100);
/// A client's patience: longer than it asks the system to wait, shorter than the gateway's.
const REQUEST_TIMEOUT: Duration = Duration::from_secs(12);

/// Everything that runs.
pub(super) struct System {
    pub(super) dir: PathBuf,
    pub(super) postgres: Mutex<Postgres>,
    pub(super) nats: Mutex<Nats>,
    pub(super) disk: Disk,
    pub(super) processes: BTreeMap<String, Mutex<Process>>,
    /// From a process to a server; to a process from the gateway.
    pub(super) proxies: HashMap<(String, Server), Proxy>,
    /// Deal requests out to the two processes of a kind.
    _dealers: Vec<Proxy>,
    /// The internal listeners of the two processes of a kind.
    internal: BTreeMap<&'static str, SocketAddr>,
    pub(super) public_url: String,
    pub(super) nats_address: SocketAddr,
    pub(super) signing_key: SecretString,
    keys: Keys,
    pub(super) client: Client,
    database_urls: BTreeMap<&'static str, String>,
}

impl System {
    /// Starts the servers in a new folder; nothing is left of it where one of them does not start.
    pub(super) async fn start(data_dir: &Path, own_mounts: bool) -> anyhow::Result<Self> {
        let client = Client::builder().no_proxy().timeout(REQUEST_TIMEOUT).build()?;
        let dir = run_folder::make(data_dir)?;
        let disk = Disk::prepare(&dir.join(run_folder::NATS), own_mounts)
            .inspect_err(|_| run_folder::remove(&dir))?;
        let started = start_servers(&dir).await.inspect_err(|_| {
            disk.end(true);
            run_folder::remove(&dir);
        });
        let (postgres, nats, keys) = started?;
        let nats_address = SocketAddr::from((Ipv4Addr::LOCALHOST, nats.port()));
        Ok(Self {
            disk,
            postgres: Mutex::new(postgres),
            nats: Mutex::new(nats),
            processes: BTreeMap::new(),
            proxies: HashMap::new(),
            _dealers: Vec::new(),
            internal: BTreeMap::new(),
            public_url: String::new(),
            nats_address,
            signing_key: auth::keys::generate(),
            keys,
            client,
            database_urls: BTreeMap::new(),
            dir,
        })
    }

    /// Makes the databases, starts all processes and waits until they are ready.
    pub(super) async fn begin(&mut self) -> anyhow::Result<()> {
        let postgres = self.postgres.get_mut();
        let postgres_address = SocketAddr::from((Ipv4Addr::LOCALHOST, postgres.port()));
        let superuser = |database: Option<&str>| postgres.superuser_url(database.unwrap_or("postgres"));
        apply(&self.keys.steps(Owner::Made(MIGRATOR)), superuser).await?;
        let mut owners = BTreeMap::new();
        for service in Service::ALL {
            let (role, database) = (role_of(service.name()), database_of(service.name()));
            let url = |role: &str| postgres.url_as(role, Some(self.keys.password(role)), &database);
            owners.insert(service.name(), url(MIGRATOR));
            self.database_urls.insert(service.name(), url(&role));
        }
        migrate(&owners).await?;
        self.lay_out(postgres_address).await?;
        std::fs::create_dir(self.logs())?;
        for process in self.processes.values() {
            process.lock().await.start()?;
        }
        self.ready().await
    }

    /// The proxies, and the processes that know nothing but them.
    async fn lay_out(&mut self, postgres: SocketAddr) -> anyhow::Result<()> {
        let mut gateway = Vec::new();
        for (kind, services) in layout::TWICE {
            let (mut public, mut internal) = (Vec::new(), Vec::new());
            for name in layout::replicas(kind) {
                let told = self.told(&name, services, postgres).await?;
                // The gateway's way to it can be disturbed like all others.
                let way = Proxy::start(vec![told.public]).await?;
                public.push(way.address());
                internal.push(told.internal);
                self.proxies.insert((name.clone(), Server::Http), way);
                self.processes.insert(name.clone(), Mutex::new(Process::new(&name, told)));
            }
            let (public, internal) = (Proxy::start(public).await?, Proxy::start(internal).await?);
            let url = format!("http://{}", public.address());
            gateway
                .extend(services.iter().map(|of| (format!("{}_PUBLIC_URL", of.to_uppercase()), url.clone())));
            self.internal.insert(kind, internal.address());
            self._dealers.extend([public, internal]);
        }
        let [public, internal] = free_addresses();
        self.public_url = format!("http://{public}");
        gateway.push(("LOG".to_owned(), "info".to_owned()));
        let log = self.log_of(layout::GATEWAY);
        let told = Told { services: &[layout::GATEWAY], public, internal, environment: gateway, log };
        let process = Process::new(layout::GATEWAY, told);
        self.processes.insert(layout::GATEWAY.to_owned(), Mutex::new(process));
        Ok(())
    }

    async fn told(
        &mut self,
        name: &str,
        services: &'static [&'static str],
        postgres: SocketAddr,
    ) -> anyhow::Result<Told> {
        let (to_postgres, to_nats) =
            (Proxy::start(vec![postgres]).await?, Proxy::start(vec![self.nats_address]).await?);
        let mut environment = self.databases_through(to_postgres.address());
        environment.extend(self.keys.environment(services));
        let [public, internal] = free_addresses();
        for (name, value) in [
            ("NATS_URL", format!("nats://{}", to_nats.address())),
            ("AUTH_SIGNING_KEY", self.signing_key.expose_secret().to_owned()),
            ("LOG", "info,sqlx=warn,async_nats=warn".to_owned()),
            ("DRAIN_SECONDS", "1".to_owned()),
            ("SHUTDOWN_GRACE_SECONDS", "5".to_owned()),
            ("ARGON2_MEMORY_KIB", "64".to_owned()),
            ("ARGON2_PASSES", "1".to_owned()),
            ("DELIVERY_COURIERS", layout::COURIERS.to_string()),
        ] {
            environment.push((name.to_owned(), value));
        }
        self.proxies.insert((name.to_owned(), Server::Postgres), to_postgres);
        self.proxies.insert((name.to_owned(), Server::Nats), to_nats);
        Ok(Told { services, public, internal, environment, log: self.log_of(name) })
    }

    fn log_of(&self, name: &str) -> PathBuf {
        self.logs().join(format!("{name}.log"))
    }

    fn logs(&self) -> PathBuf {
        self.dir.join("logs")
    }

    /// Whether any process has got so far that it may have said something.
    pub(super) fn has_logs(&self) -> bool {
        self.logs().exists()
    }

    /// The databases' addresses as settings, through a proxy.
    fn databases_through(&self, proxy: SocketAddr) -> Vec<(String, String)> {
        let through = |url: &String| match reqwest::Url::parse(url) {
            Ok(mut parsed) => {
                // An address of `postgres://...@127.0.0.1:port/...` can have another port.
                let _ = parsed.set_port(Some(proxy.port()));
                parsed.to_string()
            }
            Err(_) => url.clone(),
        };
        self.database_urls.iter().map(|(service, url)| (database_setting(service), through(url))).collect()
    }

    /// The address of a service's database, past all proxies.
    pub(super) fn database_url(&self, service: &str) -> String {
        self.database_urls.get(service).cloned().unwrap_or_default()
    }

    /// The internal listeners of a kind of process.
    pub(super) fn internal_url(&self, kind: &str) -> String {
        self.internal.get(kind).map_or_else(String::new, |address| format!("http://{address}"))
    }

    /// What NATS did not let a service do, since the start before its last: its rights would be too small.
    pub(super) async fn forbidden_by_nats(&self) -> Vec<String> {
        let log = self.nats.lock().await.home().join("nats.log");
        let read = |log: &Path| std::fs::read_to_string(log).unwrap_or_default();
        let all = read(&log.with_added_extension("old")) + &read(&log);
        all.lines().filter(|line| line.contains("Violation")).map(|line| format!("NATS: {line}")).collect()
    }

    /// Waits until every process says that it is ready.
    pub(super) async fn ready(&self) -> anyhow::Result<()> {
        let until = Instant::now() + READY_WITHIN;
        for (name, process) in &self.processes {
            let url = format!("http://{}/readyz", process.lock().await.internal());
            loop {
                let answer = self.client.get(&url).timeout(Duration::from_secs(2)).send().await;
                let said = match answer {
                    Ok(answer) if answer.status().is_success() => break,
                    Ok(answer) => answer.text().await.unwrap_or_default(),
                    Err(error) => error.to_string(),
                };
                if Instant::now() > until {
                    bail!("{name} is not ready within {} s: {said}", READY_WITHIN.as_secs());
                }
                tokio::time::sleep(LOOK_EVERY).await;
            }
        }
        Ok(())
    }

    /// Ends everything that was started here. Data that nobody needs to look at is removed.
    pub(super) async fn stop(&self, remove: bool) {
        for process in self.processes.values() {
            process.lock().await.kill().await;
        }
        let (mut nats, mut postgres) = (self.nats.lock().await, self.postgres.lock().await);
        for stopped in [nats.stop().await, postgres.stop().await] {
            if let Err(error) = stopped {
                tracing::warn!(%error, "a server");
            }
        }
        self.disk.end(remove);
        if remove {
            run_folder::remove(&self.dir);
        }
    }
}

/// With keys of its own.
async fn start_servers(dir: &Path) -> anyhow::Result<(Postgres, Nats, Keys)> {
    let keys = Keys::made(&dir.join("rights"))?;
    let (postgres, nats) = run_folder::start_servers(dir, &keys).await?;
    Ok((postgres, nats, keys))
}

/// Brings the databases up to date, as their owner.
async fn migrate(urls: &BTreeMap<&str, String>) -> anyhow::Result<()> {
    let mut migrate = Command::new(std::env::current_exe()?);
    migrate.args(["migrate", "all"]).kill_on_drop(true);
    migrate.envs(urls.iter().map(|(service, url)| (database_setting(service), url)));
    let migrated = migrate.output().await?;
    if !migrated.status.success() {
        bail!("the databases are not brought up to date: {}", String::from_utf8_lossy(&migrated.stderr));
    }
    Ok(())
}

fn database_setting(service: &str) -> String {
    format!("{}_DATABASE_URL", service.to_uppercase())
}

fn free_addresses() -> [SocketAddr; 2] {
    [(); 2].map(|()| SocketAddr::from((Ipv4Addr::LOCALHOST, sandbox::free_port())))
}
