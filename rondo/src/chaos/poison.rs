//! Messages that nobody can process, put into the streams past all of our own code: a line of NATS' protocol.

use std::net::SocketAddr;
use std::time::Duration;

use serde_json::{Value, json};
use tokio::io::{AsyncBufReadExt, AsyncWriteExt, BufReader};
use tokio::net::TcpStream;
use tokio::time::timeout;
use uuid::Uuid;

use super::fault::Poison;

/// Stands in each of them, so that they are known among the dead letters.
pub(super) const MARK: &str = "poison of the chaos run";
const WITHIN: Duration = Duration::from_secs(2);

/// A message for a subject.
pub(super) fn message(subject: &str, poison: Poison) -> Vec<u8> {
    let item = |data: Value| {
        json!({
            "specversion": "1.0",
            "id": Uuid::now_v7(),
            "type": subject,
            "source": MARK,
            "subject": Uuid::now_v7(),
            "time": "2026-01-01T00:00:00Z",
            "step": "chaos",
            "direction": "do",
            "attempt": 1,
            "data": data,
        })
    };
    match poison {
        Poison::Nul => {
            let mut item = item(Value::Null);
            item["type"] = "\u{0}".into();
            json!([item]).to_string().into_bytes()
        }
        Poison::Garbage => format!("{MARK}: \u{0}[{{").into_bytes(),
        Poison::BadItem => json!([{ "specversion": MARK }, item(json!(MARK))]).to_string().into_bytes(),
        Poison::WrongData => {
            json!([item(json!({ "order_id": MARK, "amount": -1 }))]).to_string().into_bytes()
        }
    }
}

/// Publishes; whether the server took it.
pub(super) async fn publish(nats: SocketAddr, subject: &str, payload: &[u8]) -> bool {
    matches!(timeout(WITHIN, say(nats, subject, payload)).await, Ok(Ok(true)))
}

/// A PING behind it is answered when all before it was read.
async fn say(nats: SocketAddr, subject: &str, payload: &[u8]) -> std::io::Result<bool> {
    let mut stream = BufReader::new(TcpStream::connect(nats).await?);
    let head = format!("CONNECT {{\"verbose\":false}}\r\nPUB {subject} {}\r\n", payload.len());
    stream.write_all(&[head.as_bytes(), payload, b"\r\nPING\r\n"].concat()).await?;
    let mut line = String::new();
    while stream.read_line(&mut line).await? > 0 {
        if line.starts_with("PONG") || line.starts_with("-ERR") {
            return Ok(line.starts_with("PONG"));
        }
        line.clear();
    }
    Ok(false)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_poison_is_known_by_its_mark() {
        for poison in [Poison::Garbage, Poison::BadItem, Poison::WrongData, Poison::Nul] {
            let payload = message("reply.order.v1", poison);
            let found = payload.windows(MARK.len()).any(|words| words == MARK.as_bytes());
            assert!(found, "{poison:?}");
        }
    }
}
