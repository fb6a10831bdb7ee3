//! A private NATS server with JetStream on disk; or several that are one cluster.

use std::{
    fs,
    net::Ipv4Addr,
    path::{Path, PathBuf},
    time::Duration,
};

use nix::{sys::signal::Signal, unistd::Pid};
use tokio::{
    io::{AsyncBufReadExt, BufReader},
    net::TcpStream,
    time::timeout,
};

use crate::{
    account::Account,
    binaries::find_nats,
    daemon::Daemon,
    error::{Error, while_doing},
    port::free_port,
};

/// How often another free port is tried when somebody was faster.
const PORT_ATTEMPTS: usize = 5;
/// What all streams together may be allowed. Left to itself the server takes three quarters of what is free on the
/// disk, and where that is little refuses to make the last streams, although they would stay small.
const STREAMS_MAX: &str = "64G";
const GREETING_WITHIN: Duration = Duration::from_secs(1);

/// How to start a private NATS server.
#[derive(Debug, Clone)]
pub struct NatsOptions {
    /// Where streams, configuration and log live; made if needed, used again if there.
    pub dir: PathBuf,
    /// The port on 127.0.0.1; `None` takes a free one.
    pub port: Option<u16>,
    /// More of the server's configuration: who may use it, and what for. Empty: whoever reaches it, for everything.
    pub configuration: String,
    /// Whether every message is synced to disk before it is acknowledged.
    pub durable: bool,
    /// Folders to look for `nats-server` in before `.rondo/tools` (of the working folder), `/usr/local/bin` and
    /// `/usr/bin`.
    pub tools: Vec<PathBuf>,
}

/// A running (or stopped, killed, frozen) private NATS server. Dropping it kills the server, without waiting.
pub struct Nats {
    member: Box<Member>,
    home: PathBuf,
    port: u16,
    durable: bool,
    configuration: String,
    program: PathBuf,
    daemon: Daemon,
}

/// Who a server is among others.
struct Member {
    name: String,
    /// None: there are no others.
    membership: Option<Membership>,
}

/// A server's place in a cluster.
struct Membership {
    /// Where the others reach it.
    peer: u16,
    /// Where each of them is reached.
    peers: Vec<u16>,
    /// Where it tells of itself by HTTP.
    monitor: u16,
}

impl Membership {
    fn config(&self) -> String {
        let routes: Vec<_> = self.peers.iter().map(|port| format!("\"nats://127.0.0.1:{port}\"")).collect();
        // Clients know one address, as that of a cluster's Service, and are not told of others.
        format!(
            "http: \"127.0.0.1:{}\"\ncluster {{\n  name: rondo\n  listen: \"127.0.0.1:{}\"\n  no_advertise: true\n  \
             routes: [{}]\n}}\n",
            self.monitor,
            self.peer,
            routes.join(", "),
        )
    }
}

impl Nats {
    /// Starts a server and waits until it accepts connections with JetStream on.
    ///
    /// # Errors
    /// Each says what to do: nothing installed, too old, busy port, a server that ended (with its log).
    pub async fn start(options: NatsOptions) -> Result<Self, Error> {
        Self::start_as("rondo".to_owned(), None, options).await
    }

    /// Starts so many servers that are one cluster, each in a folder of its own below the given one; the name of a
    /// server is that of its folder. They accept connections, and may still have to find a leader.
    ///
    /// # Errors
    /// As [`Self::start`].
    pub async fn start_cluster(size: usize, options: NatsOptions) -> Result<Vec<Self>, Error> {
        let peers: Vec<u16> = (0..size).map(|_| free_port()).collect();
        let mut servers = Vec::with_capacity(size);
        for (index, peer) in peers.iter().enumerate() {
            let name = format!("nats-{index}");
            let membership = Membership { peer: *peer, peers: peers.clone(), monitor: free_port() };
            let options = NatsOptions { dir: options.dir.join(&name), port: None, ..options.clone() };
            servers.push(Self::start_as(name, Some(membership), options).await?);
        }
        Ok(servers)
    }

    async fn start_as(
        name: String,
        membership: Option<Membership>,
        options: NatsOptions,
    ) -> Result<Self, Error> {
        let program = find_nats(&options.tools)?;
        fs::create_dir_all(&options.dir).map_err(while_doing(format!("create {}", options.dir.display())))?;
        let home =
            options.dir.canonicalize().map_err(while_doing(format!("find {}", options.dir.display())))?;
        let daemon = Daemon {
            name: "NATS",
            program: "nats-server",
            folder: home.clone(),
            log: home.join("nats.log"),
            stop_signal: Signal::SIGINT,
            end_signal: Signal::SIGKILL,
            process: None,
        };
        let mut server = Self {
            member: Box::new(Member { name, membership }),
            home,
            port: 0,
            durable: options.durable,
            configuration: options.configuration,
            program,
            daemon,
        };
        server.launch_on(options.port).await?;
        Ok(server)
    }

