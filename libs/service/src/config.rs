//! Everything that can be configured: the only place that reads the environment (through clap).
//!
//! The structs are plain: `rondo up` and tests build them in code from [`Config::default`]. Every
//! secret can also be given as a file (`NAME_FILE`), as mounted secrets are.

mod databases;
mod gateway;
mod local;
mod nats;
mod of_services;
mod operator;
mod secret;

use std::net::SocketAddr;

use clap::{Args, ValueEnum};
use ipnet::IpNet;
use secrecy::{ExposeSecret, SecretString};

pub use databases::{Databases, SERVICES};
pub use gateway::GatewayConfig;
pub use local::{CrashConfig, LocalConfig};
pub use nats::{NATS_USERS, NatsConfig, Seeds};
pub use operator::{OperatorConfig, OperatorLogin};
use secret::read_secret;

const PUBLIC_ADDR: SocketAddr = SocketAddr::new(std::net::IpAddr::V4(std::net::Ipv4Addr::LOCALHOST), 8080);
const INTERNAL_ADDR: SocketAddr = SocketAddr::new(std::net::IpAddr::V4(std::net::Ipv4Addr::LOCALHOST), 8081);

/// The configuration of one process, whichever services it runs.
#[derive(Debug, Clone, Default, Args)]
pub struct Config {
    /// A database per service.
    #[command(flatten)]
    pub databases: Databases,
    /// The road.
    #[command(flatten)]
    pub nats: NatsConfig,
    /// Listeners and addresses.
    #[command(flatten)]
    pub http: HttpConfig,
    /// Keys, tokens and passwords.
    #[command(flatten)]
    pub security: SecurityConfig,
    /// What the business of the deployment says.
    #[command(flatten)]
    pub business: BusinessConfig,
    /// How much is done at once.
    #[command(flatten)]
    pub loops: LoopConfig,
    /// Logs and traces.
    #[command(flatten)]
    pub telemetry: TelemetryConfig,
}

/// Listeners, and where auth is reached by the other services.
#[derive(Debug, Clone, Args)]
pub struct HttpConfig {
    /// Where the public API listens.
    #[arg(long, env = "PUBLIC_ADDR", default_value_t = Self::default().public_addr)]
    pub public_addr: SocketAddr,
    /// Where probes, metrics and the internal API listen.
    #[arg(long, env = "INTERNAL_ADDR", default_value_t = Self::default().internal_addr)]
    pub internal_addr: SocketAddr,
    /// Base address of auth's public listener, where its JWKS is. Default: the own one.
    #[arg(long, env = "AUTH_PUBLIC_URL")]
    pub auth_public_url: Option<String>,
    /// Base address of auth's internal listener. Default: the own one.
    #[arg(long, env = "AUTH_INTERNAL_URL")]
    pub auth_internal_url: Option<String>,
    /// Connections that one listener serves at a time; more wait in the backlog.
    #[arg(long, env = "CONNECTIONS_MAX", default_value_t = Self::default().connections_max)]
    pub connections_max: usize,
    /// Proxies in front of the listeners, as addresses or networks (`10.0.0.0/8`), with commas: whom to
    /// believe in `X-Forwarded-For`. Default: nobody.
    #[arg(long, env = "TRUSTED_PROXIES", value_delimiter = ',', value_parser = network)]
    pub trusted_proxies: Vec<IpNet>,
    /// How long a process that is told to end goes on taking requests, in seconds, saying so in `/readyz`, and in every
    /// answer that its connection is to be given up: longer than it takes until whoever sends requests has noticed,
    /// and than our own clients keep a connection that nobody uses (3 s).
    #[arg(long, env = "DRAIN_SECONDS", default_value_t = Self::default().drain_seconds)]
    pub drain_seconds: u64,
    /// How long requests in flight, and then the loops, may take to finish at shutdown, in seconds.
    #[arg(long, env = "SHUTDOWN_GRACE_SECONDS", default_value_t = Self::default().shutdown_grace_seconds)]
    pub shutdown_grace_seconds: u64,
}

impl Default for HttpConfig {
    fn default() -> Self {
        Self {
            public_addr: PUBLIC_ADDR,
            internal_addr: INTERNAL_ADDR,
            auth_public_url: None,
            auth_internal_url: None,
            connections_max: 10_000,
            trusted_proxies: Vec::new(),
            drain_seconds: 5,
            shutdown_grace_seconds: 15,
        }
    }
}

