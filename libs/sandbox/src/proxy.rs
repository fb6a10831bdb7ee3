//! A small TCP proxy between a process and a server: its connections can be reset, delayed, cut, and forgotten. With
//! several servers behind it, it deals connections out in turn and passes over who refuses; which servers these are may
//! change, as behind the address of a cluster's service.

use std::net::{Ipv4Addr, SocketAddr};
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use tokio::io::{AsyncRead, AsyncReadExt, AsyncWrite, AsyncWriteExt};
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::watch;
use tokio::task::JoinHandle;

use crate::port::free_port;

/// Read and passed on at once, in bytes.
const CHUNK_BYTES: usize = 16 * 1024;

/// A listener and everything that came through it. Ends with all its connections when dropped.
pub struct Proxy {
    address: SocketAddr,
    weather: watch::Sender<Weather>,
    behind: Arc<Behind>,
    accepting: JoinHandle<()>,
}

/// How connections fare; which of them by their numbers.
#[derive(Debug, Clone, Copy, Default)]
struct Weather {
    flow: Flow,
    /// Connections that were made, so far.
    made: u64,
    /// Those with lower numbers are reset.
    reset_below: u64,
    /// Those with lower numbers are silent for ever.
    silent_below: u64,
}

/// How bytes pass.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub enum Flow {
    /// As they come.
    #[default]
    Open,
    /// Each chunk so much later.
    Delayed(Duration),
    /// Not at all; new connections are taken and hear nothing.
    Cut,
}

impl Proxy {
    /// Listens on a free port of 127.0.0.1.
    ///
    /// # Errors
    /// The port was taken meanwhile.
    pub async fn start(servers: Vec<SocketAddr>) -> std::io::Result<Self> {
        let listener = TcpListener::bind((Ipv4Addr::LOCALHOST, free_port())).await?;
        let address = listener.local_addr()?;
        let weather = watch::Sender::new(Weather::default());
        let behind = Arc::new(Behind::new(servers));
        let accepting = tokio::spawn(accept(listener, Arc::clone(&behind), weather.clone()));
        Ok(Self { address, weather, behind, accepting })
    }

    /// From now on new connections go to these; those that there are stay where they are.
    pub fn lead_to(&self, servers: Vec<SocketAddr>) {
        *self.behind.servers() = servers;
    }

    /// Where clients connect to.
    #[must_use]
    pub fn address(&self) -> SocketAddr {
        self.address
    }

    /// From now on bytes pass like this.
    pub fn set(&self, flow: Flow) {
        self.weather.send_modify(|weather| weather.flow = flow);
    }

    /// Ends all connections at once, without a goodbye.
    pub fn reset(&self) {
        self.weather.send_modify(|weather| weather.reset_below = weather.made);
    }

    /// Nothing passes any more through the connections that there are, and nobody is told, not even of their end.
    pub fn forget(&self) {
        self.weather.send_modify(|weather| weather.silent_below = weather.made);
    }
}

impl Drop for Proxy {
    fn drop(&mut self) {
        self.reset();
        self.accepting.abort();
    }
}

/// The servers behind a proxy, in turn.
struct Behind {
    servers: Mutex<Vec<SocketAddr>>,
    turn: AtomicUsize,
}

impl Behind {
    fn new(servers: Vec<SocketAddr>) -> Self {
        Self { servers: Mutex::new(servers), turn: AtomicUsize::new(0) }
    }

    fn servers(&self) -> MutexGuard<'_, Vec<SocketAddr>> {
        self.servers.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// To the first that accepts; `None`: nobody does.
    async fn connect(&self) -> Option<TcpStream> {
        let first = self.turn.fetch_add(1, Ordering::Relaxed);
        let servers = self.servers().clone();
        for index in 0..servers.len() {
            let server = servers[(first + index) % servers.len()];
            if let Ok(stream) = TcpStream::connect(server).await {
                return Some(stream);
            }
        }
        None
    }
}

