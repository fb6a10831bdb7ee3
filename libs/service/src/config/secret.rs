//! Secrets that are mounted as files.

use secrecy::SecretString;

/// Reads a secret from the file at `path`; the newline that editors add is not part of it.
pub(super) fn read_secret(path: &str) -> Result<SecretString, std::io::Error> {
    let text = std::fs::read_to_string(path)?;
    Ok(SecretString::from(text.trim_end_matches(['\r', '\n'])))
}
