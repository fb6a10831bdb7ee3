//! The two listeners of a process, and the order in which it ends.

mod connections;
mod docs;
mod envelope;
mod internal;
mod openapi;
mod public;
mod request_span;
mod runbooks;
mod starting;

use std::collections::HashMap;
use std::net::SocketAddr;
use std::time::Duration;

use axum::Router;
use tokio::net::{TcpListener, TcpSocket};
use tokio_util::sync::CancellationToken;
use utoipa::openapi::OpenApi;
use utoipa_axum::router::OpenApiRouter;

use crate::config::HttpConfig;
use crate::metric_names::SERVICE_INFO;
use crate::{House, Part, StartError, dead_letters, telemetry};
use connections::Server;
use starting::Later;

/// How often finished measurements are folded into histograms, so that they do not pile up.
const METRICS_UPKEEP: Duration = Duration::from_secs(5);
/// How many connections the kernel keeps until they are accepted, if its own bound (`net.core.somaxconn`) is not lower.
/// With tokio's 1,024 a burst of new clients overflowed it, and whoever finds no room there tries again after a second.
const BACKLOG: u32 = 4_096;
/// How long internal requests may take to finish when the public ones have.
const INTERNAL_GRACE: Duration = Duration::from_secs(1);

/// The sockets of a process, bound before anything else: a port that is taken is told at once.
#[derive(Debug)]
pub struct Listeners {
    public: TcpListener,
    internal: Internal,
}

/// The internal listener of a process.
#[derive(Debug)]
enum Internal {
    /// It is nobody's yet.
    Bound(TcpListener),
    /// It says that the process is alive.
    Starting { address: SocketAddr, server: Server, later: Later },
}

impl Listeners {
    /// Binds both addresses of the configuration; port 0 takes a free one.
    ///
    /// # Errors
    /// [`StartError::Listen`] names the address that is taken.
    pub fn bind(http: &HttpConfig) -> Result<Self, StartError> {
        let public = bind(http.public_addr)?;
        Ok(Self { public, internal: Internal::Bound(bind(http.internal_addr)?) })
    }

    /// From now on the internal listener says that the process is alive and starting, until it serves.
    ///
    /// # Errors
    /// The operating system does not know its address.
    pub fn say_alive(mut self, http: &HttpConfig) -> std::io::Result<Self> {
        if let Internal::Bound(listener) = self.internal {
            let (address, later) = (listener.local_addr()?, Later::default());
            let server = Server::start("internal", listener, later.router(), http);
            self.internal = Internal::Starting { address, server, later };
        }
        Ok(self)
    }

    /// Where the public API is.
    ///
    /// # Errors
    /// The operating system does not know.
    pub fn public_addr(&self) -> std::io::Result<SocketAddr> {
        self.public.local_addr()
    }

    /// Where probes, metrics and the internal API are.
    ///
    /// # Errors
    /// The operating system does not know.
    pub fn internal_addr(&self) -> std::io::Result<SocketAddr> {
        match &self.internal {
            Internal::Bound(listener) => listener.local_addr(),
            Internal::Starting { address, .. } => Ok(*address),
        }
    }
}

fn bind(address: SocketAddr) -> Result<TcpListener, StartError> {
    listen(address).map_err(|source| StartError::Listen { address, source })
}

fn listen(address: SocketAddr) -> std::io::Result<TcpListener> {
    let socket = if address.is_ipv4() { TcpSocket::new_v4() } else { TcpSocket::new_v6() }?;
    // A process that is started again has the port of the one before.
    socket.set_reuseaddr(true)?;
    socket.bind(address)?;
    socket.listen(BACKLOG)
}

/// Serves the parts until `house.leaving` is cancelled, and some seconds more, so that nobody loses a request who does
/// not know it yet; or until `house.draining` (or `house.shutdown`) is. Then it ends in order: no new connections;
/// public requests in flight finish, then internal ones; then the loops. Each within the grace of the configuration.
///
/// # Errors
/// None at present: what fails while serving is answered and logged.
pub async fn run(house: House, parts: Vec<Part>, listeners: Listeners) -> Result<(), StartError> {
    let grace = grace(&house.config.http);
    let (public, internal) = routers(&house, parts);
    house.tasks.spawn(keep_metrics(house.shutdown.clone()));
    let serving = Serving::start(listeners, public, internal, &house.config.http);
    tokio::select! {
        () = house.leaving.cancelled() => {}
        () = house.shutdown.cancelled() => {}
    }
    tokio::select! {
        () = serving.leave(&house.config.http) => {}
        () = house.draining.cancelled() => {}
        () = house.shutdown.cancelled() => {}
    }
    house.draining.cancel();
    // Loops end when nobody can call them any more, and the internal routes can.
    serving.drain(grace).await;
    house.shutdown.cancel();
    house.tasks.close();
    if tokio::time::timeout(grace, house.tasks.wait()).await.is_err() {
        tracing::warn!("tasks did not finish within the grace and were cut off");
    }
    house.buses.flush().await;
    Ok(())
}

