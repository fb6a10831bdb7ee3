//! Where an operator's command line finds the system, and as whom it comes.

use clap::Args;
use secrecy::SecretString;

/// A running system and an operator of it.
#[derive(Debug, Clone, Args)]
pub struct OperatorConfig {
    /// The public listener (or the gateway), for the login.
    #[arg(long, env = "RONDO_BASE_URL", default_value = "http://127.0.0.1:8080", value_name = "URL")]
    pub base_url: String,
    /// The internal listener of the service that is asked.
    #[arg(long, env = "RONDO_INTERNAL_URL", default_value = "http://127.0.0.1:8081", value_name = "URL")]
    pub internal_url: String,
    /// Who asks.
    #[command(flatten)]
    pub login: OperatorLogin,
}

/// An operator. Others on the machine can read arguments, the environment they cannot.
#[derive(Debug, Clone, Args)]
pub struct OperatorLogin {
    /// E-mail of an operator.
    #[arg(long, env = "RONDO_OPERATOR_EMAIL", value_name = "EMAIL")]
    pub operator_email: Option<String>,
    /// The operator's password.
    #[arg(long, env = "RONDO_OPERATOR_PASSWORD", hide_env_values = true, value_name = "PASSWORD")]
    pub operator_password: Option<SecretString>,
}
