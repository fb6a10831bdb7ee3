//! Servers and services that end with the bench: a PostgreSQL, a NATS, and on them `rondo up` as everybody
//! starts it, or several processes of every service.

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};

use anyhow::{Context, bail};
use migrations::rights::{database_of, role_of};
use sandbox::{Nats, Postgres};
use sea_orm::{ConnectionTrait, Database, DatabaseBackend, Statement};
use secrecy::ExposeSecret;
use service::config::SERVICES;
use tokio::process::{Child, Command};

use super::progress::Progress;
use super::scene::Setup;
use super::system::Operator;
use crate::processes::{cpu_seconds, memory_bytes};
use crate::rights::Keys;
use crate::services::Service;
use crate::{child, run_folder};

/// Users are registered in seconds, for password hashing is not what is measured.
const CHEAP_PASSWORDS: [(&str, &str); 2] = [("ARGON2_MEMORY_KIB", "64"), ("ARGON2_PASSES", "1")];
/// Tokens outlive the longest bench.
const TOKEN_SECONDS: &str = "86400";
/// Never: the bench audits at its end, and an hour's audit would fall into one of its runs.
const AUDIT_EVERY_SECONDS: &str = "0";
/// What counts statements; part of PostgreSQL's own extensions.
const COUNTER: &str = "pg_stat_statements";

/// Base addresses of what runs, without slashes at the end.
#[derive(Debug, Clone)]
pub(super) struct Places {
    /// Where users register and log in.
    pub(super) base: String,
    /// Where orders are placed.
    pub(super) orders: Vec<String>,
    /// The internal listener of an orchestrator.
    pub(super) orchestrator: String,
    /// The internal listeners of all processes.
    pub(super) internal: Vec<String>,
}

/// Servers, and the processes on them.
pub(super) struct Own {
    dir: PathBuf,
    postgres: Postgres,
    /// One, or a cluster.
    nats: Vec<Nats>,
    keys: Keys,
    counts_statements: bool,
    processes: Vec<Process>,
}

struct Process {
    name: String,
    child: Child,
    public: String,
    internal: String,
}

impl Places {
    /// Of one process for everything.
    pub(super) fn of_one_process(base: String, internal: String) -> Self {
        Self { orders: vec![base.clone()], base, orchestrator: internal.clone(), internal: vec![internal] }
    }
}

impl Own {
    /// Starts fresh servers in a folder below `data_dir`.
    pub(super) async fn start(
        data_dir: &Path,
        nats_servers: usize,
        progress: &Progress,
    ) -> anyhow::Result<Self> {
        let dir = run_folder::make(data_dir)?;
        let step = progress.step(format!("starting fresh servers in {}", dir.display()));
        // Nobody has served anything yet: an error says all that there is to be known.
        let started = start_servers(&dir, nats_servers).await.inspect_err(|_| run_folder::remove(&dir));
        let (postgres, nats, keys) = started?;
        let mut own = Self { dir, postgres, nats, keys, counts_statements: false, processes: Vec::new() };
        match count_statements(&mut own.postgres).await.context("counting statements") {
            Ok(counts) => own.counts_statements = counts,
            Err(error) => {
                own.stop(true, progress).await;
                return Err(error);
            }
        }
        step.done();
        if !own.postgres.home().starts_with(&own.dir) {
            progress.note(&format!(
                "its user cannot enter that folder: PostgreSQL's data is in {}, on the disk that this is on",
                own.postgres.home().display()
            ));
        }
        Ok(own)
    }

    /// Starts all services in one process; it is not ready yet.
    pub(super) fn up(&mut self, operator: &Operator, setup: Setup) -> anyhow::Result<Places> {
        let mut command = self.rondo(&["up"], setup)?;
        command.env("RONDO_DATA_DIR", self.dir.join("up"));
        // Not as arguments, which everybody on the machine can read.
        command.env("RONDO_EXTERNAL_POSTGRES", self.postgres.superuser_url("postgres"));
        command.env("RONDO_EXTERNAL_NATS", self.nats[0].url());
        command.envs(self.keys.environment(&SERVICES));
        command.env("RONDO_OPERATOR_EMAIL", &operator.email);
        command.env("RONDO_OPERATOR_PASSWORD", operator.password.expose_secret());
        let process = self.launch("rondo up".to_owned(), command)?;
        let places = Places::of_one_process(process.public.clone(), process.internal.clone());
        self.processes.push(process);
        Ok(places)
    }

    /// Starts so many processes of every service, on the databases and with the key that `rondo up` has made.
    /// They are not ready yet.
    pub(super) fn serve_separately(&mut self, replicas: u32, setup: Setup) -> anyhow::Result<Places> {
        for replica in 1..=replicas {
            for service in Service::ALL {
                self.serve(service, replica, setup)?;
            }
        }
        Ok(self.places())
    }

