//! The system that is measured: one of its own on fresh, durable servers, or a given one.

use std::collections::BTreeMap;
use std::time::{Duration, Instant};

use anyhow::bail;
use reqwest::Client;
use secrecy::{ExposeSecret, SecretString};
use service::config::Databases;

use super::BenchArguments;
use super::connection::Authority;
use super::customers::log_in;
use super::metrics::Metrics;
use super::own::{Own, Places};
use super::progress::Progress;
use super::scene::{Setup, TOGETHER};
use crate::processes::{own_cpu_seconds, own_memory_bytes};
use crate::services::Service;

const READY_WITHIN: Duration = Duration::from_secs(120);
const LOOK_EVERY: Duration = Duration::from_millis(100);
const DEATH_SEEN_WITHIN: Duration = Duration::from_secs(1);
const REQUEST_TIMEOUT: Duration = Duration::from_secs(60);

/// Somebody who may put positions in stock.
#[derive(Debug)]
pub(super) struct Operator {
    pub(super) email: String,
    pub(super) password: SecretString,
}

/// A running system.
pub(super) struct System {
    /// For everything but the load.
    pub(super) client: Client,
    places: Places,
    operator: Operator,
    databases: Databases,
    own: Option<Own>,
}

impl System {
    /// Takes the given system, or starts one: all services in one process. It may not be ready yet.
    pub(super) async fn start(arguments: &BenchArguments, progress: &Progress) -> anyhow::Result<Self> {
        let client = Client::builder().no_proxy().timeout(REQUEST_TIMEOUT).build()?;
        let given = &arguments.given;
        let login = &given.login;
        let parts = (&given.base_url, &given.internal_url, &login.operator_email, &login.operator_password);
        let (Some(base_url), Some(internal_url), Some(email), Some(password)) = parts else {
            return Self::start_own(client, arguments, progress).await;
        };
        given.check(arguments.overload)?;
        let base_url = base_url.trim_end_matches('/').to_owned();
        Ok(Self {
            client,
            places: Places::of_one_process(base_url, internal_url.trim_end_matches('/').to_owned()),
            operator: Operator { email: email.clone(), password: password.clone() },
            databases: given.databases.clone(),
            own: None,
        })
    }

    async fn start_own(
        client: Client,
        arguments: &BenchArguments,
        progress: &Progress,
    ) -> anyhow::Result<Self> {
        let mut own = Own::start(&arguments.data_dir, arguments.nats_servers(), progress).await?;
        let operator = Operator {
            email: "operator@example.com".to_owned(),
            password: format!("{:032x}", rand::random::<u128>()).into(),
        };
        let places = own.up(&operator, TOGETHER)?;
        let mut databases = Databases::default();
        for service in Service::ALL {
            databases.set(service.name(), own.database_url(service));
        }
        Ok(Self { client, places, operator, databases, own: Some(own) })
    }

    /// Serves otherwise from here on; a given system stays as it is. Nothing must be going on.
    pub(super) async fn serve(&mut self, setup: Setup, progress: &Progress) -> anyhow::Result<()> {
        let Some(own) = &mut self.own else { return Ok(()) };
        let step = progress.step(format!("starting the services again{}", setup.note()));
        own.end_processes().await;
        self.places = match setup.replicas {
            None => own.up(&self.operator, setup)?,
            Some(replicas) => own.serve_separately(replicas, setup)?,
        };
        self.ready().await?;
        step.done();
        Ok(())
    }

    /// Kills the only process of a service that is served separately.
    pub(super) async fn end(&mut self, service: Service) -> anyhow::Result<()> {
        match &mut self.own {
            Some(own) => own.end(service).await,
            None => bail!("nobody ends what others have started"),
        }
    }

    /// Starts it again, and waits until it serves.
    pub(super) async fn begin_again(&mut self, service: Service, setup: Setup) -> anyhow::Result<()> {
        if let Some(own) = &mut self.own {
            self.places = own.begin_again(service, setup)?;
        }
        self.ready().await
    }

    /// Waits until a system of its own serves.
    pub(super) async fn begin(&mut self, progress: &Progress) -> anyhow::Result<()> {
        if self.is_own() {
            let step = progress.step("starting rondo up on them");
            self.ready().await?;
            step.done();
        }
        Ok(())
    }

    /// Ready when all say so and the operator has the role, which `rondo up` sees to after its start.
    async fn ready(&mut self) -> anyhow::Result<()> {
        let began = Instant::now();
        while !(self.all_are_ready().await && self.serves_the_operator().await) {
            self.still_running()?;
            if began.elapsed() > READY_WITHIN {
                bail!("not ready within {} s", READY_WITHIN.as_secs());
            }
            tokio::time::sleep(LOOK_EVERY).await;
        }
        Ok(())
    }

