//! A secret per service, by `<SERVICE>_<WHAT>` or in a file by `<SERVICE>_<WHAT>_FILE`: each is optional, for a
//! process needs only those of the services that it runs.

use std::collections::BTreeMap;

use clap::{Arg, ArgMatches, Command, value_parser};
use secrecy::SecretString;

use super::secret::read_secret;

/// How one of them is given.
pub(super) struct Names {
    pub(super) service: &'static str,
    pub(super) option: &'static str,
    pub(super) variable: &'static str,
    pub(super) file_option: &'static str,
    pub(super) file_variable: &'static str,
    pub(super) help: &'static str,
    pub(super) file_help: &'static str,
}

/// A type that holds one kind of secret, and the list of those who have one:
/// `of_services! { /// Doc. pub struct Databases as "URL" in NAMES: "-database-url", "_DATABASE_URL", "Database of", ... }`.
macro_rules! of_services {
    ($(#[$meta:meta])* pub struct $type:ident as $value_name:literal in $names:ident:
     $option:literal, $variable:literal, $help:literal, $($service:literal $prefix:literal),* $(,)?) => {
        const $names: &[$crate::config::of_services::Names] = &[$($crate::config::of_services::Names {
            service: $service,
            option: concat!($service, $option),
            variable: concat!($prefix, $variable),
            file_option: concat!($service, $option, "-file"),
            file_variable: concat!($prefix, $variable, "_FILE"),
            help: concat!($help, " ", $service),
            file_help: concat!("A file that holds it instead: ", $help, " ", $service),
        }),*];

        $(#[$meta])*
        #[derive(Debug, Clone, Default)]
        pub struct $type(std::collections::BTreeMap<&'static str, secrecy::SecretString>);

        impl $type {
            /// Sets that of a service; a name that is not in the list is ignored.
            pub fn set(&mut self, service: &str, secret: impl Into<secrecy::SecretString>) {
                if let Some(known) = $names.iter().find(|known| known.service == service) {
                    self.0.insert(known.service, secret.into());
                }
            }

            /// That of a service, if it was given.
            pub fn of(&self, service: &str) -> Option<&secrecy::SecretString> {
                self.0.get(service)
            }
        }

        impl clap::FromArgMatches for $type {
            fn from_arg_matches(matches: &clap::ArgMatches) -> Result<Self, clap::Error> {
                let mut given = Self::default();
                given.update_from_arg_matches(matches)?;
                Ok(given)
            }

            fn update_from_arg_matches(&mut self, matches: &clap::ArgMatches) -> Result<(), clap::Error> {
                $crate::config::of_services::read(matches, $names, &mut self.0);
                Ok(())
            }
        }

        impl clap::Args for $type {
            fn augment_args(command: clap::Command) -> clap::Command {
                $crate::config::of_services::augment(command, $names, $value_name)
            }

            fn augment_args_for_update(command: clap::Command) -> clap::Command {
                Self::augment_args(command)
            }
        }
    };
}
pub(super) use of_services;

/// The options of all of them.
pub(super) fn augment(command: Command, all: &[Names], value_name: &'static str) -> Command {
    all.iter().fold(command, |command, names| {
        let given = Arg::new(names.option)
            .long(names.option)
            .env(names.variable)
            .hide_env_values(true)
            .value_name(value_name)
            .value_parser(value_parser!(SecretString))
            .help(names.help);
        let file = Arg::new(names.file_option)
            .long(names.file_option)
            .env(names.file_variable)
            .value_name("PATH")
            .value_parser(read_secret)
            .help(names.file_help);
        command.arg(given).arg(file)
    })
}

/// Takes over those that were given.
pub(super) fn read(matches: &ArgMatches, all: &[Names], into: &mut BTreeMap<&'static str, SecretString>) {
    for names in all {
        for option in [names.file_option, names.option] {
            if let Some(secret) = matches.get_one::<SecretString>(option) {
                into.insert(names.service, secret.clone());
            }
        }
    }
}
