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
    let what = || format!("the secret in {}", path.display());
    match std::fs::read_to_string(path) {
        Ok(text) => {
            let secret = text.trim_end_matches('\n');
            // Nobody meant that, and who has an empty password has none.
            ensure!(!secret.is_empty(), "{} is empty", what());
            Ok(secret.to_owned().into())
        }
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
