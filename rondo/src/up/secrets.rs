//! The secrets of a local run: made once, kept in the data folder for its owner alone.

use std::path::Path;

use secrecy::SecretString;
use service::config::LocalConfig;

use crate::kept::{kept, new_password};

const DEFAULT_OPERATOR: &str = "operator@arch.homework";

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
