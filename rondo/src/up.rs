//! `rondo up`: everything in one process, on private servers that live and die with it. All-in-one
//! still talks over NATS: nothing differs from a cluster but the process count.

mod demo;
mod progress;
mod secrets;
mod servers;

use std::convert::Infallible;
use std::path::Path;
use std::pin::{Pin, pin};

use ::audit::DatabaseUrls;
use anyhow::Context;
use clap::Args;
use messaging::crash;
use sandbox::{Lock, require_free};
use sea_orm::Database;
use secrecy::{ExposeSecret, SecretString};
use service::config::{Config, CrashConfig, LocalConfig};
use service::{House, Listeners, shutdown, telemetry};
use tokio_util::sync::CancellationToken;

use crate::services::Service;
use crate::{audit, serve};
use demo::Demo;
use progress::Progress;
use servers::Servers;
pub(crate) use servers::database_of_running;

/// The local run.
#[derive(Debug, Args)]
pub(crate) struct UpArguments {
    #[command(flatten)]
    local: LocalConfig,
    #[command(flatten)]
    config: Config,
    #[command(flatten)]
    crash: CrashConfig,
}

/// Runs until SIGTERM or Ctrl-C; then nothing is left running. Data stays for the next start.
pub(crate) async fn run(arguments: UpArguments) -> anyhow::Result<()> {
    let UpArguments { local, config, crash } = arguments;
    telemetry::start_logs(&config.telemetry)?;
    telemetry::start_traces(&config.telemetry, "rondo")?;
    if let Some(words) = &crash.crash_at {
        crash::arm(words)?;
    }
    let stop = CancellationToken::new();
    shutdown::on_signal(stop.clone())?;
    let _lock = Lock::take(&local.data_dir)?;
    // Before anything is started, and saying by whom a port is taken.
    require_free(config.http.public_addr, "the public listener")?;
    require_free(config.http.internal_addr, "the internal listener")?;
    let listeners = Listeners::bind(&config.http)?;
    let progress = Progress::new();
    let started = stop.run_until_cancelled(Servers::start(&local, &progress)).await;
    let Some(mut servers) = started.transpose()? else { return Ok(()) };
    // On the heap: the futures of a whole start are large.
    let served = Box::pin(serve_all(&local, config, listeners, &mut servers, &progress, &stop)).await;
    servers.stop(&progress).await;
    served
}

async fn serve_all(
    local: &LocalConfig,
    mut config: Config,
    listeners: Listeners,
    servers: &mut Servers,
    progress: &Progress,
    stop: &CancellationToken,
) -> anyhow::Result<()> {
    configure(&mut config, &local.data_dir, &listeners, servers)?;
    let migrations = Service::ALL.map(|service| (service, servers.migration_url(service)));
    let audited = audit::urls(|service| servers.audit_url(service))?;
    let addresses = servers.describe();
    let operator = secrets::operator(local)?;
    // From here on a private server that dies is started again, whatever the rest is doing.
    let mut kept = pin!(servers.keep_running());
    let prepared = prepare(config, migrations, audited, progress);
    let Some(prepared) = beside(kept.as_mut(), stop, Box::pin(prepared)).await else { return Ok(()) };
    let (house, parts) = prepared?;
    let draining = house.draining.clone();
    let stopped = stop.clone();
    tokio::spawn(async move {
        stopped.cancelled().await;
        draining.cancel();
    });
    let mut serving = tokio::spawn(service::run(house.clone(), parts, listeners));
    let demo = Demo { house: &house, operator: &operator };
    match beside(kept.as_mut(), stop, Box::pin(demo.load(progress))).await {
        Some(Ok(())) => demo.announce(&local.data_dir, &addresses),
        Some(Err(error)) => {
            house.draining.cancel();
            serving.await.context("the services")??;
            return Err(error);
        }
        None => {}
    }
    // Once they are to stop, the servers stay as they are until they have.
    let served = match beside(kept, stop, &mut serving).await {
        Some(served) => served,
        None => serving.await,
    };
    served.context("the services")?.map_err(Into::into)
}

/// Does this while the servers are kept running; none when it is to stop.
async fn beside<T>(
    kept: Pin<&mut impl Future<Output = Infallible>>,
    stop: &CancellationToken,
    work: impl Future<Output = T>,
) -> Option<T> {
    tokio::select! {
        done = stop.run_until_cancelled(work) => done,
        never = kept => match never {},
    }
}

/// What the services are told: where the servers are, the keys of this data folder, and real ports.
fn configure(
    config: &mut Config,
    data_dir: &Path,
    listeners: &Listeners,
    servers: &Servers,
) -> anyhow::Result<()> {
    config.http.public_addr = listeners.public_addr()?;
    config.http.internal_addr = listeners.internal_addr()?;
    servers.tell_nats(&mut config.nats);
    for service in Service::ALL {
        config.databases.set(service.name(), servers.database_url(service)?);
    }
    if config.security.auth_signing_key().is_none() {
        config.security.auth_signing_key = Some(secrets::signing_key(data_dir)?);
    }
    Ok(())
}

/// Databases up to date, services started.
async fn prepare(
    config: Config,
    migrations: [(Service, anyhow::Result<SecretString>); Service::ALL.len()],
    audited: DatabaseUrls,
    progress: &Progress,
) -> anyhow::Result<(House, Vec<service::Part>)> {
    let mut house = House::build(config, Service::Auth.name()).await?;
    house.schemas = Service::ALL.into_iter().map(|service| (service.name(), service.schema())).collect();
    let step = progress.step("migrating the databases");
    for (service, url) in migrations {
        let db = Database::connect(url?.expose_secret()).await?;
        service.migrate(&db).await?;
        db.close().await?;
    }
    step.done();
    let step = progress.step("starting the services");
    let mut parts = serve::start(&Service::ALL, &house).await?;
    parts.push(audit::part(&house, audited));
    step.done();
    Ok((house, parts))
}
