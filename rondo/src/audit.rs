//! The audit of money, stock and deliveries: a route of the internal listener, and a command.
//!
//! It lives here because it looks into the databases of several services, which no service may; its
//! sessions are read only. In a cluster it is given the addresses of roles that may only read.

mod http;
pub(crate) mod metric_names;
mod table;

use std::time::Duration;

use ::audit::DatabaseUrls;
use anyhow::{Context, bail};
use clap::Args;
use secrecy::ExposeSecret;
use service::config::{Config, LocalConfig};
use service::{House, Part, StartError};

use crate::services::Service;
use crate::up::database_of_running;

/// Which databases, and how it is told.
#[derive(Debug, Args)]
pub(crate) struct AuditArguments {
    /// Print JSON, as the API answers it.
    #[arg(long)]
    json: bool,
    #[command(flatten)]
    config: Config,
    #[command(flatten)]
    local: LocalConfig,
}

/// The user of NATS that a process is which does nothing else.
pub(crate) const NATS_USER: &str = "audit";

/// The route, and the audits that nobody asks for.
pub(crate) fn part(house: &House, urls: DatabaseUrls) -> Part {
    let business = &house.config.business;
    let every = Duration::from_secs(business.audit_every_seconds.into());
    http::part(urls, business.audit_quiet_seconds, every, house)
}

/// The databases that a process was told of.
///
/// # Errors
/// The address of one is missing.
pub(crate) fn given_urls(config: &Config) -> Result<DatabaseUrls, StartError> {
    let missing =
        |service: Service| StartError::Missing(format!("{}_DATABASE_URL", service.name().to_uppercase()));
    urls(|service| given(config, service).ok_or_else(|| missing(service)))
}

/// Prints what was found, and fails if that is anything. Without addresses it is about the `rondo up` that
/// runs in this folder.
pub(crate) async fn run(arguments: AuditArguments) -> anyhow::Result<()> {
    let AuditArguments { json, config, local } = arguments;
    let urls = urls(|service| match given(&config, service) {
        Some(url) => Ok(url),
        None => database_of_running(&local, service)
            .map(|url| url.expose_secret().to_owned())
            .with_context(|| format!("{}_DATABASE_URL is not given", service.name().to_uppercase())),
    })?;
    let report = ::audit::audit_quiet(&urls, config.business.audit_quiet_seconds).await?;
    table::print(&report, json)?;
    if !report.is_clean() {
        bail!(
            "{} rules do not hold, the services disagree on {} orders",
            report.findings.len(),
            report.orders.len()
        );
    }
    Ok(())
}

fn given(config: &Config, service: Service) -> Option<String> {
    config.databases.of(service.name()).map(|url| url.expose_secret().to_owned())
}

/// The databases that are audited.
pub(crate) fn urls<E>(url: impl Fn(Service) -> Result<String, E>) -> Result<DatabaseUrls, E> {
    Ok(DatabaseUrls {
        billing: url(Service::Billing)?,
        stock: url(Service::Stock)?,
        delivery: url(Service::Delivery)?,
        orchestrator: url(Service::Orchestrator)?,
        notification: url(Service::Notification)?,
    })
}