impl HttpConfig {
    /// Base address of auth's public listener, without a slash at the end.
    pub fn auth_public_url(&self) -> String {
        base_url(self.auth_public_url.as_deref(), self.public_addr)
    }

    /// Base address of auth's internal listener, without a slash at the end.
    pub fn auth_internal_url(&self) -> String {
        base_url(self.auth_internal_url.as_deref(), self.internal_addr)
    }
}

/// An address is a network of one.
fn network(word: &str) -> Result<IpNet, String> {
    let address = || word.parse::<std::net::IpAddr>().map(IpNet::from);
    word.trim().parse().or_else(|_| address()).map_err(|_| "is neither an address nor a network".to_owned())
}

fn base_url(given: Option<&str>, own: SocketAddr) -> String {
    given.map_or_else(|| format!("http://{}", reachable(own)), |url| url.trim_end_matches('/').to_owned())
}

/// An address that listens on all interfaces is reached through the local one.
fn reachable(mut address: SocketAddr) -> SocketAddr {
    if address.ip().is_unspecified() {
        address.set_ip(match address {
            SocketAddr::V4(_) => std::net::Ipv4Addr::LOCALHOST.into(),
            SocketAddr::V6(_) => std::net::Ipv6Addr::LOCALHOST.into(),
        });
    }
    address
}

/// Keys, tokens and the cost of passwords.
#[derive(Debug, Clone, Args)]
pub struct SecurityConfig {
    /// Auth's Ed25519 signing key, PEM (PKCS#8).
    #[arg(long, env = "AUTH_SIGNING_KEY", hide_env_values = true)]
    pub auth_signing_key: Option<SecretString>,
    /// A file that holds the signing key instead.
    #[arg(id = "auth_signing_key_file", long = "auth-signing-key-file", env = "AUTH_SIGNING_KEY_FILE", value_parser = read_secret)]
    pub auth_signing_key_from_file: Option<SecretString>,
    /// Public halves (PEM, one after the other) of further keys whose tokens are accepted: the one that
    /// signed before, or the one that will sign next.
    #[arg(long, env = "AUTH_VERIFICATION_KEYS", hide_env_values = true)]
    pub auth_verification_keys: Option<SecretString>,
    /// A file that holds the verification keys instead.
    #[arg(id = "auth_verification_keys_file", long = "auth-verification-keys-file", env = "AUTH_VERIFICATION_KEYS_FILE", value_parser = read_secret)]
    pub auth_verification_keys_from_file: Option<SecretString>,
    /// The token this process shows to other services; minted if the signing key is here.
    #[arg(long, env = "SERVICE_TOKEN", hide_env_values = true)]
    pub service_token: Option<SecretString>,
    /// A file that holds the service token instead.
    #[arg(id = "service_token_file", long = "service-token-file", env = "SERVICE_TOKEN_FILE", value_parser = read_secret)]
    pub service_token_from_file: Option<SecretString>,
    /// How long an access token is valid, in seconds.
    #[arg(long, env = "ACCESS_TOKEN_SECONDS", default_value_t = Self::default().access_token_seconds)]
    pub access_token_seconds: u32,
    /// How long a minted service token is valid, in days.
    #[arg(long, env = "SERVICE_TOKEN_DAYS", default_value_t = Self::default().service_token_days)]
    pub service_token_days: u32,
    /// How long a session can be refreshed, in days.
    #[arg(long, env = "SESSION_DAYS", default_value_t = Self::default().session_days)]
    pub session_days: u32,
    /// Memory of one password hash (argon2id), in KiB.
    #[arg(long, env = "ARGON2_MEMORY_KIB", default_value_t = Self::default().argon2_memory_kib)]
    pub argon2_memory_kib: u32,
    /// Passes of one password hash (argon2id).
    #[arg(long, env = "ARGON2_PASSES", default_value_t = Self::default().argon2_passes)]
    pub argon2_passes: u32,
    /// Passwords hashed at the same time; each takes a core.
    #[arg(long, env = "PASSWORDS_AT_ONCE", default_value_t = Self::default().passwords_at_once)]
    pub passwords_at_once: usize,
}

impl Default for SecurityConfig {
    fn default() -> Self {
        Self {
            auth_signing_key: None,
            auth_signing_key_from_file: None,
            auth_verification_keys: None,
            auth_verification_keys_from_file: None,
            service_token: None,
            service_token_from_file: None,
            access_token_seconds: 300,
            service_token_days: 365,
            session_days: 30,
            argon2_memory_kib: 19_456,
            argon2_passes: 2,
            passwords_at_once: 2,
        }
    }
}

