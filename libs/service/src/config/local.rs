//! What `rondo up` is told besides: where it keeps its data, and servers of others to use instead of
//! its own.

use std::path::PathBuf;

use clap::Args;
use secrecy::SecretString;

/// The local run.
#[derive(Debug, Clone, Args)]
pub struct LocalConfig {
    /// Where servers, keys and data are kept for the next start.
    #[arg(long, env = "RONDO_DATA_DIR", default_value = ".rondo")]
    pub data_dir: PathBuf,
    /// Port of the private PostgreSQL on 127.0.0.1. Default: a free one.
    #[arg(long, env = "RONDO_POSTGRES_PORT")]
    pub postgres_port: Option<u16>,
    /// Port of the private NATS on 127.0.0.1. Default: a free one.
    #[arg(long, env = "RONDO_NATS_PORT")]
    pub nats_port: Option<u16>,
    /// A PostgreSQL to use instead, as somebody who may make databases and roles: postgres://user:password@host/postgres.
    #[arg(long, env = "RONDO_EXTERNAL_POSTGRES", hide_env_values = true, value_name = "URL")]
    pub external_postgres: Option<SecretString>,
    /// A NATS with JetStream to use instead: nats://host:4222.
    #[arg(long, env = "RONDO_EXTERNAL_NATS", hide_env_values = true, value_name = "URL")]
    pub external_nats: Option<SecretString>,
    /// E-mail of the operator account that is made at the first start.
    #[arg(long, env = "RONDO_OPERATOR_EMAIL", value_name = "EMAIL")]
    pub operator_email: Option<String>,
    /// Its password; one is made and kept in the data folder if none is given.
    #[arg(long, env = "RONDO_OPERATOR_PASSWORD", hide_env_values = true, value_name = "PASSWORD")]
    pub operator_password: Option<SecretString>,
}

/// For showing crash safety on the shipped binary.
#[derive(Debug, Clone, Default, Args)]
pub struct CrashConfig {
    /// Die by SIGKILL at a named point: `<service>:<point>:<n>`.
    #[arg(long, env = "RONDO_CRASH_AT", hide = true, value_name = "POINT")]
    pub crash_at: Option<String>,
}
