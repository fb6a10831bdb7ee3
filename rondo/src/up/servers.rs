//! The servers of a local run: private ones, or given ones; and who may do what there.

use std::convert::Infallible;
use std::path::PathBuf;
use std::time::Duration;

use anyhow::{Context, bail};
use migrations::rights::{AUDITOR, MIGRATOR, Owner, apply, database_of, role_of};
use sandbox::{Nats, NatsOptions, Postgres, PostgresOptions};
use sea_orm::{ConnectionTrait, Database, DatabaseBackend, Statement};
use secrecy::{ExposeSecret, SecretString};
use service::config::{LocalConfig, NatsConfig};

use super::progress::Progress;
use crate::kept::in_address;
use crate::rights::Keys;
use crate::services::Service;

/// How often private servers are looked at.
const LOOK_EVERY: Duration = Duration::from_secs(1);

/// A PostgreSQL and a NATS.
pub(crate) struct Servers {
    postgres: Truth,
    nats: Road,
    keys: Keys,
}

enum Truth {
    Private(Box<Postgres>),
    Given(SecretString),
}

enum Road {
    Private(Nats),
    Given(SecretString),
}

/// Where keys and passwords of a data folder are.
fn keys_of(local: &LocalConfig) -> PathBuf {
    local.data_dir.join("rights")
}

impl Servers {
    /// Starts what is not given, and makes a database per service.
    pub(crate) async fn start(local: &LocalConfig, progress: &Progress) -> anyhow::Result<Self> {
        let keys = Keys::made(&keys_of(local))?;
        let postgres = match &local.external_postgres {
            Some(url) => Truth::Given(url.clone()),
            None => Truth::Private(Box::new(start_postgres(local, progress).await?)),
        };
        let nats = match &local.external_nats {
            Some(url) => Road::Given(url.clone()),
            None => Road::Private(start_nats(local, keys.authorization()?, progress).await?),
        };
        let servers = Self { postgres, nats, keys };
        servers.give_rights().await?;
        Ok(servers)
    }

    /// Roles, databases and rights; those of an earlier version are changed into ours.
    async fn give_rights(&self) -> anyhow::Result<()> {
        match &self.postgres {
            Truth::Private(postgres) => {
                let steps = self.keys.steps(Owner::Made(MIGRATOR));
                let url = |database: Option<&str>| postgres.superuser_url(database.unwrap_or("postgres"));
                apply(&steps, url).await.context("the rights in PostgreSQL")
            }
            Truth::Given(server) => {
                // Whether it is an address at all is known from here on.
                parsed(server, "postgres")?;
                let owner = owner_at(server).await?;
                let url = |database: Option<&str>| match database {
                    Some(name) => parsed(server, name).map(String::from).unwrap_or_default(),
                    None => server.expose_secret().to_owned(),
                };
                let applied = apply(&self.keys.steps(Owner::There(&owner)), url).await;
                applied.context("the rights in the given PostgreSQL")
            }
        }
    }

    /// Where NATS is, and who the services are there. Of a given one they were told already, if it wants to know.
    pub(crate) fn tell_nats(&self, config: &mut NatsConfig) {
        config.url_from_file = None;
        match &self.nats {
            Road::Given(url) => config.url = url.clone(),
            Road::Private(nats) => {
                *config = NatsConfig { url: nats.url().into(), ..NatsConfig::default() };
                self.keys.tell(config);
            }
        }
    }

    /// Where a service's database is, for the service.
    pub(crate) fn database_url(&self, service: Service) -> anyhow::Result<SecretString> {
        self.url_as(&role_of(service.name()), service)
    }

    /// The same for its migrations.
    pub(crate) fn migration_url(&self, service: Service) -> anyhow::Result<SecretString> {
        match &self.postgres {
            Truth::Private(_) => self.url_as(MIGRATOR, service),
            Truth::Given(url) => with_database(url, &database_of(service.name())),
        }
    }

    /// The same for the audit.
    pub(crate) fn audit_url(&self, service: Service) -> anyhow::Result<String> {
        Ok(self.url_as(AUDITOR, service)?.expose_secret().to_owned())
    }

