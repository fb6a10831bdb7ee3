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
/// How often a gathering loop looks whether its batch is full.
const LOOKS: u32 = 10;

pub(crate) struct Inbox<D: Decider> {
    calls: mpsc::Receiver<Arrived<D>>,
    messages: mpsc::Receiver<Arrived<D>>,
    /// Whether anybody may still call.
    calls_open: bool,
    /// Whether any receiver may still bring messages.
    messages_open: bool,
    /// How long the first input of a batch waits for others.
    gather: Duration,
    batch_inputs_max: usize,
    /// Inputs whose row somebody held.
    aside: VecDeque<Arrived<D>>,
    /// When one of them is tried next.
    aside_due: Instant,
}

impl<D: Decider> Inbox<D> {
    pub(crate) fn new(
        calls: mpsc::Receiver<Arrived<D>>,
        messages: mpsc::Receiver<Arrived<D>>,
        gather: Duration,
        batch_inputs_max: usize,
    ) -> Self {
        Self {
            calls,
            messages,
            calls_open: true,
            messages_open: true,
            gather,
            batch_inputs_max,
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
                self.gather().await;
                return Some(self.drain(first, has_room));
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

    /// Waits while others may come, or until a batch is full.
    async fn gather(&self) {
        let mut looks = if self.gather.is_zero() { 0 } else { LOOKS };
        while looks > 0 && self.messages.len() + 1 < self.batch_inputs_max {
            looks -= 1;
            tokio::time::sleep(self.gather / LOOKS).await;
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
