//! The load: orders on one thread of its own, in a closed or an open loop, and what became of them.

mod closed;
mod open;

pub(super) use open::renew;

use std::collections::BTreeMap;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::{Duration, Instant};

use audit::Told;
use hyper::body::Bytes;
use reqwest::Client;
use tokio::sync::oneshot;
use uuid::Uuid;

use super::connection::{Answer, Authority};
use super::customers::{Customer, Position};
use super::scene::{Mix, Pace};

/// What all orders of a run share.
#[derive(Clone)]
pub(super) struct Plan {
    /// Where orders are placed; clients and connections are spread over them.
    pub(super) authorities: Arc<[Authority]>,
    pub(super) client: Client,
    pub(super) base_url: String,
    pub(super) positions: Arc<[Position]>,
    pub(super) mix: Mix,
    /// What is decided (or, in an open loop, due) from here to the end counts.
    pub(super) counts_from: Instant,
    pub(super) ends_at: Instant,
    /// Answers so far, for whoever watches.
    pub(super) answers: Arc<AtomicU64>,
}

/// An answer that counts.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Sample {
    /// When the order was sent (or due), in milliseconds since answers count.
    pub(super) at_ms: u32,
    /// How long the answer took, in microseconds.
    pub(super) took_us: u32,
}

impl Sample {
    /// When the order was sent (or due), since answers count.
    pub(super) fn at(&self) -> Duration {
        Duration::from_millis(self.at_ms.into())
    }
}

/// What was seen.
#[derive(Debug, Default)]
pub(super) struct Tally {
    /// Decisions that count.
    pub(super) decided: Vec<Sample>,
    /// Orders that were asked to come later, of those that count.
    pub(super) overloaded: Vec<Sample>,
    /// Of all orders of the run.
    pub(super) confirmed: u64,
    /// Of all orders of the run: as was asked for.
    pub(super) refused: u64,
    /// Of all orders of the run: asked to come later.
    pub(super) asked_to_come_later: u64,
    /// What nobody asked for, and how often.
    pub(super) unexpected: BTreeMap<String, u64>,
    /// Every order that is known, and what was said of it.
    pub(super) told: Vec<(Uuid, Told)>,
}

/// What was seen, and the customers back.
pub(super) type Driven = anyhow::Result<(Tally, Vec<Customer>)>;

/// Starts the load on a thread; the customers come back at the end.
pub(super) fn start(
    plan: Plan,
    pace: Pace,
    customers: Vec<Customer>,
) -> anyhow::Result<oneshot::Receiver<Driven>> {
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build()?;
    let (done, result) = oneshot::channel();
    std::thread::Builder::new().name("load".to_owned()).spawn(move || {
        let driven = runtime.block_on(async {
            match pace {
                Pace::Clients(clients) => closed::drive(plan, customers, clients).await,
                Pace::Rates(rates) => open::drive(plan, customers, &rates).await,
            }
        });
        // Whoever waited may have been interrupted.
        let _ = done.send(driven);
    })?;
    Ok(result)
}

fn with_chance(percent: u8) -> bool {
    rand::random_range(0..100) < percent
}

/// One of them by chance; the first is the hot one.
fn one_of<T>(all: &[T], hot_percent: u8) -> &T {
    let index = if with_chance(hot_percent) { 0 } else { rand::random_range(0..all.len()) };
    &all[index]
}

impl Plan {
    /// What is ordered next, and whether that is more than anybody can pay.
    fn order(&self) -> (Bytes, bool) {
        let position = one_of(&self.positions, self.mix.hot_position_percent);
        let too_expensive = with_chance(self.mix.refused_percent);
        (if too_expensive { position.too_expensive.clone() } else { position.order.clone() }, too_expensive)
    }

    /// An answer that counts.
    fn sample(&self, sent_at: Instant, took: Duration) -> Sample {
        let at_ms = sent_at.saturating_duration_since(self.counts_from).as_millis();
        Sample {
            at_ms: u32::try_from(at_ms).unwrap_or(u32::MAX),
            took_us: u32::try_from(took.as_micros()).unwrap_or(u32::MAX),
        }
    }

    fn answered(&self) {
        self.answers.fetch_add(1, Ordering::Relaxed);
    }
}

impl Tally {
    /// One answer; with when and how fast, if it counts.
    fn note(&mut self, answer: Answer, too_expensive: bool, sample: Option<Sample>) {
        match answer {
            Answer::Confirmed(order_id) => {
                self.told.push((order_id, Told::Confirmed));
                self.confirmed += 1;
                if too_expensive {
                    self.unexpectedly("201 for what cannot be paid".to_owned());
                }
            }
            Answer::TooExpensive(order_id) => {
                self.told.push((order_id, Told::Rejected));
                self.refused += 1;
                if !too_expensive {
                    self.unexpectedly("402 for what can be paid".to_owned());
                }
            }
            Answer::ComeLater => {
                self.asked_to_come_later += 1;
                return self.overloaded.extend(sample);
            }
            Answer::Other(what, order_id) => {
                self.told.extend(order_id.map(|order_id| (order_id, Told::Accepted)));
                return self.unexpectedly(what);
            }
        }
        self.decided.extend(sample);
    }

    fn unexpectedly(&mut self, what: String) {
        *self.unexpected.entry(what).or_default() += 1;
    }

    fn add(&mut self, other: Self) {
        self.decided.extend(other.decided);
        self.overloaded.extend(other.overloaded);
        self.confirmed += other.confirmed;
        self.refused += other.refused;
        self.asked_to_come_later += other.asked_to_come_later;
        self.told.extend(other.told);
        for (what, times) in other.unexpected {
            *self.unexpected.entry(what).or_default() += times;
        }
    }
}
