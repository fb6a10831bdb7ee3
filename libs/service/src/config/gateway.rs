//! What a gateway is told besides: where each service's public listener is, and how long it may take.

use std::time::Duration;

use clap::Args;

use super::HttpConfig;

/// Longer than the longest `Prefer: wait`, with time to answer.
const TIMEOUT_SECONDS: u64 = 40;

/// The services behind a gateway; auth's address is among [`HttpConfig`], for everybody needs it.
#[derive(Debug, Clone, Args)]
#[command(next_help_heading = "Gateway")]
pub struct GatewayConfig {
    /// Base address of user's public listener.
    #[arg(long, env = "USER_PUBLIC_URL", value_name = "URL")]
    pub user_public_url: Option<String>,
    /// Base address of billing's public listener.
    #[arg(long, env = "BILLING_PUBLIC_URL", value_name = "URL")]
    pub billing_public_url: Option<String>,
    /// Base address of stock's public listener.
    #[arg(long, env = "STOCK_PUBLIC_URL", value_name = "URL")]
    pub stock_public_url: Option<String>,
    /// Base address of delivery's public listener.
    #[arg(long, env = "DELIVERY_PUBLIC_URL", value_name = "URL")]
    pub delivery_public_url: Option<String>,
    /// Base address of notification's public listener.
    #[arg(long, env = "NOTIFICATION_PUBLIC_URL", value_name = "URL")]
    pub notification_public_url: Option<String>,
    /// Base address of the orchestrator's public listener.
    #[arg(long, env = "ORCHESTRATOR_PUBLIC_URL", value_name = "URL")]
    pub orchestrator_public_url: Option<String>,
    /// How long a service may take until its answer begins, in seconds: longer than the longest wait
    /// that a client may ask for.
    #[arg(long, env = "GATEWAY_TIMEOUT_SECONDS", default_value_t = TIMEOUT_SECONDS, value_parser = clap::value_parser!(u64).range(1..=600))]
    pub gateway_timeout_seconds: u64,
}

impl GatewayConfig {
    /// The base address of a service's public listener, if it was given, without a slash at the end.
    pub fn public_url<'a>(&'a self, http: &'a HttpConfig, service: &str) -> Option<&'a str> {
        let given = match service {
            "auth" => &http.auth_public_url,
            "user" => &self.user_public_url,
            "billing" => &self.billing_public_url,
            "stock" => &self.stock_public_url,
            "delivery" => &self.delivery_public_url,
            "notification" => &self.notification_public_url,
            "orchestrator" => &self.orchestrator_public_url,
            _ => &None,
        };
        given.as_deref().map(|url| url.trim_end_matches('/'))
    }

    /// How long a service may take until its answer begins.
    pub fn timeout(&self) -> Duration {
        Duration::from_secs(self.gateway_timeout_seconds)
    }
}

impl Default for GatewayConfig {
    fn default() -> Self {
        Self {
            user_public_url: None,
            billing_public_url: None,
            stock_public_url: None,
            delivery_public_url: None,
            notification_public_url: None,
            orchestrator_public_url: None,
            gateway_timeout_seconds: TIMEOUT_SECONDS,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::config::{Config, SERVICES};
    use clap::Parser;

    #[derive(Parser)]
    struct Command {
        #[command(flatten)]
        config: Config,
        #[command(flatten)]
        gateway: GatewayConfig,
    }

    #[test]
    fn every_service_has_an_address_to_be_given() {
        let address = |service: &str| format!("http://{service}:80");
        let options = SERVICES.map(|service| format!("--{service}-public-url={}/", address(service)));
        let Command { config, gateway } =
            Command::parse_from(["rondo".to_owned()].into_iter().chain(options));
        for service in SERVICES {
            let url = gateway.public_url(&config.http, service);
            assert_eq!(url, Some(address(service).as_str()), "{service}");
        }
        assert_eq!(GatewayConfig::default().public_url(&HttpConfig::default(), "stock"), None);
    }
}
