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
    stall_max: Duration,
    /// Since when the publisher has had no room.
    stalled_since: Option<Instant>,
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
        stall_max: Duration,
    ) -> Self {
        Self {
            calls,
            messages,
            calls_open: true,
            messages_open: true,
            begins,
            batch_inputs_max,
            stall_max,
            stalled_since: None,
            began: Instant::now(),
            was_crowd: false,
            aside: VecDeque::new(),
            aside_due: Instant::now(),
        }
    }

    /// Awaits the first input, lets others gather, then drains what is ready. Messages are only taken while
    /// the publisher has room for what they lead to, and calls wait for it a while. `None`: nobody can call any
    /// more, and no message comes.
    pub(crate) async fn next_batch(&mut self, publisher: &Publisher) -> Option<Vec<Arrived<D>>> {
        while self.calls_open || self.messages_open {
            if self.aside_due <= Instant::now()
                && let Some(arrived) = self.aside.pop_front()
            {
                return Some(vec![arrived]);
            }
            let has_room = publisher.has_room();
            let calls_due = self.calls_due(has_room);
            let takes_calls = self.calls_open && calls_due <= Instant::now();
            let first = tokio::select! {
                biased;
                called = self.calls.recv(), if takes_calls => {
                    self.calls_open = called.is_some();
                    called
                }
                arrived = self.messages.recv(), if has_room && self.messages_open => {
                    self.messages_open = arrived.is_some();
                    arrived
                }
                () = publisher.room(), if !has_room => None,
                () = sleep_until(calls_due), if self.calls_open && !takes_calls => None,
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

    /// When calls are taken: at once, or when a stall of the publisher has lasted too long to wait for its end.
    fn calls_due(&mut self, has_room: bool) -> Instant {
        let now = Instant::now();
        if has_room {
            self.stalled_since = None;
            return now;
        }
        *self.stalled_since.get_or_insert(now) + self.stall_max
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

#[cfg(test)]
mod tests {
    use std::pin::pin;

    use contracts::Timestamp;
    use tokio::time::{advance, timeout};

    use super::*;
    use crate::decider::{Decided, DecodeError};
    use crate::envelope::Item;
    use crate::failure::BatchError;
    use crate::handle::Origin;
    use crate::publisher::tests::Slow;
    use crate::rows::{Changes, Transaction};

    /// Whose inputs nobody ever decides.
    struct Undecided;

    impl Decider for Undecided {
        const SERVICE: &'static str = "test";
        type Input = ();
        type Answer = ();
        type Set = ();

        fn decode(&self, _: &Item<'_>) -> Result<(), DecodeError> {
            Ok(())
        }

        async fn load(&self, _: &mut Transaction, _: &[&()]) -> Result<(), BatchError> {
            Ok(())
        }

        fn decide(&self, (): &mut (), (): &(), _: Timestamp) -> Decided<()> {
            Decided::nothing()
        }

        fn save(&self, (): &(), _: &mut Changes) {}
    }

    const STALL_MAX: Duration = Duration::from_secs(1);

    /// An inbox, and the way in for calls. Nobody sends messages.
    fn inbox() -> (Inbox<Undecided>, mpsc::Sender<Arrived<Undecided>>) {
        let ((calls, called), (_, messages)) = (mpsc::channel(8), mpsc::channel(1));
        (Inbox::new(called, messages, Begins::AtAPace(Duration::ZERO), 8, STALL_MAX), calls)
    }

    fn call() -> Arrived<Undecided> {
        Arrived { input: (), origin: Origin::Own, in_doubt: false }
    }

    #[tokio::test(start_paused = true)]
    async fn a_call_waits_while_the_publisher_has_no_room_for_what_it_leads_to() {
        let (mut inbox, calls) = inbox();
        let mut slow = Slow::new();
        slow.fill();
        let publisher = slow.publisher.clone();
        calls.send(call()).await.unwrap();
        let mut batch = pin!(inbox.next_batch(&publisher));
        assert!(timeout(STALL_MAX / 2, &mut batch).await.is_err());
        slow.take_all();
        let began = Instant::now();
        assert_eq!(batch.await.unwrap().len(), 1);
        assert_eq!(began.elapsed(), Duration::ZERO);
    }

    #[tokio::test(start_paused = true)]
    async fn calls_go_on_without_a_nats_that_stays_away() {
        let (mut inbox, calls) = inbox();
        let mut slow = Slow::new();
        slow.fill();
        let began = Instant::now();
        calls.send(call()).await.unwrap();
        inbox.next_batch(&slow.publisher).await.unwrap();
        assert_eq!(began.elapsed(), STALL_MAX, "the first one waits for it");
        for _ in 0..3 {
            calls.send(call()).await.unwrap();
            inbox.next_batch(&slow.publisher).await.unwrap();
        }
        assert_eq!(began.elapsed(), STALL_MAX, "and nobody else");

        // It is back, and away again.
        slow.take_all();
        calls.send(call()).await.unwrap();
        inbox.next_batch(&slow.publisher).await.unwrap();
        slow.fill();
        advance(STALL_MAX).await;
        let began = Instant::now();
        calls.send(call()).await.unwrap();
        inbox.next_batch(&slow.publisher).await.unwrap();
        assert_eq!(began.elapsed(), STALL_MAX);
    }
}
