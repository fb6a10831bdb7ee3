//! Which Secret has what: pure, so that a test can compare it with what the manifests ask for.

use std::collections::BTreeMap;

use migrations::rights::{AUDITED, AUDITOR, MIGRATOR, database_of, role_of};
use secrecy::{ExposeSecret, SecretString};
use serde_json::{Value, json};
use service::config::SecurityConfig;
use service::token::SigningKey;

use super::keys::KeyFolder;
use crate::audit::NATS_USER as AUDIT;
use crate::kept::in_address;
use crate::services::Service;

/// The Secret that keeps all keys; no pod is given it.
pub(super) const KEYS: &str = "keys";

/// A Secret of the cluster. It cannot be shown: a log is no place for it.
pub(super) struct Secret {
    pub(super) name: String,
    pub(super) entries: BTreeMap<String, String>,
}

impl Secret {
    fn new<K: Into<String>, V: Into<String>>(name: &str, entries: impl IntoIterator<Item = (K, V)>) -> Self {
        let entries = entries.into_iter().map(|(name, text)| (name.into(), text.into())).collect();
        Self { name: name.to_owned(), entries }
    }

    /// As the cluster takes it.
    pub(super) fn manifest(&self) -> Value {
        let labels = json!({ "app.kubernetes.io/name": "rondo", "app.kubernetes.io/part-of": "rondo" });
        json!({
            "apiVersion": "v1",
            "kind": "Secret",
            "metadata": { "name": self.name, "labels": labels },
            "type": "Opaque",
            "stringData": self.entries,
        })
    }
}

/// All of them but the keys themselves, with PostgreSQL at `host`.
pub(super) fn of(keys: &KeyFolder, host: &str) -> anyhow::Result<Vec<Secret>> {
    let mut secrets = Vec::new();
    for service in Service::ALL {
        secrets.push(of_service(service, keys, host)?);
    }
    let mut audit = vec![("nats-seed".to_owned(), keys.seed(AUDIT)?.to_owned())];
    for service in AUDITED {
        audit.push((format!("{service}-database-url"), url(keys, AUDITOR, service, host)?));
    }
    secrets.push(Secret::new("audit", audit));
    let mut migrate = Vec::new();
    for service in Service::ALL.map(Service::name) {
        migrate.push((format!("{service}-database-url"), url(keys, MIGRATOR, service, host)?));
    }
    secrets.push(Secret::new("migrate", migrate));
    let users = keys.nats_users().map(|(user, key)| (format!("NATS_USER_{}", user.to_uppercase()), key));
    secrets.push(Secret::new("nats-users", users));
    secrets.push(Secret::new("nats-operator", [("nats-seed", keys.seed("operator")?)]));
    let passwords =
        keys.roles().map(|(role, password)| (format!("{}_PASSWORD", role.to_uppercase()), password));
    secrets.push(Secret::new("postgres", passwords));
    Ok(secrets)
}

fn of_service(service: Service, keys: &KeyFolder, host: &str) -> anyhow::Result<Secret> {
    let name = service.name();
    let mut entries = vec![
        ("database-url", url(keys, &role_of(name), name, host)?),
        ("nats-seed", keys.seed(name)?.to_owned()),
    ];
    match service {
        Service::Auth => entries.push(("signing-key", keys.signing_key()?.to_owned())),
        // It makes accounts at auth.
        Service::User => {
            let key = SigningKey::from_pem(&SecretString::from(keys.signing_key()?))?;
            let token = key.service_token(name, SecurityConfig::default().service_token_days)?;
            entries.push(("service-token", token.expose_secret().to_owned()));
        }
        _ => {}
    }
    Ok(Secret::new(name, entries))
}

fn url(keys: &KeyFolder, role: &str, service: &str, host: &str) -> anyhow::Result<String> {
    let password = in_address(keys.password(role)?);
    Ok(format!("postgres://{role}:{password}@{host}/{}", database_of(service)))
}