    /// Starts one of them. It is not ready yet.
    fn serve(&mut self, service: Service, replica: u32, setup: Setup) -> anyhow::Result<()> {
        let mut command = self.rondo(&["serve", service.name()], setup)?;
        for service in Service::ALL {
            let variable = format!("{}_DATABASE_URL", service.name().to_uppercase());
            let (role, database) = (role_of(service.name()), database_of(service.name()));
            let password = Some(self.keys.password(&role));
            command.env(variable, self.postgres.url_as(&role, password, &database));
        }
        command.env("NATS_URL", self.nats[0].url()).envs(self.keys.environment(&[service.name()]));
        command.env("AUTH_SIGNING_KEY_FILE", self.dir.join("up").join("signing-key.pem"));
        if let Some(auth) = self.processes.first() {
            command.env("AUTH_INTERNAL_URL", &auth.internal);
        }
        let process = self.launch(format!("{}-{replica}", service.name()), command)?;
        self.processes.push(process);
        Ok(())
    }

    /// Kills the only process of a service that is served separately.
    pub(super) async fn end(&mut self, service: Service) -> anyhow::Result<()> {
        let name = format!("{}-1", service.name());
        let index = self.processes.iter().position(|process| process.name == name);
        let mut process = self.processes.remove(index.with_context(|| format!("there is no {name}"))?);
        process.child.kill().await.context(name)
    }

    /// Starts it anew; it is not ready yet.
    pub(super) fn begin_again(&mut self, service: Service, setup: Setup) -> anyhow::Result<Places> {
        self.serve(service, 1, setup)?;
        Ok(self.places())
    }

    /// Of processes of every service.
    fn places(&self) -> Places {
        let orchestrators = || self.processes.iter().filter(|one| one.name.starts_with("orchestrator"));
        Places {
            base: self.processes[0].public.clone(),
            orders: orchestrators().map(|one| one.public.clone()).collect(),
            orchestrator: orchestrators().map(|one| one.internal.clone()).next().unwrap_or_default(),
            internal: self.processes.iter().map(|one| one.internal.clone()).collect(),
        }
    }

    /// This very program, as it is measured.
    fn rondo(&self, arguments: &[&str], setup: Setup) -> anyhow::Result<Command> {
        let mut command = child::command(arguments)?;
        command.envs(CHEAP_PASSWORDS).env("ACCESS_TOKEN_SECONDS", TOKEN_SECONDS);
        command.env("AUDIT_EVERY_SECONDS", AUDIT_EVERY_SECONDS);
        command.env("NATS_REPLICAS", self.nats.len().to_string());
        if !setup.batching {
            command.env("BATCH_INPUTS_MAX", "1");
        }
        if let Some(open_sagas_max) = setup.open_sagas_max {
            command.env("OPEN_SAGAS_MAX", open_sagas_max.to_string());
        }
        Ok(command)
    }

    fn launch(&self, name: String, command: Command) -> anyhow::Result<Process> {
        let address = || format!("127.0.0.1:{}", sandbox::free_port());
        let (public, internal) = (address(), address());
        let child = child::spawn(command, &public, &internal, &self.log(&name));
        let child = child.with_context(|| format!("{name} cannot be started"))?;
        let url = |address| format!("http://{address}");
        Ok(Process { name, child, public: url(public), internal: url(internal) })
    }

    fn log(&self, name: &str) -> PathBuf {
        self.dir.join(format!("{}.log", name.replace(' ', "-")))
    }

    /// # Errors
    /// A server or a process has ended by itself.
    pub(super) fn still_running(&mut self) -> anyhow::Result<()> {
        if !self.postgres.is_running() {
            bail!("PostgreSQL has ended; its log is in {}", self.postgres.home().display());
        }
        if let Some(server) = self.nats.iter().find(|server| !server.is_running()) {
            bail!("NATS has ended; its log is in {}", server.home().display());
        }
        let mut ended = None;
        for process in &mut self.processes {
            if let Some(status) = process.child.try_wait()? {
                ended = Some((process.name.clone(), status));
            }
        }
        let Some((name, status)) = ended else { return Ok(()) };
        bail!("{name} ended ({status}); see {}", self.log(&name).display())
    }

    /// Ends the services; the servers stay.
    pub(super) async fn end_processes(&mut self) {
        for mut process in self.processes.drain(..) {
            if let Err(error) = process.child.kill().await {
                tracing::warn!(%error, name = process.name, "a process");
            }
        }
    }

