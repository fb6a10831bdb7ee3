//! `rondo keys`: the signing key of auth, and tokens by which services know each other.

use anyhow::Context;
use clap::{Args, Subcommand};
use secrecy::ExposeSecret;
use service::config::SecurityConfig;
use service::token::SigningKey;

use crate::services::Service;

/// What to make.
#[derive(Debug, Args)]
pub(crate) struct KeysArguments {
    #[command(subcommand)]
    command: KeysCommand,
    #[command(flatten)]
    security: SecurityConfig,
}

#[derive(Debug, Subcommand)]
enum KeysCommand {
    /// Print a new signing key (PEM): what `AUTH_SIGNING_KEY` takes.
    New,
    /// Print a token for a service: what `SERVICE_TOKEN` takes. Needs the signing key.
    ServiceToken {
        /// Whose.
        #[arg(value_enum)]
        service: Service,
    },
}

/// Prints what was asked for, and nothing else.
#[expect(clippy::print_stdout, reason = "what is printed is what was asked for")]
pub(crate) fn run(arguments: &KeysArguments) -> anyhow::Result<()> {
    match &arguments.command {
        KeysCommand::New => print!("{}", auth::keys::generate().expose_secret()),
        KeysCommand::ServiceToken { service } => {
            let pem = arguments.security.auth_signing_key().context("AUTH_SIGNING_KEY is not configured")?;
            let key = SigningKey::from_pem(pem)?;
            let token = key.service_token(service.name(), arguments.security.service_token_days)?;
            println!("{}", token.expose_secret());
        }
    }
    Ok(())
}
