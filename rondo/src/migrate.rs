//! `rondo migrate <service|all>`: what a release runs before its processes.

use anyhow::Context;
use clap::Args;
use sea_orm::Database;
use secrecy::ExposeSecret;
use service::config::Config;
use service::telemetry;

use crate::services::Service;

/// Whose database.
#[derive(Debug, Args)]
pub(crate) struct MigrateArguments {
    /// A service, or `all`.
    #[arg(value_parser = services)]
    services: Services,
    #[command(flatten)]
    config: Config,
}

#[derive(Debug, Clone)]
struct Services(Vec<Service>);

fn services(word: &str) -> Result<Services, String> {
    if word == "all" {
        return Ok(Services(Service::ALL.to_vec()));
    }
    let known = Service::ALL.into_iter().find(|service| service.name() == word);
    let names = Service::ALL.map(Service::name).join(", ");
    known.map(|service| Services(vec![service])).ok_or_else(|| format!("is none of {names}, all"))
}

/// Migrates one database after the other.
pub(crate) async fn run(arguments: &MigrateArguments) -> anyhow::Result<()> {
    telemetry::start_logs(&arguments.config.telemetry)?;
    for service in &arguments.services.0 {
        let name = service.name();
        let url = arguments.config.databases.of(name);
        let url = url.with_context(|| format!("{}_DATABASE_URL is not configured", name.to_uppercase()))?;
        let db = Database::connect(url.expose_secret())
            .await
            .with_context(|| format!("the database of {name}"))?;
        service.migrate(&db).await?;
        tracing::info!(service = name, "the database is up to date");
    }
    Ok(())
}
