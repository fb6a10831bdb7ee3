//! A word with NATS past all of our own code: lines of its protocol.

use std::net::SocketAddr;
use std::time::Duration;

use tokio::io::{AsyncBufReadExt, AsyncWriteExt, BufReader};
use tokio::net::TcpStream;
use tokio::time::timeout;

const WITHIN: Duration = Duration::from_secs(2);

/// Publishes; whether the server took it.
pub(super) async fn publish(nats: SocketAddr, subject: &str, payload: &[u8]) -> bool {
    let head = format!("PUB {subject} {}\r\n", payload.len());
    // A PING behind it is answered when all before it was read.
    let says = [head.as_bytes(), payload, b"\r\nPING\r\n"].concat();
    heard(nats, &says, "PONG").await
}

/// Asks JetStream to do something; whether it did.
pub(super) async fn command(nats: SocketAddr, subject: &str) -> bool {
    let says = format!("SUB answer 1\r\nPUB {subject} answer 0\r\n\r\n");
    heard(nats, says.as_bytes(), "{").await
}

/// The names of a stream's consumers; none where it cannot be asked.
pub(super) async fn consumers(nats: SocketAddr, stream: &str) -> Vec<String> {
    let says = format!("SUB answer 1\r\nPUB $JS.API.CONSUMER.NAMES.{stream} answer 0\r\n\r\n");
    let Ok(Ok(line)) = timeout(WITHIN, answer(nats, says.as_bytes(), "{")).await else { return Vec::new() };
    let told: serde_json::Value = serde_json::from_str(&line).unwrap_or_default();
    let names = told["consumers"].as_array().into_iter().flatten();
    names.filter_map(|name| name.as_str().map(str::to_owned)).collect()
}

/// Whether a line comes that begins like this, and tells no error.
async fn heard(nats: SocketAddr, says: &[u8], begins: &str) -> bool {
    matches!(timeout(WITHIN, answer(nats, says, begins)).await, Ok(Ok(line)) if !line.contains("\"error\""))
}

async fn answer(nats: SocketAddr, says: &[u8], begins: &str) -> std::io::Result<String> {
    let mut stream = BufReader::new(TcpStream::connect(nats).await?);
    stream.write_all(&[b"CONNECT {\"verbose\":false}\r\n", says].concat()).await?;
    let mut line = String::new();
    while stream.read_line(&mut line).await? > 0 {
        if line.starts_with(begins) {
            return Ok(line);
        }
        if line.starts_with("-ERR") {
            break;
        }
        line.clear();
    }
    Err(std::io::ErrorKind::ConnectionAborted.into())
}
