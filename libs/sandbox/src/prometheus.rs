//! A private Prometheus.

use std::{
    fs,
    net::Ipv4Addr,
    path::{Path, PathBuf},
    time::Duration,
};

use nix::sys::signal::Signal;
use tokio::{
    io::{AsyncReadExt, AsyncWriteExt},
    net::TcpStream,
    time::timeout,
};

use crate::{
    account::Account,
    binaries::find_prometheus,
    daemon::Daemon,
    error::{Error, while_doing},
    port::free_port,
};

const ANSWER_WITHIN: Duration = Duration::from_secs(1);

/// How to start a private Prometheus.
#[derive(Debug, Clone)]
pub struct PrometheusOptions {
    /// Where its data, configuration and log live; made if needed.
    pub dir: PathBuf,
    /// Its configuration, as YAML; files that it names are looked for from `dir`.
    pub config: String,
    /// Folders to look for `prometheus` in before `.rondo/tools` (of the working folder), `/usr/local/bin` and
    /// `/usr/bin`.
    pub tools: Vec<PathBuf>,
}

/// A running private Prometheus. Dropping it kills the server, without waiting.
pub struct Prometheus {
    port: u16,
    _daemon: Daemon,
}

impl Prometheus {
    /// Starts a server on a free port and waits until it is ready.
    ///
    /// # Errors
    /// Each says what to do: not installed, a configuration that is none, a server that ended (with its log).
    pub async fn start(options: PrometheusOptions) -> Result<Self, Error> {
        let program = find_prometheus(&options.tools)?;
        fs::create_dir_all(&options.dir).map_err(while_doing(format!("create {}", options.dir.display())))?;
        let home =
            options.dir.canonicalize().map_err(while_doing(format!("find {}", options.dir.display())))?;
        let config = home.join("prometheus.yml");
        fs::write(&config, options.config).map_err(while_doing(format!("write {}", config.display())))?;
        let port = free_port();
        let mut daemon = daemon(&home);
        let mut command = Account::own().command(&program, Some(daemon.end_signal));
        command.arg(format!("--config.file={}", config.display()));
        command.arg(format!("--storage.tsdb.path={}", home.join("data").display()));
        command.arg(format!("--web.listen-address=127.0.0.1:{port}"));
        daemon.launch(port, command, async |_| is_ready(port).await).await?;
        Ok(Self { port, _daemon: daemon })
    }

    /// Where it answers.
    #[must_use]
    pub fn url(&self) -> String {
        format!("http://127.0.0.1:{}", self.port)
    }
}

fn daemon(home: &Path) -> Daemon {
    Daemon {
        name: "Prometheus",
        program: "prometheus",
        folder: home.to_owned(),
        log: home.join("prometheus.log"),
        stop_signal: Signal::SIGTERM,
        end_signal: Signal::SIGKILL,
        process: None,
    }
}

/// It listens before it has read its data, and says so.
async fn is_ready(port: u16) -> bool {
    let asked = async {
        let mut stream = TcpStream::connect((Ipv4Addr::LOCALHOST, port)).await.ok()?;
        stream.write_all(b"GET /-/ready HTTP/1.0\r\n\r\n").await.ok()?;
        let mut status = [0; 12];
        stream.read_exact(&mut status).await.ok()?;
        Some(status.ends_with(b" 200"))
    };
    timeout(ANSWER_WITHIN, asked).await.ok().flatten().unwrap_or_default()
}
