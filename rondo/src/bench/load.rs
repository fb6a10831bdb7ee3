//! The closed loop: each client sends its next order when the last one was decided. All on one thread
//! of its own.

use std::collections::BTreeMap;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::{Duration, Instant};

use anyhow::Context;
use audit::Told;
use reqwest::Client;
use tokio::sync::oneshot;
use tokio::task::JoinSet;
use uuid::Uuid;

use super::connection::{Answer, Authority, Connection};
use super::customers::{Customer, Position};

/// How long a client waits before it connects again.
const RECONNECT_AFTER: Duration = Duration::from_millis(100);

/// What all clients of a run share.
#[derive(Clone)]
pub(super) struct Plan {
    pub(super) authority: Authority,
    pub(super) client: Client,
    pub(super) base_url: String,
    pub(super) positions: Arc<[Position]>,
    pub(super) refused_percent: u8,
    /// What is decided from here to the end counts.
    pub(super) counts_from: Instant,
    pub(super) ends_at: Instant,
    /// Answers so far, for whoever watches.
    pub(super) answers: Arc<AtomicU64>,
}

/// What the clients have seen.
#[derive(Debug, Default)]
pub(super) struct Tally {
    /// From sending an order to its decision, in microseconds; of those that count.
    pub(super) decided_after_us: Vec<u32>,
    /// Of all orders of the run.
    pub(super) confirmed: u64,
    /// Of all orders of the run: as was asked for.
    pub(super) refused: u64,
    /// What nobody asked for, and how often.
    pub(super) unexpected: BTreeMap<String, u64>,
    /// Every order that is known, and what was said of it.
    pub(super) told: Vec<(Uuid, Told)>,
}

/// What was seen, and the customers back.
pub(super) type Driven = anyhow::Result<(Tally, Vec<Customer>)>;

/// Starts the clients on a thread; each has some of the customers to itself, who come back at the end.
pub(super) fn start(plan: Plan, customers: Vec<Vec<Customer>>) -> anyhow::Result<oneshot::Receiver<Driven>> {
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build()?;
    let (done, result) = oneshot::channel();
    std::thread::Builder::new().name("load".to_owned()).spawn(move || {
        // Whoever waited may have been interrupted.
        let _ = done.send(runtime.block_on(all(plan, customers)));
    })?;
    Ok(result)
}

async fn all(plan: Plan, customers: Vec<Vec<Customer>>) -> Driven {
    let mut clients = JoinSet::new();
    for mine in customers {
        clients.spawn(one(plan.clone(), mine));
    }
    let (mut tally, mut customers) = (Tally::default(), Vec::new());
    while let Some(client) = clients.join_next().await {
        let (seen, mine) = client.context("a client")??;
        tally.add(seen);
        customers.extend(mine);
    }
    Ok((tally, customers))
}

async fn one(plan: Plan, mut customers: Vec<Customer>) -> Driven {
    let mut tally = Tally::default();
    let mut connection = Connection::open(&plan.authority).await.context("a client cannot connect")?;
    while Instant::now() < plan.ends_at {
        let whose = rand::random_range(0..customers.len());
        let customer = &mut customers[whose];
        if customer.is_expiring() {
            customer.log_in(&plan.client, &plan.base_url).await?;
        }
        let position = &plan.positions[rand::random_range(0..plan.positions.len())];
        let too_expensive = rand::random_range(0..100) < plan.refused_percent;
        let body = if too_expensive { &position.too_expensive } else { &position.order };
        let sent_at = Instant::now();
        let answer = connection.order(&customer.authorization, body.clone()).await;
        let decided_at = Instant::now();
        let counts = (plan.counts_from..plan.ends_at).contains(&decided_at);
        match answer {
            Ok(answer) => tally.note(answer, too_expensive, counts.then(|| decided_at - sent_at)),
            Err(error) => {
                tally.unexpectedly(format!("no answer: {error}"));
                tokio::time::sleep(RECONNECT_AFTER).await;
                if let Ok(open) = Connection::open(&plan.authority).await {
                    connection = open;
                }
            }
        }
        plan.answers.fetch_add(1, Ordering::Relaxed);
    }
    Ok((tally, customers))
}

impl Tally {
    /// One answer; with the time it took, if it counts.
    pub(super) fn note(&mut self, answer: Answer, too_expensive: bool, took: Option<Duration>) {
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
            Answer::Other(what, order_id) => {
                self.told.extend(order_id.map(|order_id| (order_id, Told::Accepted)));
                return self.unexpectedly(what);
            }
        }
        if let Some(took) = took {
            self.decided_after_us.push(u32::try_from(took.as_micros()).unwrap_or(u32::MAX));
        }
    }

    fn unexpectedly(&mut self, what: String) {
        *self.unexpected.entry(what).or_default() += 1;
    }

    pub(super) fn add(&mut self, other: Self) {
        self.decided_after_us.extend(other.decided_after_us);
        self.confirmed += other.confirmed;
        self.refused += other.refused;
        self.told.extend(other.told);
        for (what, times) in other.unexpected {
            *self.unexpected.entry(what).or_default() += times;
        }
    }
}
