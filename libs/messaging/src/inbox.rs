//! What waits for a loop: callers, messages, and what was put aside; and how the next batch forms of it.

use std::collections::VecDeque;
use std::time::Duration;

use tokio::sync::mpsc;
use tokio::time::{Instant, sleep_until};

use crate::decider::Decider;
use crate::handle::Arrived;
use crate::publisher::Publisher;

/// How long inputs wait whose rows somebody holds, after one of them was tried in vain. Such a try takes as
/// long as a row is waited for (1 s), so everybody else has at least half of the time.
const ASIDE: Duration = Duration::from_secs(1);
/// How often a loop that waits for more looks whether there is enough.
const LOOKS: u32 = 10;
/// Inputs of a batch from which on the next one keeps the [pace](Begins::AtAPace): fewer are of people who come one
/// after the other, and would wait for nobody.
const CROWD_MIN: usize = 4;

/// When a batch begins whose first input is there.
#[derive(Debug, Clone, Copy)]
pub(crate) enum Begins {
    /// At once, or so long after the one before it began, if that was of several inputs; and sooner where a quarter
    /// of a full one waits.
    AtAPace(Duration),
    /// So long after its first input came; and sooner where it is full.
    Gathered(Duration),
}

pub(crate) struct Inbox<D: Decider> {
    calls: mpsc::Receiver<Arrived<D>>,
    messages: mpsc::Receiver<Arrived<D>>,
    /// Whether anybody may still call.
    calls_open: bool,
    /// Whether any receiver may still bring messages.
    messages_open: bool,
    begins: Begins,
    batch_inputs_max: usize,
    /// When the last batch began.
    began: Instant,
    /// Whether it was of several inputs.
    was_crowd: bool,
    /// Inputs whose row somebody held.
    aside: VecDeque<Arrived<D>>,
    /// When one of them is tried next.
    aside_due: Instant,
}

impl<D: Decider> Inbox<D> {
    pub(crate) fn new(
        calls: mpsc::Receiver<Arrived<D>>,
        messages: mpsc::Receiver<Arrived<D>>,
        begins: Begins,
        batch_inputs_max: usize,
    ) -> Self {
        Self {
            calls,
            messages,
            calls_open: true,
            messages_open: true,
            begins,
            batch_inputs_max,
            began: Instant::now(),
            was_crowd: false,
            aside: VecDeque::new(),
            aside_due: Instant::now(),
        }
    }

    /// Awaits the first input, lets others gather, then drains what is ready. Messages are only taken while
    /// the publisher has room for what they lead to. `None`: nobody can call any more, and no message comes.
    pub(crate) async fn next_batch(&mut self, publisher: &Publisher) -> Option<Vec<Arrived<D>>> {
        while self.calls_open || self.messages_open {
            if self.aside_due <= Instant::now()
                && let Some(arrived) = self.aside.pop_front()
            {
                return Some(vec![arrived]);
            }
            let has_room = publisher.has_room();
            let first = tokio::select! {
                biased;
                called = self.calls.recv(), if self.calls_open => {
                    self.calls_open = called.is_some();
                    called
                }
                arrived = self.messages.recv(), if has_room && self.messages_open => {
                    self.messages_open = arrived.is_some();
                    arrived
                }
                () = publisher.room(), if !has_room => None,
                () = sleep_until(self.aside_due), if !self.aside.is_empty() => None,
            };
            if let Some(first) = first {
                self.wait_for_more().await;
                let batch = self.drain(first, has_room);
                (self.began, self.was_crowd) = (Instant::now(), batch.len() >= CROWD_MIN);
                return Some(batch);
            }
        }
        None
    }

    /// The next call that is here already.
    pub(crate) fn next_call(&mut self) -> Option<Arrived<D>> {
        self.calls.try_recv().ok()
    }

    /// Keeps inputs whose row somebody holds for a later try.
    pub(crate) fn put_aside(&mut self, inputs: Vec<Arrived<D>>) {
        self.aside_due = Instant::now() + ASIDE;
        self.aside.extend(inputs);
    }

    /// Waits while others may come that are worth it.
    async fn wait_for_more(&self) {
        let (period, from, enough) = match self.begins {
            Begins::AtAPace(_) if !self.was_crowd => return,
            Begins::AtAPace(pace) => (pace, self.began, self.batch_inputs_max / 4),
            Begins::Gathered(within) => (within, Instant::now(), self.batch_inputs_max),
        };
        let due = from + period;
        while self.messages.len() + self.calls.len() + 1 < enough && Instant::now() < due {
            sleep_until(due.min(Instant::now() + period / LOOKS)).await;
        }
    }

    /// Half of a batch is for callers at first, so that neither side starves the other.
    fn drain(&mut self, first: Arrived<D>, with_messages: bool) -> Vec<Arrived<D>> {
        let max = self.batch_inputs_max;
        let mut batch = Vec::with_capacity(max);
        batch.push(first);
        let fill = |batch: &mut Vec<_>, from: &mut mpsc::Receiver<_>, up_to: usize| {
            while batch.len() < up_to
                && let Ok(next) = from.try_recv()
            {
                batch.push(next);
            }
        };
        fill(&mut batch, &mut self.calls, max / 2);
        if with_messages {
            fill(&mut batch, &mut self.messages, max);
        }
        fill(&mut batch, &mut self.calls, max);
        batch
    }
}
