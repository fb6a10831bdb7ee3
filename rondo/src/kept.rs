//! Secrets that are made once and kept in files for their owner alone.

use std::fs::OpenOptions;
use std::io::Write;
use std::os::unix::fs::OpenOptionsExt;
use std::path::Path;

use anyhow::Context;
use rand::RngExt;
use secrecy::{ExposeSecret, SecretString};

const PASSWORD_CHARACTERS: usize = 20;

/// Letters and digits: it needs no quotes anywhere.
pub(crate) fn new_password() -> SecretString {
    let password: String = rand::rng()
        .sample_iter(rand::distr::Alphanumeric)
        .take(PASSWORD_CHARACTERS)
        .map(char::from)
        .collect();
    password.into()
}

/// The secret in a file; made at the first time, readable by its owner alone.
///
/// # Errors
/// The file can be neither read nor made.
pub(crate) fn kept(path: &Path, make: impl FnOnce() -> SecretString) -> anyhow::Result<SecretString> {
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
