//! What became of every span: sent, lost with a receiver that was away, or dropped because too many waited.

use std::sync::atomic::{AtomicU64, Ordering};

use opentelemetry_sdk::Resource;
use opentelemetry_sdk::error::OTelSdkResult;
use opentelemetry_sdk::trace::{SpanData, SpanExporter};

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

/// An exporter whose success is counted.
#[derive(Debug)]
pub(crate) struct Counted<E>(pub(crate) E);

impl<E: SpanExporter> SpanExporter for Counted<E> {
    async fn export(&self, batch: Vec<SpanData>) -> OTelSdkResult {
        let count = batch.len() as u64;
        let result = self.0.export(batch).await;
        if result.is_ok() { &SENT } else { &LOST }.fetch_add(count, Ordering::Relaxed);
        result
    }

    fn shutdown_with_timeout(&self, timeout: std::time::Duration) -> OTelSdkResult {
        self.0.shutdown_with_timeout(timeout)
    }

    fn force_flush(&self) -> OTelSdkResult {
        self.0.force_flush()
    }

    fn set_resource(&mut self, resource: &Resource) {
        self.0.set_resource(resource);
    }
}
