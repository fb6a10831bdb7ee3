//! What a loop and a publisher measure. Handles are made once: what is counted costs no search.

use std::time::Instant;

use metrics::{Counter, Histogram, counter, histogram};

use crate::failure::FailureKind;
use crate::metric_names as names;

/// The stages of a batch in their order.
pub(crate) const STAGES: [&str; 5] = ["begin", "load", "decide", "save", "commit"];

/// Of one loop.
pub(crate) struct LoopMetrics {
    size: Histogram,
    seconds: Histogram,
    stages: [Histogram; STAGES.len()],
    service: &'static str,
}

/// A batch under way.
pub(crate) struct BatchClock<'a> {
    metrics: &'a LoopMetrics,
    began: Instant,
    /// When each of the stages so far was done.
    done: [Instant; STAGES.len()],
    stages: usize,
}

impl LoopMetrics {
    pub(crate) fn new(service: &'static str, which: &'static str) -> Self {
        let stage =
            |stage| histogram!(names::STAGE_SECONDS, "service" => service, "loop" => which, "stage" => stage);
        // Series that are there before the first failure show it as an increase.
        FailureKind::ALL.iter().for_each(|kind| failures(service, *kind).increment(0));
        Self {
            size: histogram!(names::BATCH_SIZE, "service" => service, "loop" => which),
            seconds: histogram!(names::BATCH_SECONDS, "service" => service, "loop" => which),
            stages: STAGES.map(stage),
            service,
        }
    }

    pub(crate) fn begin(&self) -> BatchClock<'_> {
        let began = Instant::now();
        BatchClock { metrics: self, began, done: [began; STAGES.len()], stages: 0 }
    }

    pub(crate) fn failed(&self, kind: FailureKind) {
        failures(self.service, kind).increment(1);
    }
}

impl BatchClock<'_> {
    /// The next stage is done.
    pub(crate) fn stage_done(&mut self) {
        if let Some(done) = self.done.get_mut(self.stages) {
            *done = Instant::now();
            self.stages += 1;
        }
    }

    /// The last stage is done, and with it the batch; one that fails is not measured. Tells when it began.
    pub(crate) fn committed(mut self, inputs: usize) -> Instant {
        self.stage_done();
        let mut before = self.began;
        for (stage, done) in self.metrics.stages.iter().zip(self.done) {
            stage.record(done - before);
            before = done;
        }
        self.metrics.size.record(inputs as f64);
        self.metrics.seconds.record(before - self.began);
        self.began
    }
}

fn failures(service: &'static str, kind: FailureKind) -> Counter {
    counter!(names::BATCH_FAILURES, "service" => service, "kind" => kind.as_str())
}

/// Of one publisher.
#[derive(Clone)]
pub(crate) struct PublishMetrics {
    pub(crate) seconds: Histogram,
    pub(crate) messages: Counter,
    pub(crate) items: Counter,
    pub(crate) failures: Counter,
    pub(crate) skipped: Counter,
}

impl PublishMetrics {
    pub(crate) fn new(service: &'static str) -> Self {
        Self {
            seconds: histogram!(names::PUBLISH_SECONDS, "service" => service),
            messages: counter!(names::PUBLISHED_MESSAGES, "service" => service),
            items: counter!(names::PUBLISHED_ITEMS, "service" => service),
            failures: counter!(names::PUBLISH_FAILURES, "service" => service),
            skipped: counter!(names::PUBLISH_SKIPPED, "service" => service),
        }
    }
}
