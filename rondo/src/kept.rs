//! Secrets that are made once and kept in files for their owner alone.

use std::fs::OpenOptions;
use std::io::Write;
use std::os::unix::fs::OpenOptionsExt;
use std::path::Path;

use anyhow::{Context, ensure};
use percent_encoding::{NON_ALPHANUMERIC, utf8_percent_encode};
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

/// A password as it stands in an address. Ours need nothing; somebody may have put another one into the file.
pub(crate) fn in_address(password: &str) -> String {
    utf8_percent_encode(password, NON_ALPHANUMERIC).to_string()
}

/// The secret in a file; made at the first time, readable by its owner alone.
///
/// # Errors
/// The file can be neither read nor made, or it is empty.
pub(crate) fn kept(path: &Path, make: impl FnOnce() -> SecretString) -> anyhow::Result<SecretString> {
    match found(path)? {
        Some(secret) => Ok(secret),
        None => put(path, make()),
    }
}

fn what(path: &Path) -> String {
    format!("the secret in {}", path.display())
}

/// The secret in a file; none: there is no file.
///
/// # Errors
/// The file cannot be read, or it is empty.
pub(crate) fn found(path: &Path) -> anyhow::Result<Option<SecretString>> {
    match std::fs::read_to_string(path) {
        Ok(text) => {
            let secret = text.trim_end_matches('\n');
            // Nobody meant that, and who has an empty password has none.
            ensure!(!secret.trim().is_empty(), "{} is empty", what(path));
            Ok(Some(secret.to_owned().into()))
        }
        Err(error) if error.kind() == std::io::ErrorKind::NotFound => Ok(None),
        Err(error) => Err(error).with_context(|| what(path)),
    }
}

/// Puts a secret into a new file, readable by its owner alone.
///
/// # Errors
/// There is such a file, or it cannot be made.
pub(crate) fn put(path: &Path, secret: SecretString) -> anyhow::Result<SecretString> {
    let write = || {
        let mut file = OpenOptions::new().write(true).create_new(true).mode(0o600).open(path)?;
        writeln!(file, "{}", secret.expose_secret().trim_end())?;
        file.sync_all()
    };
    write().with_context(|| what(path))?;
    Ok(secret)
}