impl SecurityConfig {
    /// Auth's signing key, PEM, if this process has it.
    pub fn auth_signing_key(&self) -> Option<&SecretString> {
        self.auth_signing_key.as_ref().or(self.auth_signing_key_from_file.as_ref())
    }

    /// Further keys whose tokens are accepted, PEM, if there are any. An empty text is none.
    pub fn auth_verification_keys(&self) -> Option<&SecretString> {
        let given = self.auth_verification_keys.as_ref().or(self.auth_verification_keys_from_file.as_ref());
        given.filter(|pem| !pem.expose_secret().trim().is_empty())
    }

    /// The service token given to this process, if any.
    pub fn service_token(&self) -> Option<&SecretString> {
        self.service_token.as_ref().or(self.service_token_from_file.as_ref())
    }
}

/// What the business of the deployment says.
#[derive(Debug, Clone, Args)]
pub struct BusinessConfig {
    /// The one currency, ISO 4217.
    #[arg(long, env = "CURRENCY", default_value_t = Self::default().currency)]
    pub currency: String,
    /// Open running sagas above which new orders are answered 503.
    #[arg(long, env = "OPEN_SAGAS_MAX", default_value_t = Self::default().open_sagas_max)]
    pub open_sagas_max: u64,
    /// When orders take longer than half of so many milliseconds on average, as many are let in as would be decided in
    /// that time, and the others answered 503; 0: never.
    #[arg(long, env = "DECIDED_WITHIN_MS", default_value_t = Self::default().decided_within_ms)]
    pub decided_within_ms: u32,
    /// Days after which a finished saga leaves the database, with its history; its order stays.
    #[arg(long, env = "SAGA_RETENTION_DAYS", default_value_t = Self::default().saga_retention_days, value_parser = clap::value_parser!(u32).range(1..=36_500))]
    pub saga_retention_days: u32,
    /// How long a hold on an account lasts, in seconds.
    #[arg(long, env = "HOLD_SECONDS", default_value_t = Self::default().hold_seconds)]
    pub hold_seconds: u32,
    /// Couriers who deliver in every hour; each takes one order.
    #[arg(long, env = "DELIVERY_COURIERS", default_value_t = Self::default().delivery_couriers, value_parser = clap::value_parser!(u32).range(0..=1_000))]
    pub delivery_couriers: u32,
    /// An order that nothing has happened to for so many seconds is compared between the services by the
    /// audit.
    #[arg(long, env = "AUDIT_QUIET_SECONDS", default_value_t = Self::default().audit_quiet_seconds)]
    pub audit_quiet_seconds: u32,
    /// A process with the audit audits by itself every so many seconds; 0: only when it is asked.
    #[arg(long, env = "AUDIT_EVERY_SECONDS", default_value_t = Self::default().audit_every_seconds)]
    pub audit_every_seconds: u32,
}

impl Default for BusinessConfig {
    fn default() -> Self {
        Self {
            currency: "RUB".to_owned(),
            open_sagas_max: 20_000,
            decided_within_ms: 1_000,
            saga_retention_days: 30,
            hold_seconds: 7 * 24 * 3600,
            delivery_couriers: 20,
            audit_quiet_seconds: 60,
            audit_every_seconds: 3_600,
        }
    }
}

/// How much the services' loops do at once.
#[derive(Debug, Clone, Args)]
pub struct LoopConfig {
    /// Inputs that a loop decides in one transaction; 1 turns batching off, which is for comparing.
    #[arg(long, env = "BATCH_INPUTS_MAX", default_value_t = Self::default().batch_inputs_max, value_parser = clap::value_parser!(u16).range(1..=256))]
    pub batch_inputs_max: u16,
}

impl Default for LoopConfig {
    fn default() -> Self {
        Self { batch_inputs_max: 256 }
    }
}

/// Logs and traces.
#[derive(Debug, Clone, Args)]
pub struct TelemetryConfig {
    /// What is logged: a level, or directives as `info,sqlx=warn`; of `async_nats`, which prints messages, at most `info`.
    #[arg(id = "log", long = "log", env = "LOG", default_value_t = Self::default().filter)]
    pub filter: String,
    /// How log lines look.
    #[arg(id = "log_format", long = "log-format", env = "LOG_FORMAT", value_enum, default_value_t = LogFormat::Text)]
    pub format: LogFormat,
    /// Where traces are sent by OTLP over HTTP: the base address of a receiver, as `http://127.0.0.1:4318`.
    /// Default: nowhere.
    #[arg(long, env = "OTEL_EXPORTER_OTLP_ENDPOINT")]
    pub otlp_endpoint: Option<String>,
    /// The share of new traces that is recorded, 0 to 1. Whoever calls with a trace of their own decides for it.
    #[arg(long, env = "OTEL_TRACES_SAMPLER_ARG", default_value_t = Self::default().trace_ratio, value_parser = share)]
    pub trace_ratio: f64,
}

