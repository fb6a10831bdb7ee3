//! What became of every span: sent, lost with a receiver that was away, or dropped because too many waited.

use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Instant;

use opentelemetry_sdk::Resource;
use opentelemetry_sdk::error::OTelSdkResult;
use opentelemetry_sdk::trace::{SpanData, SpanExporter};

use crate::seldom::Seldom;

static ENDED: AtomicU64 = AtomicU64::new(0);
static SENT: AtomicU64 = AtomicU64::new(0);
static LOST: AtomicU64 = AtomicU64::new(0);
static DROPPED: AtomicU64 = AtomicU64::new(0);

/// Spans of this process since it started.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct SpanCounts {
    /// The receiver has them.
    pub sent: u64,
    /// The receiver was away, or refused them.
    pub lost: u64,
    /// Too many waited to be sent.
    pub dropped: u64,
}

/// What became of this process' spans.
pub fn span_counts() -> SpanCounts {
    let read = |count: &AtomicU64| count.load(Ordering::Relaxed);
    SpanCounts { sent: read(&SENT), lost: read(&LOST), dropped: read(&DROPPED) }
}

/// Whether one more may wait, where so many may. It is counted, either way.
pub(crate) fn may_wait(at_most: usize) -> bool {
    let told = SENT.load(Ordering::Relaxed) + LOST.load(Ordering::Relaxed);
    let waiting = ENDED.load(Ordering::Relaxed).saturating_sub(told);
    let may = usize::try_from(waiting).is_ok_and(|waiting| waiting < at_most);
    if may { &ENDED } else { &DROPPED }.fetch_add(1, Ordering::Relaxed);
    may
}

/// An exporter whose success is counted, and whose failures are said, with the receiver's address: the libraries below would
/// say each of them, twice, and not of whom.
#[derive(Debug)]
pub(crate) struct Counted<E> {
    pub(crate) exporter: E,
    pub(crate) receiver: String,
    pub(crate) failed: Seldom,
}

impl<E: SpanExporter> SpanExporter for Counted<E> {
    async fn export(&self, batch: Vec<SpanData>) -> OTelSdkResult {
        let count = batch.len() as u64;
        let result = self.exporter.export(batch).await;
        if result.is_ok() { &SENT } else { &LOST }.fetch_add(count, Ordering::Relaxed);
        if let Err(error) = result
            && let Some(unsaid) = self.failed.again(Instant::now())
        {
            tracing::warn!(receiver = self.receiver, spans = count, unsaid, %error, "the receiver of traces is away or refuses: spans are lost");
        }
        // All is done that can be: who sent them would only say it again.
        Ok(())
    }

    fn shutdown_with_timeout(&self, timeout: std::time::Duration) -> OTelSdkResult {
        self.exporter.shutdown_with_timeout(timeout)
    }

    fn force_flush(&self) -> OTelSdkResult {
        self.exporter.force_flush()
    }

    fn set_resource(&mut self, resource: &Resource) {
        self.exporter.set_resource(resource);
    }
}

#[cfg(test)]
mod tests {
    use std::io::{self, Write};
    use std::sync::{Arc, Mutex};

    use opentelemetry_sdk::error::OTelSdkError;

    use super::*;

    #[derive(Debug)]
    struct Refused;

    impl SpanExporter for Refused {
        async fn export(&self, _: Vec<SpanData>) -> OTelSdkResult {
            Err(OTelSdkError::InternalFailure("401 Unauthorized".to_owned()))
        }
    }

    #[derive(Clone, Default)]
    struct Written(Arc<Mutex<Vec<u8>>>);

    impl Write for Written {
        fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
            self.0.lock().unwrap().write(bytes)
        }
        fn flush(&mut self) -> io::Result<()> {
            Ok(())
        }
    }

    #[tokio::test]
    async fn a_receiver_that_refuses_is_named_and_seldom_said() {
        let written = Written::default();
        let writer = written.clone();
        let lines = tracing_subscriber::fmt().with_writer(move || writer.clone()).finish();
        let _until_its_end = tracing::subscriber::set_default(lines);
        let receiver = "http://collector:4318/".to_owned();
        let counted = Counted { exporter: Refused, receiver, failed: Seldom::default() };
        for _ in 0..100 {
            assert!(counted.export(Vec::new()).await.is_ok(), "else it is said by who sent them too");
        }
        let said = String::from_utf8(written.0.lock().unwrap().clone()).unwrap();
        assert_eq!(said.lines().count(), 1, "{said}");
        assert!(said.contains("http://collector:4318/") && said.contains("401 Unauthorized"), "{said}");
    }
}
