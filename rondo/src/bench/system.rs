//! The system that is measured: one of its own on fresh, durable servers, or a given one.

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};
use std::process::Stdio;
use std::time::{Duration, Instant};

use anyhow::{Context, bail};
use reqwest::Client;
use sandbox::{Nats, NatsOptions, Postgres, PostgresOptions};
use secrecy::{ExposeSecret, SecretString};
use service::config::Databases;
use tokio::process::{Child, Command};
use uuid::Uuid;

use super::BenchArguments;
use super::customers::log_in;
use super::processes::{cpu_seconds, own_cpu_seconds};
use super::progress::Progress;
use crate::services::Service;

const READY_WITHIN: Duration = Duration::from_secs(120);
const LOOK_EVERY: Duration = Duration::from_millis(100);
const REQUEST_TIMEOUT: Duration = Duration::from_secs(60);
/// Users are registered in seconds, for password hashing is not what is measured.
const CHEAP_PASSWORDS: [&str; 4] = ["--argon2-memory-kib", "64", "--argon2-passes", "1"];
/// Tokens outlive the longest bench.
const TOKEN_SECONDS: &str = "86400";

/// Somebody who may put positions in stock.
#[derive(Debug)]
struct Operator {
    email: String,
    password: SecretString,
}

/// A running system.
pub(super) struct System {
    /// For everything but the load.
    pub(super) client: Client,
    base_url: String,
    internal_url: String,
    operator: Operator,
    databases: Databases,
    own: Option<Own>,
}

/// Servers and services that end with the bench.
struct Own {
    dir: PathBuf,
    postgres: Postgres,
    nats: Nats,
    /// `rondo up`, as everybody starts it, on these servers.
    services: Child,
}

impl System {
    /// Takes the given system, or starts one.
    pub(super) async fn start(arguments: &BenchArguments, progress: &Progress) -> anyhow::Result<Self> {
        let client = Client::builder().no_proxy().timeout(REQUEST_TIMEOUT).build()?;
        let given = &arguments.given;
        let parts = (&given.base_url, &given.internal_url, &given.operator_email, &given.operator_password);
        let (Some(base_url), Some(internal_url), Some(email), Some(password)) = parts else {
            return Self::start_own(client, &arguments.data_dir, progress).await;
        };
        Ok(Self {
            client,
            base_url: base_url.trim_end_matches('/').to_owned(),
            internal_url: internal_url.trim_end_matches('/').to_owned(),
            operator: Operator { email: email.clone(), password: password.clone() },
            databases: given.databases.clone(),
            own: None,
        })
    }

    async fn start_own(client: Client, data_dir: &Path, progress: &Progress) -> anyhow::Result<Self> {
        let dir = data_dir.join(format!("run-{}", Uuid::now_v7().simple()));
        let step = progress.step(format!("starting fresh servers in {}", dir.display()));
        let (postgres, nats) = start_servers(&dir).await?;
        step.done();
        let step = progress.step("starting rondo up on them");
        let operator = Operator {
            email: "operator@example.com".to_owned(),
            password: format!("{:032x}", rand::random::<u128>()).into(),
        };
        let (public, internal) = (sandbox::free_port(), sandbox::free_port());
        let up = Up { dir: &dir, postgres: &postgres, nats: &nats, operator: &operator, public, internal };
        let services = up.spawn()?;
        let mut databases = Databases::default();
        for service in Service::ALL {
            let name = service.name();
            databases.set(name, postgres.superuser_url(&format!("rondo_{name}")));
        }
        let own = Some(Own { dir, postgres, nats, services });
        let (base_url, internal_url) =
            (format!("http://127.0.0.1:{public}"), format!("http://127.0.0.1:{internal}"));
        let mut system = Self { client, base_url, internal_url, operator, databases, own };
        system.ready().await?;
        step.done();
        Ok(system)
    }

    /// Ready when it says so and the operator has the role, which `rondo up` sees to after its start.
    async fn ready(&mut self) -> anyhow::Result<()> {
        let began = Instant::now();
        while !self.serves_the_operator().await {
            if let Some(own) = &mut self.own
                && let Some(status) = own.services.try_wait()?
            {
                bail!("rondo up ended ({status}); see {}", own.dir.join("rondo.log").display());
            }
            if began.elapsed() > READY_WITHIN {
                bail!("not ready within {} s", READY_WITHIN.as_secs());
            }
            tokio::time::sleep(LOOK_EVERY).await;
        }
        Ok(())
    }

    async fn serves_the_operator(&self) -> bool {
        let Ok(token) = self.operator_token().await else { return false };
        let asks = [
            self.client.get(format!("{}/readyz", self.internal_url)),
            self.client
                .get(format!("{}/internal/api/v1/sagas?limit=1", self.internal_url))
                .bearer_auth(token),
        ];
        for ask in asks {
            if !ask.send().await.is_ok_and(|answer| answer.status().is_success()) {
                return false;
            }
        }
        true
    }

