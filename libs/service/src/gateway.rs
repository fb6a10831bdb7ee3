//! A gateway in front of services that run separately: the one address that clients know.
//!
//! It is a house without a service: the same listeners, the same envelope around every request, the same
//! problems. It owns nothing and needs neither database, NATS nor keys; who a client is, each service
//! decides by the token. Its table is made of the services' own documents: what they do not serve in
//! public is not behind it.
//!
//! It tells the services where a request comes from; they believe it if their `TRUSTED_PROXIES` name it.

mod forward;
mod headers;
mod routes;

use tokio_util::sync::CancellationToken;
use utoipa::openapi::OpenApi;

use crate::config::{GatewayConfig, HttpConfig};
use crate::server::{self, Listeners};
use crate::{StartError, telemetry};
use forward::Upstream;

/// A service behind the gateway.
#[derive(Clone)]
pub struct Behind {
    /// Its name; of it comes the setting that says where it is.
    pub service: &'static str,
    /// What it serves in public.
    pub api: OpenApi,
}

/// Serves until `leaving` is cancelled, `DRAIN_SECONDS` more, and lets requests in flight finish within the grace.
///
/// # Errors
/// The address of a service is missing, or is none.
pub async fn run(
    http: &HttpConfig,
    gateway: &GatewayConfig,
    services: Vec<Behind>,
    listeners: Listeners,
    leaving: CancellationToken,
) -> Result<(), StartError> {
    // Before anything is counted: what came earlier would be lost.
    telemetry::metrics();
    let client = forward::client();
    let draining = CancellationToken::new();
    let mut table = Vec::with_capacity(services.len());
    let mut owners = server::Owners::default();
    for Behind { service, api } in services {
        let url = gateway.public_url(http, service);
        let url = url.ok_or_else(|| StartError::Missing(format!("{}_PUBLIC_URL", service.to_uppercase())))?;
        owners.extend(server::owned(service, &api));
        table.push((Upstream::new(service, url, &client, gateway.timeout(), &draining)?, api));
    }
    server::run_gateway(routes::router(table), owners, http, listeners, (leaving, draining)).await;
    Ok(())
}
