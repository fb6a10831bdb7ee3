//! `<SERVICE>_DATABASE_URL` and `<SERVICE>_DATABASE_URL_FILE`.

use std::collections::BTreeMap;

use clap::{ArgMatches, Args, Command};
use secrecy::SecretString;

use super::of_services::{Names, augment, of_services, read};

/// The services that own a database.
pub const SERVICES: [&str; 7] =
    ["auth", "user", "billing", "stock", "delivery", "notification", "orchestrator"];

const NAMES: [Names; 7] = of_services!(
    "-database-url", "_DATABASE_URL", "Database of",
    "auth" "AUTH",
    "user" "USER",
    "billing" "BILLING",
    "stock" "STOCK",
    "delivery" "DELIVERY",
    "notification" "NOTIFICATION",
    "orchestrator" "ORCHESTRATOR",
);

/// Where the services' databases are.
#[derive(Debug, Clone, Default)]
pub struct Databases(BTreeMap<&'static str, SecretString>);

impl Databases {
    /// Sets the address of a service's database; a name that is not in [`SERVICES`] is ignored.
    pub fn set(&mut self, service: &str, url: impl Into<SecretString>) {
        if let Some(known) = SERVICES.into_iter().find(|known| *known == service) {
            self.0.insert(known, url.into());
        }
    }

    /// The address of a service's database, if it was given.
    pub fn url(&self, service: &str) -> Option<&SecretString> {
        self.0.get(service)
    }
}

impl clap::FromArgMatches for Databases {
    fn from_arg_matches(matches: &ArgMatches) -> Result<Self, clap::Error> {
        let mut databases = Self::default();
        databases.update_from_arg_matches(matches)?;
        Ok(databases)
    }

    fn update_from_arg_matches(&mut self, matches: &ArgMatches) -> Result<(), clap::Error> {
        read(matches, &NAMES, &mut self.0);
        Ok(())
    }
}

impl Args for Databases {
    fn augment_args(command: Command) -> Command {
        augment(command, &NAMES, "URL")
    }

    fn augment_args_for_update(command: Command) -> Command {
        Self::augment_args(command)
    }
}
