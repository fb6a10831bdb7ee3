//! `rondo serve <service>...`: some services in one process, on servers that are there already.

use anyhow::Context;
use clap::Args;
use messaging::crash;
use service::config::{Config, CrashConfig};
use service::{House, Listeners, Part, shutdown, telemetry};

use crate::services::Service;

/// Which services, and how.
#[derive(Debug, Args)]
pub(crate) struct ServeArguments {
    /// The services of this process.
    #[arg(required = true, value_enum)]
    services: Vec<Service>,
    #[command(flatten)]
    config: Config,
    #[command(flatten)]
    crash: CrashConfig,
}

/// Serves until SIGTERM or Ctrl-C.
pub(crate) async fn run(arguments: ServeArguments) -> anyhow::Result<()> {
    let ServeArguments { mut services, mut config, crash } = arguments;
    services.dedup();
    telemetry::start_logs(&config.telemetry)?;
    if let Some(words) = &crash.crash_at {
        crash::arm(words)?;
    }
    let listeners = Listeners::bind(&config.http).await?;
    // Port 0 is a free one: from here on everybody is told the real one.
    config.http.public_addr = listeners.public_addr()?;
    config.http.internal_addr = listeners.internal_addr()?;
    let house = House::build(config).await?;
    shutdown::on_signal(house.draining.clone())?;
    let parts = start(&services, &house).await?;
    tracing::info!(
        services = ?services.iter().map(|service| service.name()).collect::<Vec<_>>(),
        public = %house.config.http.public_addr,
        internal = %house.config.http.internal_addr,
        "serving"
    );
    Ok(service::run(house, parts, listeners).await?)
}

/// Starts services in a house, one after the other.
pub(crate) async fn start(services: &[Service], house: &House) -> anyhow::Result<Vec<Part>> {
    let mut parts = Vec::with_capacity(services.len());
    for service in services {
        let started = service.start(house).await;
        parts.push(started.with_context(|| format!("{} cannot start", service.name()))?);
    }
    Ok(parts)
}
