//! `rondo keys`: the signing key of auth, and tokens by which services know each other.

use anyhow::Context;
use clap::{Args, Subcommand};
use secrecy::ExposeSecret;
use service::config::SecurityConfig;
use service::token::SigningKey;

use crate::services::Service;

const ROTATION: &str = "\
Another signing key, without anybody being logged out:
  1. `rondo keys new > new.pem`, and `AUTH_SIGNING_KEY_FILE=new.pem rondo keys public > next.pem`.
  2. Restart auth with AUTH_VERIFICATION_KEYS_FILE=next.pem. The new key is published and does not sign yet;
     every service has it within 5 minutes. (With one process of auth, go on to 3 at once.)
  3. `AUTH_SIGNING_KEY_FILE=old.pem rondo keys public > previous.pem`. Restart auth with
     AUTH_SIGNING_KEY_FILE=new.pem and AUTH_VERIFICATION_KEYS_FILE=previous.pem. The new key signs, tokens of
     the old one go on to work. The private half of the old key can be destroyed.
  4. Give the services tokens of the new key: `rondo keys service-token <service>`.
  5. When the last access token of the old key is over (5 minutes), restart auth without the old key.
A key that leaked: leave out what comes before 3, and AUTH_VERIFICATION_KEYS with it. Sessions survive:
refresh tokens are signed by no key.";

/// What to make.
#[derive(Debug, Args)]
#[command(after_long_help = ROTATION)]
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
    /// Print the public half of the signing key (PEM): what `AUTH_VERIFICATION_KEYS` takes. Needs the
    /// signing key.
    Public,
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
        KeysCommand::Public => print!("{}", signing_key(&arguments.security)?.public_pem()?),
        KeysCommand::ServiceToken { service } => {
            let token = signing_key(&arguments.security)?
                .service_token(service.name(), arguments.security.service_token_days)?;
            println!("{}", token.expose_secret());
        }
    }
    Ok(())
}

fn signing_key(security: &SecurityConfig) -> anyhow::Result<SigningKey> {
    let pem = security.auth_signing_key().context("AUTH_SIGNING_KEY is not configured")?;
    Ok(SigningKey::from_pem(pem)?)
}
