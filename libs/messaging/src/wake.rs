//! Words that may be lost, on core NATS: ids that other replicas' waiting callers should look at.

use futures::StreamExt;
use uuid::Uuid;

use crate::bus::Bus;

/// The subject of a workflow's wake-ups.
pub fn wake_subject(workflow: &str) -> String {
    format!("wake.{workflow}")
}

/// Ids that were decided somewhere.
#[derive(Debug)]
pub struct Woken(async_nats::Subscriber);

impl Woken {
    /// The next ids; `None` when the connection is closed for good.
    pub async fn next(&mut self) -> Option<Vec<Uuid>> {
        let message = self.0.next().await?;
        Some(message.payload.chunks_exact(16).filter_map(|bytes| Uuid::from_slice(bytes).ok()).collect())
    }
}

impl Bus {
    /// Tells every replica that these ids are decided. Nothing depends on its arrival.
    pub async fn wake(&self, subject: &str, ids: &[Uuid]) {
        let payload: Vec<u8> = ids.iter().flat_map(|id| id.into_bytes()).collect();
        if self.is_connected() && !ids.is_empty() {
            let _ = self.client().publish(subject.to_owned(), payload.into()).await;
        }
    }

    /// Hears what other replicas decided.
    ///
    /// # Errors
    /// The connection is closed for good.
    pub async fn woken(&self, subject: &str) -> Result<Woken, async_nats::SubscribeError> {
        self.client().subscribe(subject.to_owned()).await.map(Woken)
    }
}
