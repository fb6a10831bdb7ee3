//! `rondo serve <service>...`: some services in one process, on servers that are there already; or the
//! gateway in front of them.

use std::collections::HashSet;

use anyhow::{Context, bail};
use clap::builder::PossibleValue;
use clap::{Args, ValueEnum};
use messaging::crash;
use service::config::{Config, CrashConfig, GatewayConfig};
use service::gateway::{self, Behind};
use service::{House, Listeners, Part, shutdown, telemetry};

use crate::audit;
use crate::services::Service;

/// Which services, and how.
#[derive(Debug, Args)]
pub(crate) struct ServeArguments {
    /// The services of this process, and the audit over them; or the gateway, which has a process of its own.
    #[arg(required = true, value_enum)]
    services: Vec<Served>,
    #[command(flatten)]
    config: Config,
    #[command(flatten)]
    gateway: GatewayConfig,
    #[command(flatten)]
    crash: CrashConfig,
}

/// What a process can be for.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
enum Served {
    Service(Service),
    Audit,
    Gateway,
}

impl ValueEnum for Served {
    fn value_variants<'a>() -> &'a [Self] {
        const SERVICES: usize = Service::ALL.len();
        const ALL: [Served; SERVICES + 2] = {
            let mut all = [Served::Gateway; SERVICES + 2];
            let mut index = 0;
            while index < SERVICES {
                all[index] = Served::Service(Service::ALL[index]);
                index += 1;
            }
            all[SERVICES] = Served::Audit;
            all
        };
        &ALL
    }

    fn to_possible_value(&self) -> Option<PossibleValue> {
        match self {
            Self::Service(service) => service.to_possible_value(),
            Self::Audit => {
                Some(PossibleValue::new("audit").help("Whether money, stock and deliveries add up"))
            }
            Self::Gateway => Some(PossibleValue::new("gateway").help("The way to all services")),
        }
    }
}

/// Serves until SIGTERM or Ctrl-C.
pub(crate) async fn run(arguments: ServeArguments) -> anyhow::Result<()> {
    let ServeArguments { mut services, mut config, gateway, crash } = arguments;
    let mut named = HashSet::new();
    services.retain(|service| named.insert(*service));
    telemetry::start_logs(&config.telemetry)?;
    telemetry::start_traces(&config.telemetry, &name(&services))?;
    if let Some(words) = &crash.crash_at {
        crash::arm(words)?;
    }
    let listeners = Listeners::bind(&config.http)?;
    // Port 0 is a free one: from here on everybody is told the real one.
    config.http.public_addr = listeners.public_addr()?;
    config.http.internal_addr = listeners.internal_addr()?;
    if services.contains(&Served::Gateway) {
        return serve_gateway(&services, &config, &gateway, listeners).await;
    }
    let audits = services.contains(&Served::Audit);
    let services: Vec<Service> = services.into_iter().filter_map(Served::service).collect();
    let first = services.first().copied().map_or(audit::NATS_USER, Service::name);
    let listeners = listeners.say_alive(&config.http)?;
    let mut house = House::build(config, first).await?;
    house.schemas = services.iter().map(|service| (service.name(), service.schema())).collect();
    shutdown::on_signal(house.leaving.clone())?;
    let mut parts = start(&services, &house).await?;
    if audits {
        parts.push(audit::part(&house, audit::given_urls(&house.config)?));
    }
    tracing::info!(
        services = ?parts.iter().map(|part| part.name).collect::<Vec<_>>(),
        public = %house.config.http.public_addr,
        internal = %house.config.http.internal_addr,
        "serving"
    );
    Ok(service::run(house, parts, listeners).await?)
}

/// By which traces name the process.
fn name(services: &[Served]) -> String {
    let only = match services {
        [one] => one.to_possible_value(),
        _ => None,
    };
    only.map_or_else(|| "rondo".to_owned(), |value| value.get_name().to_owned())
}

impl Served {
    fn service(self) -> Option<Service> {
        match self {
            Self::Service(service) => Some(service),
            Self::Audit | Self::Gateway => None,
        }
    }
}

async fn serve_gateway(
    services: &[Served],
    config: &Config,
    gateway: &GatewayConfig,
    listeners: Listeners,
) -> anyhow::Result<()> {
    if services.len() > 1 {
        bail!("the gateway has a process of its own: services in one process need none");
    }
    let leaving = tokio_util::sync::CancellationToken::new();
    shutdown::on_signal(leaving.clone())?;
    let behind = Service::ALL.map(|service| Behind { service: service.name(), api: service.public_api() });
    tracing::info!(public = %config.http.public_addr, internal = %config.http.internal_addr, "serving as gateway");
    Ok(gateway::run(&config.http, gateway, behind.into(), listeners, leaving).await?)
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