    /// A new token of the operator.
    pub(super) async fn operator_token(&self) -> anyhow::Result<String> {
        let Operator { email, password } = &self.operator;
        let session = log_in(&self.client, &self.base_url, email, password.expose_secret()).await?;
        Ok(session.access_token)
    }

    /// Of the public listener, without a slash at the end.
    pub(super) fn base_url(&self) -> &str {
        &self.base_url
    }

    /// Of the internal listener, without a slash at the end.
    pub(super) fn internal_url(&self) -> &str {
        &self.internal_url
    }

    /// Whether it was started by the bench.
    pub(super) fn is_own(&self) -> bool {
        self.own.is_some()
    }

    /// The address of a service's database, if it is known.
    pub(super) fn database_url(&self, service: Service) -> Option<&str> {
        self.databases.url(service.name()).map(ExposeSecret::expose_secret)
    }

    /// What the audit needs, if all of it is known.
    pub(super) fn audit_urls(&self) -> Option<audit::DatabaseUrls> {
        let url = |service| self.database_url(service).map(str::to_owned);
        Some(audit::DatabaseUrls {
            billing: url(Service::Billing)?,
            stock: url(Service::Stock)?,
            delivery: url(Service::Delivery)?,
            orchestrator: url(Service::Orchestrator)?,
            notification: url(Service::Notification)?,
        })
    }

    /// CPU seconds used so far, by process; of a given system only the bench's own.
    pub(super) fn cpu_seconds(&self) -> BTreeMap<&'static str, f64> {
        let mut seconds = BTreeMap::from([("load", own_cpu_seconds())]);
        if let Some(own) = &self.own {
            let services = own.services.id().and_then(|pid| i32::try_from(pid).ok());
            seconds.insert("services", cpu_seconds(services.as_slice()));
            seconds.insert("postgres", cpu_seconds(&own.postgres.pids()));
            seconds.insert("nats", cpu_seconds(&own.nats.pids()));
        }
        seconds
    }

    /// Ends what was started here. Data that nobody needs to look at is removed.
    pub(super) async fn stop(&mut self, remove: bool, progress: &Progress) {
        let Some(own) = &mut self.own else { return };
        let step = progress.step("stopping the servers");
        if let Err(error) = own.services.kill().await {
            tracing::warn!(%error, "rondo up");
        }
        for stopped in [own.nats.stop().await, own.postgres.stop().await] {
            if let Err(error) = stopped {
                tracing::warn!(%error, "a server");
            }
        }
        if remove {
            // Postgres' folder may be a link to where its user can go.
            for dir in [own.postgres.home(), &own.dir] {
                let _ = std::fs::remove_dir_all(dir);
            }
            step.done();
        } else {
            step.done();
            progress.note(&format!("logs and data are kept in {}", own.dir.display()));
        }
    }
}

async fn start_servers(dir: &Path) -> anyhow::Result<(Postgres, Nats)> {
    std::fs::create_dir_all(dir).with_context(|| dir.display().to_string())?;
    let postgres = PostgresOptions { dir: dir.join("postgres"), port: None, durable: true, template: None };
    let nats = NatsOptions { dir: dir.join("nats"), port: None, durable: true, tools: Vec::new() };
    let (postgres, nats) = tokio::join!(Postgres::start(postgres), Nats::start(nats));
    Ok((postgres?, nats?))
}

/// `rondo up`, this very program.
struct Up<'a> {
    dir: &'a Path,
    postgres: &'a Postgres,
    nats: &'a Nats,
    operator: &'a Operator,
    public: u16,
    internal: u16,
}

impl Up<'_> {
    /// In a process group of its own, so that Ctrl-C reaches only the bench; it dies with the bench.
    fn spawn(&self) -> anyhow::Result<Child> {
        let log = std::fs::File::create(self.dir.join("rondo.log"))?;
        let mut command = Command::new("setpriv");
        command.args(["--pdeathsig", "KILL", "--"]).arg(std::env::current_exe()?);
        command.arg("up").arg("--data-dir").arg(self.dir.join("up"));
        command.arg("--public-addr").arg(format!("127.0.0.1:{}", self.public));
        command.arg("--internal-addr").arg(format!("127.0.0.1:{}", self.internal));
        command.args(CHEAP_PASSWORDS).args(["--access-token-seconds", TOKEN_SECONDS]);
        // Not as arguments, which everybody on the machine can read.
        command.env("RONDO_EXTERNAL_POSTGRES", self.postgres.superuser_url("postgres"));
        command.env("RONDO_EXTERNAL_NATS", self.nats.url());
        command.env("RONDO_OPERATOR_EMAIL", &self.operator.email);
        command.env("RONDO_OPERATOR_PASSWORD", self.operator.password.expose_secret());
        command.stdin(Stdio::null()).stdout(log.try_clone()?).stderr(log);
        command.process_group(0).kill_on_drop(true).spawn().context("rondo up cannot be started")
    }
}
