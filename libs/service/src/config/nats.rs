//! Where NATS is, which server to believe, and as whom each service comes: `<SERVICE>_NATS_NKEY_SEED` and
//! `<SERVICE>_NATS_NKEY_SEED_FILE`.

use std::path::PathBuf;

use clap::Args;
use messaging::Access;
use secrecy::SecretString;

use super::of_services::of_services;
use super::secret::read_secret;

pub(super) const NATS_URL: &str = "nats://127.0.0.1:4222";

/// The users of NATS that processes of ours are: the services, and the audit where it has a process of its own.
pub const NATS_USERS: [&str; 8] =
    ["auth", "user", "billing", "stock", "delivery", "notification", "orchestrator", "audit"];

of_services! {
    /// The seeds of the services' nkeys.
    pub struct Seeds as "SEED" in NAMES:
    "-nats-nkey-seed", "_NATS_NKEY_SEED", "Seed of the NATS user",
    "auth" "AUTH",
    "user" "USER",
    "billing" "BILLING",
    "stock" "STOCK",
    "delivery" "DELIVERY",
    "notification" "NOTIFICATION",
    "orchestrator" "ORCHESTRATOR",
    "audit" "AUDIT",
}

/// Where NATS is, and how it is reached.
#[derive(Debug, Clone, Args)]
pub struct NatsConfig {
    /// Address of NATS; may carry a user and a password. With `tls://` nothing is sent without TLS.
    #[arg(id = "nats_url", long = "nats-url", env = "NATS_URL", hide_env_values = true, default_value = NATS_URL)]
    pub url: SecretString,
    /// A file that holds the address instead.
    #[arg(id = "nats_url_file", long = "nats-url-file", env = "NATS_URL_FILE", value_parser = read_secret)]
    pub url_from_file: Option<SecretString>,
    /// Certificates (PEM) of whoever may vouch for the server; given, nothing is sent without TLS. Default: those
    /// of the system.
    #[arg(id = "nats_ca_file", long = "nats-ca-file", env = "NATS_CA_FILE", value_name = "PATH")]
    pub ca_file: Option<PathBuf>,
    /// Our certificate (PEM), for a server that wants to see one.
    #[arg(
        id = "nats_client_cert_file",
        long = "nats-client-cert-file",
        env = "NATS_CLIENT_CERT_FILE",
        value_name = "PATH",
        requires = "nats_client_key_file"
    )]
    pub client_cert_file: Option<PathBuf>,
    /// Its key (PEM).
    #[arg(
        id = "nats_client_key_file",
        long = "nats-client-key-file",
        env = "NATS_CLIENT_KEY_FILE",
        value_name = "PATH",
        requires = "nats_client_cert_file"
    )]
    pub client_key_file: Option<PathBuf>,
    /// Copies of every stream that is made, in a cluster of as many servers or more. Streams that are there keep
    /// theirs.
    #[arg(long = "nats-replicas", id = "nats_replicas", env = "NATS_REPLICAS", default_value_t = 1, value_parser = clap::value_parser!(u8).range(1..=5))]
    pub replicas: u8,
    /// Who the services are.
    #[command(flatten)]
    pub seeds: Seeds,
}

impl Default for NatsConfig {
    fn default() -> Self {
        Self {
            url: SecretString::from(NATS_URL),
            url_from_file: None,
            ca_file: None,
            client_cert_file: None,
            client_key_file: None,
            replicas: 1,
            seeds: Seeds::default(),
        }
    }
}

impl NatsConfig {
    /// The address to connect to.
    pub fn url(&self) -> &SecretString {
        self.url_from_file.as_ref().unwrap_or(&self.url)
    }

    /// As whom a service connects.
    pub fn access(&self, user: &str) -> Access {
        Access {
            seed: self.seeds.of(user).cloned(),
            ca_file: self.ca_file.clone(),
            client_certificate: self.client_cert_file.clone().zip(self.client_key_file.clone()),
            replicas: Some(self.replicas.into()),
        }
    }
}