    async fn launch_on(&mut self, port: Option<u16>) -> Result<(), Error> {
        for _ in 1..PORT_ATTEMPTS {
            self.port = port.unwrap_or_else(free_port);
            match self.launch().await {
                Err(Error::PortBusy { .. }) if port.is_none() => {}
                done => return done,
            }
        }
        self.launch().await
    }

    async fn launch(&mut self) -> Result<(), Error> {
        let config = self.write_config()?;
        let mut command = Account::own().command(&self.program, Some(self.daemon.end_signal));
        command.arg("--config").arg(&config);
        let port = self.port;
        self.daemon.launch(port, command, async |_| greets_with_jetstream(port).await).await
    }

    fn write_config(&self) -> Result<PathBuf, Error> {
        let config = self.home.join("nats.conf");
        fs::write(&config, self.config()).map_err(while_doing(format!("write {}", config.display())))?;
        Ok(config)
    }

    fn config(&self) -> String {
        // Two minutes is the server's own default; a machine that dies may lose what it acknowledged meanwhile.
        let sync_interval = if self.durable { "always" } else { "2m" };
        let membership = self.member.membership.as_ref().map(Membership::config).unwrap_or_default();
        format!(
            "server_name: {}\n\
             listen: \"127.0.0.1:{}\"\n\
             jetstream {{\n  store_dir: {:?}\n  sync_interval: {sync_interval}\n  max_file_store: {STREAMS_MAX}\n}}\n\
             {membership}{}",
            self.member.name,
            self.port,
            self.home.join("jetstream"),
            self.configuration,
        )
    }

    /// What it is called among others.
    #[must_use]
    pub fn name(&self) -> &str {
        &self.member.name
    }

    /// Where a member of a cluster tells of itself by HTTP; stays the same over restarts.
    #[must_use]
    pub fn monitor_url(&self) -> Option<String> {
        self.member.membership.as_ref().map(|membership| format!("http://127.0.0.1:{}", membership.monitor))
    }

    /// The port on 127.0.0.1; stays the same over restarts.
    #[must_use]
    pub fn port(&self) -> u16 {
        self.port
    }

    /// Where streams and log are.
    #[must_use]
    pub fn home(&self) -> &Path {
        &self.home
    }

    /// The URL for clients; stays the same over restarts.
    #[must_use]
    pub fn url(&self) -> String {
        format!("nats://127.0.0.1:{}", self.port)
    }

    /// Configures it otherwise, and has it read that at once where it runs: who may use it, for example.
    ///
    /// # Errors
    /// The file cannot be written.
    pub fn configure(&mut self, configuration: String) -> Result<(), Error> {
        self.configuration = configuration;
        self.write_config()?;
        self.daemon.signal(Signal::SIGHUP);
        Ok(())
    }

    /// Stops in order. What has not stopped in 15 s is killed.
    ///
    /// # Errors
    /// [`Error::StillRunning`] when even SIGKILL does not end it.
    pub async fn stop(&mut self) -> Result<(), Error> {
        self.daemon.stop().await
    }

    /// SIGKILL: a crash. It is gone on return.
    ///
    /// # Errors
    /// [`Error::StillRunning`] when even SIGKILL does not end it.
    pub async fn kill(&mut self) -> Result<(), Error> {
        self.daemon.kill().await
    }

    /// Stops it if it runs, and starts it again on the same streams and port.
    ///
    /// # Errors
    /// As [`Self::start`].
    pub async fn restart(&mut self) -> Result<(), Error> {
        self.daemon.stop().await?;
        self.launch().await
    }

    /// SIGSTOP; it stands still on return.
    ///
    /// # Errors
    /// [`Error::StillRunning`] when it does not stand still.
    pub async fn freeze(&self) -> Result<(), Error> {
        self.daemon.freeze().await
    }

    /// SIGCONT.
    pub fn thaw(&self) {
        self.daemon.thaw();
    }

    /// Whether it runs; false also when it ended by itself.
    #[must_use]
    pub fn is_running(&self) -> bool {
        self.daemon.is_running()
    }

    /// Its process id, alone; empty when it does not run.
    #[must_use]
    pub fn pids(&self) -> Vec<i32> {
        self.daemon.processes().into_iter().map(Pid::as_raw).collect()
    }
}

/// Whether a server on this port greets a client, saying that JetStream is on. It listens only after JetStream has
/// recovered its streams.
async fn greets_with_jetstream(port: u16) -> bool {
    let greeting = async {
        let stream = TcpStream::connect((Ipv4Addr::LOCALHOST, port)).await.ok()?;
        let mut line = String::new();
        BufReader::new(stream).read_line(&mut line).await.ok()?;
        Some(line)
    };
    let line = timeout(GREETING_WITHIN, greeting).await.ok().flatten().unwrap_or_default();
    line.starts_with("INFO ") && line.contains("\"jetstream\":true")
}