/// Serves a gateway's routes until `leaving` is cancelled, and some seconds more; then `draining` is cancelled, and
/// requests in flight finish within the grace.
pub(crate) async fn run_gateway(
    routes: OpenApiRouter,
    owners: Owners,
    http: &HttpConfig,
    listeners: Listeners,
    (leaving, draining): (CancellationToken, CancellationToken),
) {
    let public = public::shown(openapi::base().merge(routes), owners, None);
    metrics::gauge!(SERVICE_INFO, "service" => "gateway").set(1.0);
    let internal = internal::gateway_router(leaving.clone());
    let serving = Serving::start(listeners, public, internal, http);
    keep_metrics(leaving).await;
    serving.leave(http).await;
    draining.cancel();
    serving.drain(grace(http)).await;
}

/// Both listeners at work.
struct Serving {
    public: Server,
    internal: Server,
}

impl Serving {
    fn start(listeners: Listeners, public: Router, internal: Router, http: &HttpConfig) -> Self {
        let public = Server::start("public", listeners.public, public, http);
        let internal = match listeners.internal {
            Internal::Bound(listener) => Server::start("internal", listener, internal, http),
            Internal::Starting { server, later, .. } => {
                later.is_here(internal);
                server
            }
        };
        Self { public, internal }
    }

    /// Asks everybody to go elsewhere, and serves on until they have.
    async fn leave(&self, http: &HttpConfig) {
        self.public.leave();
        self.internal.leave();
        tokio::time::sleep(Duration::from_secs(http.drain_seconds)).await;
    }

    async fn drain(self, grace: Duration) {
        if !self.public.drain(grace).await {
            tracing::warn!("requests did not finish within the grace and were cut off");
        }
        self.internal.drain(INTERNAL_GRACE).await;
    }
}

fn grace(http: &HttpConfig) -> Duration {
    Duration::from_secs(http.shutdown_grace_seconds)
}

fn routers(house: &House, parts: Vec<Part>) -> (Router, Router) {
    let (mut public, mut internal) = (openapi::base(), openapi::base());
    let (mut public_owners, mut internal_owners) = (Owners::default(), Owners::default());
    let mut checks: Vec<_> = house.schemas.checks().collect();
    for part in parts {
        metrics::gauge!(SERVICE_INFO, "service" => part.name).set(1.0);
        public_owners.extend(owned(part.name, part.public.get_openapi()));
        internal_owners.extend(owned(part.name, part.internal.get_openapi()));
        public = public.merge(part.public);
        internal = internal.merge(part.internal);
        checks.extend(part.ready.into_iter().map(|check| (format!("{}.{}", part.name, check.name), check)));
    }
    internal = internal.merge(dead_letters::routes(house.dead_letters.clone()));
    let public = public::router(house, public, public_owners);
    (public, internal::router(house, internal, internal_owners, checks))
}

/// Whose a route is; what is in nobody's document is the house's own.
pub(crate) type Owners = HashMap<String, &'static str>;

/// The routes of a document, as a service's.
pub(crate) fn owned(
    service: &'static str,
    document: &OpenApi,
) -> impl Iterator<Item = (String, &'static str)> {
    document.paths.paths.keys().map(move |path| (path.clone(), service))
}

async fn keep_metrics(shutdown: CancellationToken) {
    let metrics = telemetry::metrics();
    while tokio::time::timeout(METRICS_UPKEEP, shutdown.cancelled()).await.is_err() {
        metrics.run_upkeep();
    }
}

#[cfg(test)]
mod tests {
    use std::net::TcpStream;

    use super::*;

    #[tokio::test]
    async fn a_burst_of_new_clients_finds_room_before_the_first_one_is_accepted() {
        let listener = bind("127.0.0.1:0".parse().unwrap()).unwrap();
        let address = listener.local_addr().unwrap();
        let kernels: u32 =
            std::fs::read_to_string("/proc/sys/net/core/somaxconn").unwrap().trim().parse().unwrap();
        // A client who finds no room tries again after a second.
        let soon = Duration::from_millis(900);
        let clients = (0..kernels.min(1_500)).map(|_| TcpStream::connect_timeout(&address, soon));
        let connected = clients.collect::<Result<Vec<_>, _>>();
        assert!(connected.is_ok(), "{connected:?}");
    }
}
