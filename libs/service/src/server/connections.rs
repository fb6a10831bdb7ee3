//! Accepts connections and serves HTTP/1.1 on them, a bounded number at a time; drains them at the end.
//!
//! A connection must not be ended while its client may be about to use it again: that request would be lost, and nobody
//! could tell whether it was done. So a process that is to end first asks for it, in every answer, and ends only what
//! nobody has used since.

use std::sync::Arc;
use std::time::Duration;

use axum::Router;
use hyper::Request;
use hyper::body::Incoming;
use hyper::header::{CONNECTION, HeaderValue};
use hyper::server::conn::http1;
use hyper::service::{Service, service_fn};
use hyper_util::rt::{TokioIo, TokioTimer};
use hyper_util::server::graceful::{GracefulShutdown, Watcher};
use hyper_util::service::TowerToHyperService;
use ipnet::IpNet;
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::Semaphore;
use tokio::task::JoinHandle;
use tokio_util::sync::CancellationToken;

use crate::config::HttpConfig;
use crate::http::Peer;
use crate::metric_names::HTTP_CONNECTIONS;

/// How long a request's head may take to arrive; it also ends connections that nobody uses.
const HEAD_TIMEOUT: Duration = Duration::from_secs(60);
/// After an error of accept (usually: no file descriptors left) others are given time to close.
const ACCEPT_PAUSE: Duration = Duration::from_millis(100);

/// A listener that serves.
#[derive(Debug)]
pub(super) struct Server {
    leaving: CancellationToken,
    stop: CancellationToken,
    accepting: JoinHandle<GracefulShutdown>,
    connections: CancellationToken,
}

impl Server {
    /// Starts to accept.
    pub(super) fn start(
        name: &'static str,
        listener: TcpListener,
        router: Router,
        http: &HttpConfig,
    ) -> Self {
        let [leaving, stop, connections] = std::array::from_fn(|_| CancellationToken::new());
        let trusted = http.trusted_proxies.as_slice().into();
        let (leaves, cut_off) = (leaving.clone(), connections.clone());
        let acceptor = Acceptor { name, router, trusted, leaving: leaves, connections: cut_off };
        let accepting = tokio::spawn(acceptor.accept(listener, http.connections_max, stop.clone()));
        Self { leaving, stop, accepting, connections }
    }

    /// From now on every answer is the last one of its connection. New ones are taken all the same.
    pub(super) fn leave(&self) {
        self.leaving.cancel();
    }

    /// Stops accepting, lets requests in flight finish within `grace`, then cuts off the rest. Whether
    /// all of them finished.
    pub(super) async fn drain(self, grace: Duration) -> bool {
        self.stop.cancel();
        let Ok(graceful) = self.accepting.await else { return false };
        let finished = tokio::time::timeout(grace, graceful.shutdown()).await.is_ok();
        self.connections.cancel();
        finished
    }
}

struct Acceptor {
    name: &'static str,
    router: Router,
    /// Whose `X-Forwarded-For` is believed.
    trusted: Arc<[IpNet]>,
    /// Cancelled when connections are to be given up by their clients.
    leaving: CancellationToken,
    /// Cancelled when the grace is over.
    connections: CancellationToken,
}

impl Acceptor {
    async fn accept(self, listener: TcpListener, limit: usize, stop: CancellationToken) -> GracefulShutdown {
        let graceful = GracefulShutdown::new();
        let free = Arc::new(Semaphore::new(limit));
        loop {
            let next = async {
                // The semaphore is never closed.
                let permit = Arc::clone(&free).acquire_owned().await.ok();
                (permit, listener.accept().await)
            };
            let (permit, accepted) = tokio::select! {
                () = stop.cancelled() => return graceful,
                next = next => next,
            };
            match accepted {
                Ok((stream, peer)) => {
                    let peer = Peer { address: peer.ip(), trusted: Arc::clone(&self.trusted) };
                    let served = self.serve(stream, peer, graceful.watcher());
                    let gauge = metrics::gauge!(HTTP_CONNECTIONS, "listener" => self.name);
                    tokio::spawn(async move {
                        gauge.increment(1.0);
                        served.await;
                        gauge.decrement(1.0);
                        drop(permit);
                    });
                }
                Err(error) => {
                    tracing::warn!(listener = self.name, %error, "cannot accept a connection");
                    tokio::time::sleep(ACCEPT_PAUSE).await;
                }
            }
        }
    }

    fn serve(&self, stream: TcpStream, peer: Peer, watcher: Watcher) -> impl Future<Output = ()> + use<> {
        // An answer is written at once, not gathered with the next one.
        let _ = stream.set_nodelay(true);
        let router = TowerToHyperService::new(self.router.clone());
        let leaving = self.leaving.clone();
        let served = service_fn(move |mut request: Request<Incoming>| {
            request.extensions_mut().insert(peer.clone());
            let (answered, leaving) = (router.call(request), leaving.clone());
            async move {
                let mut response = answered.await;
                if leaving.is_cancelled()
                    && let Ok(response) = &mut response
                {
                    response.headers_mut().insert(CONNECTION, HeaderValue::from_static("close"));
                }
                response
            }
        });
        let connection = http1::Builder::new()
            .timer(TokioTimer::new())
            .header_read_timeout(HEAD_TIMEOUT)
            .serve_connection(TokioIo::new(stream), served);
        let watched = watcher.watch(connection);
        let cut_off = self.connections.clone();
        async move {
            tokio::select! {
                // What goes wrong here is the client's: it hung up or spoke no HTTP.
                _ = watched => {}
                () = cut_off.cancelled() => {}
            }
        }
    }
}
