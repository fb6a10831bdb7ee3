//! Where the time of a step goes, read off the messages as they pass: a command says when it was decided, JetStream
//! when it had a message. The clocks of several machines are compared here, so the parts are as good as those agree.
//!
//! A value for each message and step, not for each item: what travels together waits together.

use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Instant;

use async_nats::jetstream;
use chrono::TimeDelta;
use contracts::{Direction, Timestamp};
use metrics::{Counter, Histogram, counter, histogram};

use crate::envelope::{Found, Item};
use crate::metric_names as names;

/// Steps come from the road, where anybody may invent some: more than so many are not measured.
const STEPS_MAX: usize = 64;

/// What a receiver measures.
pub(crate) struct StepTimes {
    steps: Vec<Step>,
    received: Counter,
    redelivered: Counter,
    repeated: Counter,
}

/// One step in one direction.
struct Step {
    workflow: String,
    name: String,
    direction: Direction,
    parts: Parts,
}

/// As a participant or as the orchestrator sees a step.
#[derive(Clone)]
enum Parts {
    Command { publish: Histogram, stream: Histogram, handler: Histogram },
    Reply { back: Histogram },
}

/// A message's own measurement until it is acknowledged.
pub(crate) struct Passage {
    received: Instant,
    published: Timestamp,
    handlers: Vec<Histogram>,
    backs: Vec<Histogram>,
    is_decided: AtomicBool,
}

impl StepTimes {
    pub(crate) fn new(service: &'static str, stream: &str) -> Self {
        let of_stream = |name| counter!(name, "service" => service, "stream" => stream.to_owned());
        Self {
            steps: Vec::new(),
            received: of_stream(names::RECEIVED_MESSAGES),
            redelivered: of_stream(names::REDELIVERED_MESSAGES),
            repeated: counter!(names::REPEATED_COMMANDS, "service" => service),
        }
    }

    /// Measures what a message has been through so far.
    pub(crate) fn arrived(&mut self, message: &jetstream::Message, found: &[Found<'_>]) -> Passage {
        let now = chrono::Utc::now();
        let info = message.info().ok();
        let published = info.as_ref().and_then(|info| {
            Timestamp::from_timestamp_micros(
                i64::try_from(info.published.unix_timestamp_nanos() / 1_000).ok()?,
            )
        });
        self.received.increment(1);
        let redelivered = info.is_some_and(|info| info.delivered > 1);
        self.redelivered.increment(u64::from(redelivered));
        let mut passage = Passage::new(published.unwrap_or(now));
        // What comes again was measured before; its second way says nothing about the first.
        if published.is_some() && !redelivered {
            self.measure(found, &mut passage, now);
        }
        passage
    }

    fn measure(&mut self, found: &[Found<'_>], passage: &mut Passage, now: Timestamp) {
        let mut before: Option<(&str, Option<Direction>)> = None;
        for item in found.iter().filter_map(|found| found.item.as_ref().ok()) {
            let is_command = item.replyto.is_some();
            self.repeated.increment(u64::from(is_command && item.attempt.is_some_and(|attempt| attempt > 1)));
            let this = item.step.as_deref().map(|step| (step, item.direction));
            if this.is_none() || this == before {
                continue;
            }
            before = this;
            match self.parts(item) {
                Some(Parts::Command { publish, stream, handler }) => {
                    if let Ok(decided) = item.written_at() {
                        publish.record(seconds(passage.published - decided));
                    }
                    stream.record(seconds(now - passage.published));
                    passage.handlers.push(handler.clone());
                }
                Some(Parts::Reply { back }) => passage.backs.push(back.clone()),
                None => {}
            }
        }
    }

    /// The handles of an item's step, made when it is met first.
    fn parts(&mut self, item: &Item<'_>) -> Option<&Parts> {
        let (name, direction) = (item.step.as_deref()?, item.direction?);
        let subject = item.replyto.as_deref().unwrap_or(&item.item_type);
        let workflow = subject.strip_prefix("reply.")?.split('.').next()?;
        let is_same =
            |step: &Step| step.name == name && step.direction == direction && step.workflow == workflow;
        let index = match self.steps.iter().position(is_same) {
            Some(index) => index,
            None if self.steps.len() >= STEPS_MAX => return None,
            None => {
                self.steps.push(Step::new(workflow, name, direction, item.replyto.is_some()));
                self.steps.len() - 1
            }
        };
        Some(&self.steps[index].parts)
    }
}

impl Step {
    fn new(workflow: &str, name: &str, direction: Direction, is_command: bool) -> Self {
        let part = |part: &'static str| {
            histogram!(
                names::STEP_SECONDS,
                "workflow" => workflow.to_owned(),
                "step" => name.to_owned(),
                "direction" => direction.as_str(),
                "part" => part,
            )
        };
        let parts = if is_command {
            Parts::Command { publish: part("publish"), stream: part("stream"), handler: part("handler") }
        } else {
            Parts::Reply { back: part("back") }
        };
        Self { workflow: workflow.to_owned(), name: name.to_owned(), direction, parts }
    }
}

impl Passage {
    fn new(published: Timestamp) -> Self {
        let (handlers, backs) = (Vec::new(), Vec::new());
        Self { received: Instant::now(), published, handlers, backs, is_decided: AtomicBool::new(false) }
    }

    /// The first of its items was decided at this time, and that is committed.
    pub(crate) fn decided(&self, now: Timestamp) {
        if !self.backs.is_empty() && !self.is_decided.swap(true, Ordering::Relaxed) {
            let took = seconds(now - self.published);
            self.backs.iter().for_each(|back| back.record(took));
        }
    }

    /// Everything that it led to is with the streams.
    pub(crate) fn done(&self) {
        let took = self.received.elapsed();
        self.handlers.iter().for_each(|handler| handler.record(took));
    }
}

/// Never negative: clocks may differ.
fn seconds(time: TimeDelta) -> f64 {
    time.as_seconds_f64().max(0.0)
}

#[cfg(test)]
mod tests {
    use serde_json::value::RawValue;
    use uuid::Uuid;

    use super::*;

    fn command<'a>(step: &'a str, data: &'a RawValue) -> Item<'a> {
        let mut item = Item::of_event("/s", "cmd.x.y.v1", Uuid::nil(), Uuid::nil(), "", data);
        item.step = Some(step.into());
        item.direction = Some(Direction::Do);
        item.replyto = Some("reply.order.v1".into());
        item
    }

    #[test]
    fn steps_that_somebody_invents_are_not_all_measured() {
        let data = RawValue::from_string("{}".to_owned()).unwrap();
        let mut times = StepTimes::new("test", "CMD_TEST");
        for index in 0..STEPS_MAX {
            assert!(times.parts(&command(&format!("step {index}"), &data)).is_some());
        }
        assert!(times.parts(&command("one more", &data)).is_none());
        assert!(times.parts(&command("step 7", &data)).is_some(), "who was known before is measured on");
        assert_eq!(times.steps.len(), STEPS_MAX);
    }

    #[test]
    fn a_reply_is_measured_on_its_way_back_and_an_event_not_at_all() {
        let data = RawValue::from_string("{}".to_owned()).unwrap();
        let mut times = StepTimes::new("test", "REPLIES");
        let mut reply = command("reserve_stock", &data);
        (reply.replyto, reply.item_type) = (None, "reply.order.v1".into());
        assert!(matches!(times.parts(&reply), Some(Parts::Reply { .. })));
        assert_eq!(times.steps[0].workflow, "order");
        assert!(
            times.parts(&Item::of_event("/s", "order.x.v1", Uuid::nil(), Uuid::nil(), "", &*data)).is_none()
        );
    }
}
