//! `<SERVICE>_DATABASE_URL` and `<SERVICE>_DATABASE_URL_FILE`: each is optional, for a process needs
//! only those of the services that it runs.

use std::collections::BTreeMap;

use clap::{Arg, ArgMatches, Args, Command, value_parser};
use secrecy::SecretString;

use super::secret::read_secret;

/// The services that own a database.
pub const SERVICES: [&str; 7] =
    ["auth", "user", "billing", "stock", "delivery", "notification", "orchestrator"];

struct Names {
    service: &'static str,
    option: &'static str,
    variable: &'static str,
    file_option: &'static str,
    file_variable: &'static str,
}

macro_rules! names {
    ($($service:literal $prefix:literal),* $(,)?) => {
        [$(Names {
            service: $service,
            option: concat!($service, "-database-url"),
            variable: concat!($prefix, "_DATABASE_URL"),
            file_option: concat!($service, "-database-url-file"),
            file_variable: concat!($prefix, "_DATABASE_URL_FILE"),
        }),*]
    };
}

const NAMES: [Names; 7] = names!(
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
        for names in &NAMES {
            for option in [names.file_option, names.option] {
                if let Some(url) = matches.get_one::<SecretString>(option) {
                    self.0.insert(names.service, url.clone());
                }
            }
        }
        Ok(())
    }
}

impl Args for Databases {
    fn augment_args(command: Command) -> Command {
        NAMES.iter().fold(command, |command, names| {
            let url = Arg::new(names.option)
                .long(names.option)
                .env(names.variable)
                .hide_env_values(true)
                .value_name("URL")
                .value_parser(value_parser!(SecretString))
                .help(format!("Database of {}", names.service));
            let file = Arg::new(names.file_option)
                .long(names.file_option)
                .env(names.file_variable)
                .value_name("PATH")
                .value_parser(read_secret)
                .help(format!("A file that holds the address of {}'s database instead", names.service));
            command.arg(url).arg(file)
        })
    }

    fn augment_args_for_update(command: Command) -> Command {
        Self::augment_args(command)
    }
}