async fn accept(listener: TcpListener, behind: Arc<Behind>, weather: watch::Sender<Weather>) {
    loop {
        let Ok((client, _)) = listener.accept().await else { continue };
        let mut number = 0;
        weather.send_modify(|weather| {
            number = weather.made;
            weather.made += 1;
        });
        tokio::spawn(carry(client, number, Arc::clone(&behind), weather.subscribe()));
    }
}

/// One connection, to its end.
async fn carry(
    mut client: TcpStream,
    number: u64,
    behind: Arc<Behind>,
    mut weather: watch::Receiver<Weather>,
) {
    let is_reset = |now: &Weather| number < now.reset_below;
    let connected = async {
        let _ = weather.clone().wait_for(|now| now.flow != Flow::Cut).await;
        behind.connect().await
    };
    let mut fate = weather.clone();
    let server = tokio::select! {
        server = connected => server,
        _ = fate.wait_for(is_reset) => None,
    };
    let Some(mut server) = server else {
        let _ = client.set_zero_linger();
        return;
    };
    let _ = (client.set_nodelay(true), server.set_nodelay(true));
    let (from_client, to_client) = client.split();
    let (from_server, to_server) = server.split();
    let ended_by_reset = tokio::select! {
        () = pass(from_client, to_server, number, weather.clone()) => false,
        () = answers(from_server, to_client, number, weather.clone()) => false,
        _ = weather.wait_for(is_reset) => true,
    };
    if ended_by_reset {
        // The other side is told by RST, not by an orderly end.
        let _ = (client.set_zero_linger(), server.set_zero_linger());
    }
}

/// The way back. That a server ends a connection which is silent is not told either.
async fn answers(
    from: impl AsyncRead + Unpin,
    to: impl AsyncWrite + Unpin,
    number: u64,
    weather: watch::Receiver<Weather>,
) {
    pass(from, to, number, weather.clone()).await;
    if number < weather.borrow().silent_below {
        std::future::pending::<()>().await;
    }
}

/// One direction of a connection, until it ends.
async fn pass(
    mut from: impl AsyncRead + Unpin,
    mut to: impl AsyncWrite + Unpin,
    number: u64,
    mut weather: watch::Receiver<Weather>,
) {
    let mut chunk = vec![0; CHUNK_BYTES];
    while let Ok(length @ 1..) = from.read(&mut chunk).await {
        let passable = |now: &Weather| number < now.silent_below || now.flow != Flow::Cut;
        let Ok(now) = weather.wait_for(passable).await.map(|now| *now) else { return };
        if number < now.silent_below {
            continue; // Taken, and never seen again.
        }
        if let Flow::Delayed(by) = now.flow {
            tokio::time::sleep(by).await;
        }
        if to.write_all(&chunk[..length]).await.is_err() {
            return;
        }
    }
}

#[cfg(test)]
mod tests {
    use std::io::ErrorKind;
    use std::time::Instant;

    use tokio::time::timeout;

    use super::*;

    const LONG: Duration = Duration::from_secs(10);
    const SHORT: Duration = Duration::from_millis(100);

    /// A server that says back what it hears, after a word of its own.
    async fn echo(word: &'static [u8]) -> SocketAddr {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let address = listener.local_addr().unwrap();
        tokio::spawn(async move {
            while let Ok((mut stream, _)) = listener.accept().await {
                tokio::spawn(async move {
                    stream.write_all(word).await.unwrap();
                    let (mut from, mut to) = stream.split();
                    let _ = tokio::io::copy(&mut from, &mut to).await;
                });
            }
        });
        address
    }

    async fn through(proxy: &Proxy) -> TcpStream {
        let mut stream = TcpStream::connect(proxy.address()).await.unwrap();
        let mut word = [0; 1];
        timeout(LONG, stream.read_exact(&mut word)).await.unwrap().unwrap();
        stream
    }

    /// Whether a byte comes back, and comes back within that time.
    async fn answers(stream: &mut TcpStream, within: Duration) -> bool {
        let mut byte = [0; 1];
        stream.write_all(b"x").await.is_ok()
            && matches!(timeout(within, stream.read(&mut byte)).await, Ok(Ok(1)))
    }