impl Default for TelemetryConfig {
    fn default() -> Self {
        // Of our libraries only what needs somebody's attention, and is not said by us.
        let filter =
            "info,sqlx=warn,sea_orm_migration=warn,async_nats=warn,axum_reverse_proxy=off".to_owned();
        Self { filter, format: LogFormat::Text, otlp_endpoint: None, trace_ratio: 1.0 }
    }
}

fn share(word: &str) -> Result<f64, String> {
    let share = word.parse().ok().filter(|share| (0.0..=1.0).contains(share));
    share.ok_or_else(|| "is no number from 0 to 1".to_owned())
}

/// How log lines look.
#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
pub enum LogFormat {
    /// For people.
    Text,
    /// One JSON object a line.
    Json,
}

#[cfg(test)]
mod tests {
    use super::*;
    use clap::Parser;

    #[derive(Parser)]
    struct Command {
        #[command(flatten)]
        config: Config,
    }

    #[test]
    fn the_command_line_definition_is_consistent() {
        use clap::CommandFactory;
        Command::command().debug_assert();
    }

    #[test]
    fn without_arguments_it_is_the_default() {
        let config = Command::parse_from(["rondo"]).config;
        assert_eq!(config.http.public_addr, HttpConfig::default().public_addr);
        assert_eq!(config.nats.url().expose_secret(), nats::NATS_URL);
        assert_eq!(config.business.currency, "RUB");
    }

    #[test]
    fn a_secret_can_be_a_file_and_its_last_newline_is_not_part_of_it() {
        let file = std::env::temp_dir().join(format!("secret-{}", uuid::Uuid::now_v7()));
        std::fs::write(&file, "postgres://elsewhere\n").unwrap();
        let argument = format!("--billing-database-url-file={}", file.display());
        let config = Command::parse_from(["rondo", &argument]).config;
        std::fs::remove_file(file).unwrap();
        assert_eq!(config.databases.of("billing").unwrap().expose_secret(), "postgres://elsewhere");
        assert!(config.databases.of("stock").is_none());
    }

    #[test]
    fn a_secret_is_not_printed() {
        for option in ["service-token", "billing-nats-nkey-seed", "billing-database-url", "nats-url"] {
            let config = Command::parse_from(["rondo", &format!("--{option}=sesame")]).config;
            assert!(!format!("{config:?}").contains("sesame"), "{option}");
        }
    }

    #[test]
    fn each_service_is_a_user_of_nats() {
        let config =
            Command::parse_from(["rondo", "--billing-nats-nkey-seed=SUA", "--nats-ca-file=ca.pem"]).config;
        let access = config.nats.access("billing");
        assert_eq!(access.seed.unwrap().expose_secret(), "SUA");
        assert_eq!(access.ca_file.unwrap(), std::path::Path::new("ca.pem"));
        assert!(config.nats.access("stock").seed.is_none());
        assert!(SERVICES.iter().all(|service| NATS_USERS.contains(service)));
        let half = Command::try_parse_from(["rondo", "--nats-client-cert-file=cert.pem"]);
        assert!(half.is_err(), "a certificate without its key");
    }

    #[test]
    fn proxies_are_addresses_or_networks() {
        let parse = |list: &str| Command::try_parse_from(["rondo", &format!("--trusted-proxies={list}")]);
        let proxies = parse("10.0.0.0/8,127.0.0.1,fd00::/8").unwrap().config.http.trusted_proxies;
        let known = ["10.0.0.0/8", "127.0.0.1/32", "fd00::/8"];
        assert_eq!(proxies, known.map(|network| network.parse::<IpNet>().unwrap()));
        assert!(parse("everybody").is_err());
    }

    #[test]
    fn auth_is_at_the_own_listener_unless_said_otherwise() {
        let mut http = HttpConfig { public_addr: "0.0.0.0:9000".parse().unwrap(), ..HttpConfig::default() };
        assert_eq!(http.auth_public_url(), "http://127.0.0.1:9000");
        http.auth_public_url = Some("http://auth:8080/".to_owned());
        assert_eq!(http.auth_public_url(), "http://auth:8080");
    }
}
