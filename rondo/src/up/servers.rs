//! The servers of a local run: private ones, or given ones.

use std::convert::Infallible;
use std::time::Duration;

use anyhow::{Context, bail};
use sandbox::{Nats, NatsOptions, Postgres, PostgresOptions};
use sea_orm::{ConnectionTrait, Database, DatabaseBackend, Statement};
use secrecy::{ExposeSecret, SecretString};
use service::config::LocalConfig;

use super::progress::Progress;
use crate::services::Service;

/// How often private servers are looked at.
const LOOK_EVERY: Duration = Duration::from_secs(1);

/// A PostgreSQL and a NATS.
pub(crate) struct Servers {
    postgres: Truth,
    nats: Road,
}

enum Truth {
    Private(Box<Postgres>),
    Given(SecretString),
}

enum Road {
    Private(Nats),
    Given(SecretString),
}

impl Servers {
    /// Starts what is not given, and makes a database per service.
    pub(crate) async fn start(local: &LocalConfig, progress: &Progress) -> anyhow::Result<Self> {
        let postgres = match &local.external_postgres {
            Some(url) => Truth::Given(url.clone()),
            None => Truth::Private(Box::new(start_postgres(local, progress).await?)),
        };
        let nats = match &local.external_nats {
            Some(url) => Road::Given(url.clone()),
            None => Road::Private(start_nats(local, progress).await?),
        };
        let servers = Self { postgres, nats };
        servers.create_databases().await?;
        Ok(servers)
    }

    async fn create_databases(&self) -> anyhow::Result<()> {
        for service in Service::ALL {
            let name = database_name(service);
            match &self.postgres {
                Truth::Private(postgres) => drop(postgres.create_database(&name).await?),
                Truth::Given(url) => create_database(url, &name).await?,
            }
        }
        Ok(())
    }

    /// Where NATS is.
    pub(crate) fn nats_url(&self) -> SecretString {
        match &self.nats {
            Road::Private(nats) => nats.url().into(),
            Road::Given(url) => url.clone(),
        }
    }

    /// Where a service's database is.
    pub(crate) fn database_url(&self, service: Service) -> anyhow::Result<SecretString> {
        match &self.postgres {
            Truth::Private(postgres) => Ok(postgres.url(&database_name(service)).into()),
            Truth::Given(url) => with_database(url, &database_name(service)),
        }
    }

    /// A line each for people.
    pub(crate) fn describe(&self) -> [String; 2] {
        let postgres = match &self.postgres {
            Truth::Private(postgres) => {
                format!("PostgreSQL  127.0.0.1:{} in {}", postgres.port(), postgres.home().display())
            }
            Truth::Given(_) => "PostgreSQL  the given one".to_owned(),
        };
        let nats = match &self.nats {
            Road::Private(nats) => format!("NATS        {} in {}", nats.url(), nats.home().display()),
            Road::Given(_) => "NATS        the given one".to_owned(),
        };
        [postgres, nats]
    }

    /// Starts a private server again that ended by itself. The services wait for it meanwhile.
    pub(crate) async fn keep_running(&mut self) -> Infallible {
        loop {
            tokio::time::sleep(LOOK_EVERY).await;
            if let Road::Private(nats) = &mut self.nats
                && nats.pids().is_empty()
            {
                tracing::error!(log = %nats.home().join("nats.log").display(), "NATS has ended; starting it again");
                report(nats.restart().await);
            }
            if let Truth::Private(postgres) = &mut self.postgres
                && postgres.pids().is_empty()
            {
                tracing::error!(home = %postgres.home().display(), "PostgreSQL has ended; starting it again");
                report(postgres.restart().await);
            }
        }
    }

    /// Stops what was started here.
    pub(crate) async fn stop(&mut self, progress: &Progress) {
        let step = progress.step("stopping the servers");
        if let Road::Private(nats) = &mut self.nats
            && let Err(error) = nats.stop().await
        {
            tracing::error!(%error, "NATS");
        }
        if let Truth::Private(postgres) = &mut self.postgres
            && let Err(error) = postgres.stop().await
        {
            tracing::error!(%error, "PostgreSQL");
        }
        step.done();
    }
}

/// It is tried again at the next look.
fn report(started: Result<(), sandbox::Error>) {
    match started {
        Ok(()) => tracing::info!("it runs again"),
        Err(error) => tracing::error!(%error, "it does not start"),
    }
}

fn database_name(service: Service) -> String {
    format!("rondo_{}", service.name())
}

/// Where a service's database is while another process runs `rondo up` with these arguments.
pub(crate) fn database_of_running(local: &LocalConfig, service: Service) -> anyhow::Result<SecretString> {
    if let Some(url) = &local.external_postgres {
        return with_database(url, &database_name(service));
    }
    let home = local.data_dir.join("postgres");
    let url = sandbox::running_postgres(&home, &database_name(service));
    let url = url.with_context(|| format!("no PostgreSQL of `rondo up` runs in {}", home.display()))?;
    Ok(url.into())
}

async fn start_postgres(local: &LocalConfig, progress: &Progress) -> anyhow::Result<Postgres> {
    let step = progress.step("starting PostgreSQL");
    let dir = local.data_dir.join("postgres");
    let options = PostgresOptions { dir, port: local.postgres_port, durable: true, template: None };
    let postgres = Postgres::start(options).await?;
    step.done();
    Ok(postgres)
}

async fn start_nats(local: &LocalConfig, progress: &Progress) -> anyhow::Result<Nats> {
    let step = progress.step("starting NATS");
    let dir = local.data_dir.join("nats");
    let options = NatsOptions { dir, port: local.nats_port, durable: true, tools: Vec::new() };
    let nats = Nats::start(options).await?;
    step.done();
    Ok(nats)
}

/// Makes a database on a given server, where absent.
async fn create_database(server: &SecretString, name: &str) -> anyhow::Result<()> {
    let db = Database::connect(server.expose_secret()).await.context("the given PostgreSQL")?;
    let find = "SELECT 1 FROM pg_database WHERE datname = $1";
    let statement = Statement::from_sql_and_values(DatabaseBackend::Postgres, find, [name.into()]);
    if db.query_one_raw(statement).await?.is_none() {
        // The names are ours: `rondo_<service>`.
        let made = db.execute_unprepared(&format!("CREATE DATABASE {name}")).await;
        made.with_context(|| format!("cannot make the database {name} on the given PostgreSQL"))?;
    }
    db.close().await?;
    Ok(())
}

/// The address of another database on the same server.
fn with_database(server: &SecretString, name: &str) -> anyhow::Result<SecretString> {
    let Ok(mut url) = reqwest::Url::parse(server.expose_secret()) else {
        bail!("the address of the given PostgreSQL is no URL: postgres://user:password@host/postgres")
    };
    url.set_path(&format!("/{name}"));
    Ok(String::from(url).into())
}