    async fn all_are_ready(&self) -> bool {
        for internal in &self.places.internal {
            let answer = self.client.get(format!("{internal}/readyz")).send().await;
            if !answer.is_ok_and(|answer| answer.status().is_success()) {
                return false;
            }
        }
        true
    }

    async fn serves_the_operator(&self) -> bool {
        let Ok(token) = self.operator_token().await else { return false };
        let url = format!("{}/internal/api/v1/sagas?limit=1", self.places.orchestrator);
        let answer = self.client.get(url).bearer_auth(token).send().await;
        answer.is_ok_and(|answer| answer.status().is_success())
    }

    /// A new token of the operator.
    pub(super) async fn operator_token(&self) -> anyhow::Result<String> {
        let Operator { email, password } = &self.operator;
        let session = log_in(&self.client, self.base_url(), email, password.expose_secret()).await?;
        Ok(session.access_token)
    }

    /// Where users register and log in, without a slash at the end.
    pub(super) fn base_url(&self) -> &str {
        &self.places.base
    }

    /// The internal listener of the services in one process, without a slash at the end.
    pub(super) fn internal_url(&self) -> &str {
        &self.places.orchestrator
    }

    /// Where orders are placed.
    pub(super) fn authorities(&self) -> anyhow::Result<Vec<Authority>> {
        self.places.orders.iter().map(|url| Authority::parse(url)).collect()
    }

    /// The metrics of now, of all processes.
    pub(super) async fn metrics(&self) -> anyhow::Result<Metrics> {
        Metrics::scrape(&self.client, &self.places.internal).await
    }

    /// Whether it was started by the bench.
    pub(super) fn is_own(&self) -> bool {
        self.own.is_some()
    }

    /// The address of a service's database, if it is known.
    pub(super) fn database_url(&self, service: Service) -> Option<&str> {
        self.databases.of(service.name()).map(ExposeSecret::expose_secret)
    }

    /// Where statements are counted, if they are.
    pub(super) fn statements_url(&self) -> Option<String> {
        self.own.as_ref().and_then(Own::statements_url)
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

    /// CPU seconds used so far, by program; of a given system only the bench's own.
    pub(super) fn cpu_seconds(&self) -> BTreeMap<&'static str, f64> {
        let mut seconds = self.own.as_ref().map(Own::cpu_seconds).unwrap_or_default();
        seconds.insert("load", own_cpu_seconds());
        seconds
    }

    /// CPU seconds used so far, by service; where one process has all of them, nothing.
    pub(super) fn cpu_seconds_by_service(&self) -> BTreeMap<String, f64> {
        self.own.as_ref().map(Own::cpu_seconds_by_service).unwrap_or_default()
    }

    /// Bytes that PostgreSQL and NATS keep on disk, if they are the bench's own.
    pub(super) fn stored_bytes(&self) -> BTreeMap<&'static str, f64> {
        self.own.as_ref().map(Own::stored_bytes).unwrap_or_default()
    }

    /// Bytes in memory, by program; of a given system only the bench's own.
    pub(super) fn memory_bytes(&self) -> BTreeMap<&'static str, u64> {
        let mut bytes = self.own.as_ref().map(Own::memory_bytes).unwrap_or_default();
        bytes.insert("load", own_memory_bytes());
        bytes
    }

    /// # Errors
    /// A server or a process of its own has ended by itself.
    pub(super) fn still_running(&mut self) -> anyhow::Result<()> {
        self.own.as_mut().map_or(Ok(()), Own::still_running)
    }

    /// What failed, with the death that it came from, if a server or a process of its own has died. A connection may
    /// break before that is seen.
    pub(super) async fn death_behind(&mut self, error: anyhow::Error) -> anyhow::Error {
        let began = Instant::now();
        while began.elapsed() < DEATH_SEEN_WITHIN {
            match self.still_running() {
                Err(ended) if ended.to_string() == error.to_string() => return error,
                Err(ended) => return error.context(ended),
                Ok(()) => tokio::time::sleep(LOOK_EVERY).await,
            }
        }
        error
    }

    /// Ends what was started here. Data that nobody needs to look at is removed.
    pub(super) async fn stop(&mut self, remove: bool, progress: &Progress) {
        if let Some(own) = &mut self.own {
            own.stop(remove, progress).await;
        }
    }
}