    /// The address of a service's database, for who looks at everything.
    pub(super) fn database_url(&self, service: Service) -> String {
        self.postgres.superuser_url(&database_of(service.name()))
    }

    /// Where statements are counted, if they are.
    pub(super) fn statements_url(&self) -> Option<String> {
        self.counts_statements.then(|| self.postgres.superuser_url("postgres"))
    }

    fn pids(&self) -> Vec<i32> {
        let pids = self.processes.iter().filter_map(|process| process.child.id());
        pids.filter_map(|pid| i32::try_from(pid).ok()).collect()
    }

    /// Their processes.
    fn programs(&self) -> impl Iterator<Item = (&'static str, Vec<i32>)> {
        let nats = self.nats.iter().flat_map(Nats::pids).collect();
        [("services", self.pids()), ("postgres", self.postgres.pids()), ("nats", nats)].into_iter()
    }

    /// By program.
    pub(super) fn cpu_seconds(&self) -> BTreeMap<&'static str, f64> {
        self.programs().map(|(name, pids)| (name, cpu_seconds(&pids))).collect()
    }

    /// By service, where each has processes of its own.
    pub(super) fn cpu_seconds_by_service(&self) -> BTreeMap<String, f64> {
        let mut seconds = BTreeMap::new();
        for process in &self.processes {
            let Some((service, _)) = process.name.split_once('-') else { continue };
            let pid = process.child.id().and_then(|pid| i32::try_from(pid).ok());
            *seconds.entry(service.to_owned()).or_default() += pid.map_or(0.0, |pid| cpu_seconds(&[pid]));
        }
        seconds
    }

    /// On disk, without PostgreSQL's log, which is written anew in place.
    pub(super) fn stored_bytes(&self) -> BTreeMap<&'static str, f64> {
        let tables = bytes_below(&self.postgres.home().join("data").join("base"));
        let streams: u64 = self.nats.iter().map(|server| bytes_below(&server.home().join("jetstream"))).sum();
        BTreeMap::from([("postgres", tables as f64), ("nats", streams as f64)])
    }

    /// By program.
    pub(super) fn memory_bytes(&self) -> BTreeMap<&'static str, u64> {
        self.programs().map(|(name, pids)| (name, memory_bytes(&pids))).collect()
    }

    /// Ends everything. Data that nobody needs to look at is removed.
    pub(super) async fn stop(&mut self, remove: bool, progress: &Progress) {
        let step = progress.step("stopping the servers");
        self.end_processes().await;
        for server in &mut self.nats {
            if let Err(error) = server.stop().await {
                tracing::warn!(%error, "a server");
            }
        }
        if let Err(error) = self.postgres.stop().await {
            tracing::warn!(%error, "a server");
        }
        step.done();
        if remove {
            run_folder::remove(&self.dir);
        } else {
            progress.note(&format!("logs and data are kept in {}", self.dir.display()));
        }
    }
}

/// What the files of a folder and of those in it hold. A file that is gone meanwhile holds nothing.
fn bytes_below(folder: &Path) -> u64 {
    let entries = std::fs::read_dir(folder).into_iter().flatten().flatten();
    let bytes = entries.map(|entry| match entry.metadata() {
        Ok(of) if of.is_dir() => bytes_below(&entry.path()),
        Ok(of) => of.len(),
        Err(_) => 0,
    });
    bytes.sum()
}

/// With the keys that `rondo up` then finds in its data folder.
async fn start_servers(dir: &Path, nats_servers: usize) -> anyhow::Result<(Postgres, Vec<Nats>, Keys)> {
    let keys = Keys::made(&dir.join("up").join("rights"))?;
    let (postgres, nats) = run_folder::start_servers_with(dir, &keys, nats_servers).await?;
    Ok((postgres, nats, keys))
}

/// Has the server count statements, if its installation can.
async fn count_statements(postgres: &mut Postgres) -> anyhow::Result<bool> {
    let url = postgres.superuser_url("postgres");
    let db = Database::connect(&url).await?;
    let find = "SELECT 1 FROM pg_available_extensions WHERE name = $1";
    let find = Statement::from_sql_and_values(DatabaseBackend::Postgres, find, [COUNTER.into()]);
    let available = db.query_one_raw(find).await?.is_some();
    if available {
        db.execute_unprepared(&format!("ALTER SYSTEM SET shared_preload_libraries = '{COUNTER}'")).await?;
    }
    db.close().await?;
    if available {
        postgres.restart().await?;
        let db = Database::connect(&url).await?;
        db.execute_unprepared(&format!("CREATE EXTENSION {COUNTER}")).await?;
        db.close().await?;
    }
    Ok(available)
}
