//! Whether a service's database has the tables that this release needs.
//!
//! A release migrates before its processes are useful, but nobody makes them wait for it: so they wait themselves,
//! alive and not ready. A database that is newer is well: the release before goes on working beside the next one.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use sea_orm::{ConnectionTrait, DatabaseBackend, DatabaseConnection, DbErr, Statement};
use tokio_util::sync::CancellationToken;

use crate::{ReadyCheck, StartError};

/// How often a database that is too old is looked at.
const LOOK_EVERY: Duration = Duration::from_millis(500);
/// What migrations leave behind. Reading it needs no right to change tables.
const APPLIED: &str = "SELECT version FROM seaql_migrations";

/// The migrations that a process needs, by service. Cheap to clone; without any nothing is looked at.
#[derive(Debug, Clone, Default)]
pub struct Schemas {
    needed: Arc<BTreeMap<&'static str, Vec<String>>>,
    checks: Arc<Mutex<Vec<(&'static str, ReadyCheck)>>>,
}

impl FromIterator<(&'static str, Vec<String>)> for Schemas {
    fn from_iter<I: IntoIterator<Item = (&'static str, Vec<String>)>>(needed: I) -> Self {
        Self { needed: Arc::new(needed.into_iter().collect()), checks: Arc::default() }
    }
}

impl Schemas {
    /// Waits until the database has what the service needs, and looks at it for `/readyz` from then on.
    ///
    /// # Errors
    /// The process was told to stop.
    pub(crate) async fn wait(
        &self,
        service: &'static str,
        database: &DatabaseConnection,
        draining: &CancellationToken,
    ) -> Result<(), StartError> {
        let Some(needed) = self.needed.get(service) else { return Ok(()) };
        let mut told = None;
        while let Err(why) = check(needed, database).await {
            if told.as_deref() != Some(why.as_str()) {
                tracing::warn!(service, why, "waiting until the database is brought up to date");
                told = Some(why);
            }
            let pause = draining.run_until_cancelled(tokio::time::sleep(LOOK_EVERY)).await;
            pause.ok_or(StartError::ShutDown)?;
        }
        let (needed, database) = (Arc::<[String]>::from(needed.as_slice()), database.clone());
        let check = ReadyCheck::new("schema", move || {
            let (needed, database) = (Arc::clone(&needed), database.clone());
            async move { check(&needed, &database).await }
        });
        self.checks.lock().unwrap_or_else(PoisonError::into_inner).push((service, check));
        Ok(())
    }

    /// What `/readyz` asks of the services that have started.
    pub(crate) fn checks(&self) -> impl Iterator<Item = (String, ReadyCheck)> {
        let checks = self.checks.lock().unwrap_or_else(PoisonError::into_inner).clone();
        checks.into_iter().map(|(service, check)| (format!("{service}.{}", check.name), check))
    }
}

/// Whether a database has all of these migrations; a newer one has others besides.
pub async fn is_migrated(needed: &[String], database: &DatabaseConnection) -> bool {
    check(needed, database).await.is_ok()
}

async fn check(needed: &[String], database: &DatabaseConnection) -> Result<(), String> {
    match applied(database).await {
        Ok(applied) => missing(needed, &applied),
        // Of no database the check of the connection tells; a table that is missing is as good as empty.
        Err(_) => Err("it cannot be told which migrations were applied".to_owned()),
    }
}

async fn applied(database: &DatabaseConnection) -> Result<BTreeSet<String>, DbErr> {
    let statement = Statement::from_string(DatabaseBackend::Postgres, APPLIED);
    let rows = database.query_all_raw(statement).await?;
    rows.iter().map(|row| row.try_get_by_index(0)).collect()
}

fn missing(needed: &[String], applied: &BTreeSet<String>) -> Result<(), String> {
    let missing: Vec<&str> =
        needed.iter().filter(|one| !applied.contains(*one)).map(String::as_str).collect();
    match missing[..] {
        [] => Ok(()),
        [.., last] => Err(format!("{} migrations are missing, the last of them {last}", missing.len())),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_newer_database_is_well_and_an_older_one_says_what_is_missing() {
        let versions = |names: &[&str]| names.iter().map(|&name| name.to_owned()).collect::<Vec<_>>();
        let applied = |names: &[&str]| names.iter().map(|&name| name.to_owned()).collect::<BTreeSet<_>>();
        let needed = versions(&["m1", "m2"]);
        assert_eq!(missing(&needed, &applied(&["m1", "m2", "m3"])), Ok(()));
        let older = missing(&needed, &applied(&["m1"]));
        assert_eq!(older, Err("1 migrations are missing, the last of them m2".to_owned()));
    }
}
