//! The secrets of a local run: made once, kept in the data folder for its owner alone.

use std::fs::OpenOptions;
use std::io::Write;
use std::os::unix::fs::OpenOptionsExt;
use std::path::Path;

use anyhow::Context;
use rand::RngExt;
use secrecy::{ExposeSecret, SecretString};
use service::config::LocalConfig;

const DEFAULT_OPERATOR: &str = "operator@arch.homework";
const PASSWORD_CHARACTERS: usize = 20;

/// Who may operate the local run.
#[derive(Debug)]
pub(crate) struct Operator {
    pub(crate) email: String,
    pub(crate) password: SecretString,
}

/// The signing key of this data folder.
pub(crate) fn signing_key(data_dir: &Path) -> anyhow::Result<SecretString> {
    kept(&data_dir.join("signing-key.pem"), auth::keys::generate)
}

/// The operator as told, else the one of this data folder.
pub(crate) fn operator(local: &LocalConfig) -> anyhow::Result<Operator> {
    let password = match &local.operator_password {
        Some(password) => password.clone(),
        None => kept(&local.data_dir.join("operator-password"), new_password)?,
    };
    let email = local.operator_email.clone().unwrap_or_else(|| DEFAULT_OPERATOR.to_owned());
    Ok(Operator { email, password })
}

fn new_password() -> SecretString {
    let password: String = rand::rng()
        .sample_iter(rand::distr::Alphanumeric)
        .take(PASSWORD_CHARACTERS)
        .map(char::from)
        .collect();
    password.into()
}

/// The secret in a file; made at the first time, readable by its owner alone.
fn kept(path: &Path, make: fn() -> SecretString) -> anyhow::Result<SecretString> {
    let what = || format!("the secret in {}", path.display());
    match std::fs::read_to_string(path) {
        Ok(text) => Ok(text.trim_end_matches('\n').to_owned().into()),
        Err(error) if error.kind() == std::io::ErrorKind::NotFound => {
            let secret = make();
            let file = OpenOptions::new().write(true).create_new(true).mode(0o600).open(path);
            let mut file = file.with_context(what)?;
            writeln!(file, "{}", secret.expose_secret().trim_end()).with_context(what)?;
            file.sync_all().with_context(what)?;
            Ok(secret)
        }
        Err(error) => Err(error).with_context(what),
    }
}