    fn url_as(&self, role: &str, service: Service) -> anyhow::Result<SecretString> {
        let (database, password) = (database_of(service.name()), self.keys.password(role));
        match &self.postgres {
            Truth::Private(postgres) => {
                Ok(postgres.url_as(role, Some(&in_address(password)), &database).into())
            }
            Truth::Given(url) => with_login(url, role, password, &database),
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
                && !nats.is_running()
            {
                tracing::error!(log = %nats.home().join("nats.log").display(), "NATS has ended; starting it again");
                report(nats.restart().await);
            }
            if let Truth::Private(postgres) = &mut self.postgres
                && !postgres.is_running()
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

/// Where a service's database is, to be looked into, while another process runs `rondo up` with these arguments.
pub(crate) fn database_of_running(local: &LocalConfig, service: Service) -> anyhow::Result<SecretString> {
    let database = database_of(service.name());
    if let Some(url) = &local.external_postgres {
        return with_database(url, &database);
    }
    let home = local.data_dir.join("postgres");
    let none = || format!("no PostgreSQL of `rondo up` runs in {}", home.display());
    let keys = keys_of(local);
    if !keys.exists() {
        bail!(none());
    }
    let keys = Keys::read(&keys)?;
    let url = sandbox::running_postgres(&home, AUDITOR, keys.password(AUDITOR), &database);
    Ok(url.with_context(none)?.into())
}

async fn start_postgres(local: &LocalConfig, progress: &Progress) -> anyhow::Result<Postgres> {
    let step = progress.step("starting PostgreSQL");
    let dir = local.data_dir.join("postgres");
    let options = PostgresOptions { dir, port: local.postgres_port, durable: true, template: None };
    let postgres = Postgres::start(options).await?;
    step.done();
    Ok(postgres)
}

async fn start_nats(local: &LocalConfig, configuration: String, progress: &Progress) -> anyhow::Result<Nats> {
    let step = progress.step("starting NATS");
    let dir = local.data_dir.join("nats");
    let tools = Vec::new();
    let options = NatsOptions { dir, port: local.nats_port, durable: true, configuration, tools };
    let nats = Nats::start(options).await?;
    step.done();
    Ok(nats)
}

/// Who the given PostgreSQL's user is: the databases are theirs, and they make the roles of the services.
async fn owner_at(server: &SecretString) -> anyhow::Result<String> {
    let db = Database::connect(server.expose_secret()).await.context("the given PostgreSQL")?;
    let who = "SELECT current_user::text, rolsuper OR (rolcreaterole AND rolcreatedb) FROM pg_roles \
               WHERE rolname = current_user";
    let row = db.query_one_raw(Statement::from_string(DatabaseBackend::Postgres, who)).await?;
    let row = row.context("the given PostgreSQL knows its own user")?;
    let (name, may): (String, bool) = (row.try_get_by_index(0)?, row.try_get_by_index(1)?);
    db.close().await?;
    if !may {
        bail!(
            "{name} may not make databases and roles on the given PostgreSQL; a superuser allows it: \
             ALTER ROLE {name} CREATEDB CREATEROLE"
        );
    }
    Ok(name)
}

/// The address of another database on the same server.
fn with_database(server: &SecretString, name: &str) -> anyhow::Result<SecretString> {
    Ok(String::from(parsed(server, name)?).into())
}

/// The same for another role.
fn with_login(server: &SecretString, role: &str, password: &str, name: &str) -> anyhow::Result<SecretString> {
    let mut url = parsed(server, name)?;
    let told = url.set_username(role).and_then(|()| url.set_password(Some(&in_address(password))));
    if told.is_err() {
        bail!("the address of the given PostgreSQL names no host");
    }
    Ok(String::from(url).into())
}

fn parsed(server: &SecretString, name: &str) -> anyhow::Result<reqwest::Url> {
    let Ok(mut url) = reqwest::Url::parse(server.expose_secret()) else {
        bail!("the address of the given PostgreSQL is no URL: postgres://user:password@host/postgres")
    };
    url.set_path(&format!("/{name}"));
    Ok(url)
}