    #[tokio::test]
    async fn bytes_pass_and_a_reset_ends_the_connections_that_there_are() {
        let proxy = Proxy::start(vec![echo(b"1").await]).await.unwrap();
        let mut before = through(&proxy).await;
        assert!(answers(&mut before, LONG).await);
        proxy.reset();
        let error = timeout(LONG, before.read(&mut [0; 1])).await.unwrap().unwrap_err();
        assert_eq!(error.kind(), ErrorKind::ConnectionReset);
        assert!(answers(&mut through(&proxy).await, LONG).await, "new ones can be made");
    }

    #[tokio::test]
    async fn what_is_delayed_comes_later() {
        let proxy = Proxy::start(vec![echo(b"1").await]).await.unwrap();
        let mut stream = through(&proxy).await;
        proxy.set(Flow::Delayed(SHORT));
        let began = Instant::now();
        assert!(answers(&mut stream, LONG).await);
        assert!(began.elapsed() >= 2 * SHORT, "in each direction");
    }

    #[tokio::test]
    async fn what_is_cut_stands_still_and_flows_on_afterwards() {
        let proxy = Proxy::start(vec![echo(b"1").await]).await.unwrap();
        let mut stream = through(&proxy).await;
        proxy.set(Flow::Cut);
        assert!(!answers(&mut stream, SHORT).await);
        let mut new = TcpStream::connect(proxy.address()).await.unwrap();
        assert!(timeout(SHORT, new.read(&mut [0; 1])).await.is_err(), "taken, and told nothing");
        proxy.set(Flow::Open);
        let mut byte = [0; 1];
        timeout(LONG, stream.read_exact(&mut byte)).await.unwrap().unwrap();
        timeout(LONG, new.read_exact(&mut byte)).await.unwrap().unwrap();
        assert_eq!(&byte, b"1");
    }

    #[tokio::test]
    async fn what_is_forgotten_stays_silent_and_new_connections_are_whole() {
        let proxy = Proxy::start(vec![echo(b"1").await]).await.unwrap();
        let mut before = through(&proxy).await;
        proxy.forget();
        assert!(!answers(&mut before, SHORT).await);
        assert!(answers(&mut through(&proxy).await, LONG).await);
    }

    #[tokio::test]
    async fn the_end_of_a_forgotten_connection_is_not_told() {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let proxy = Proxy::start(vec![listener.local_addr().unwrap()]).await.unwrap();
        let mut client = TcpStream::connect(proxy.address()).await.unwrap();
        let (server, _) = listener.accept().await.unwrap();
        proxy.forget();
        drop(server);
        assert!(timeout(SHORT, client.read(&mut [0; 1])).await.is_err());
    }

    #[tokio::test]
    async fn servers_take_turns_and_one_that_refuses_is_passed_over() {
        let gone = SocketAddr::from((Ipv4Addr::LOCALHOST, free_port()));
        let proxy = Proxy::start(vec![echo(b"1").await, gone, echo(b"2").await]).await.unwrap();
        let mut words = Vec::new();
        for _ in 0..3 {
            let mut word = [0; 1];
            let mut stream = TcpStream::connect(proxy.address()).await.unwrap();
            timeout(LONG, stream.read_exact(&mut word)).await.unwrap().unwrap();
            words.push(word[0]);
        }
        assert_eq!(words, *b"122");
    }

    #[tokio::test]
    async fn new_connections_go_where_it_leads_by_then_and_others_stay() {
        let proxy = Proxy::start(vec![echo(b"1").await]).await.unwrap();
        let mut before = through(&proxy).await;
        proxy.lead_to(vec![echo(b"2").await]);
        let mut word = [0; 1];
        let mut after = TcpStream::connect(proxy.address()).await.unwrap();
        timeout(LONG, after.read_exact(&mut word)).await.unwrap().unwrap();
        assert_eq!(&word, b"2");
        assert!(answers(&mut before, LONG).await);
    }
}
