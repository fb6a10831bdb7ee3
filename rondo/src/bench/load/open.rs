//! The open loop: orders arrive by a clock, as from people who do not know of each other, whatever became of
//! those before them. An order's time is counted from when it was due, not from when it could be sent: a
//! system (or a load) that is late cannot hide behind those that it has not taken yet.

use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant};

use anyhow::bail;
use reqwest::Client;
use tokio::sync::Semaphore;
use tokio::task::JoinSet;

use super::{Driven, Plan, Tally, one_of};
use crate::bench::connection::{Authority, Connection};
use crate::bench::customers::Customer;

/// Connections at once: fewer than a listener takes, so that what is measured is not its backlog.
const CONNECTIONS_MAX: usize = 9_000;

/// Lets orders arrive at each rate for its time; the first one also before answers count.
pub(super) async fn drive(plan: Plan, customers: Vec<Customer>, rates: &[(f64, Duration)]) -> Driven {
    let shared = Arc::new(Shared::new(plan, customers));
    let mut orders = JoinSet::new();
    let mut due = Instant::now();
    let mut until = shared.plan.counts_from;
    for (rate, lasts) in rates {
        until += *lasts;
        while due < until {
            tokio::time::sleep_until(due.into()).await;
            orders.spawn(order(Arc::clone(&shared), due));
            due += gap(*rate);
            while orders.try_join_next().is_some() {}
        }
    }
    orders.join_all().await;
    let tally = std::mem::take(&mut *shared.tally());
    Ok((tally, shared.customers.clone()))
}

/// The time to the next arrival, when arrivals do not know of each other.
fn gap(rate: f64) -> Duration {
    let chance: f64 = rand::random_range(f64::EPSILON..1.0);
    Duration::from_secs_f64(-chance.ln() / rate)
}

/// Logs in whose token would end within a run that lasts so long. Before its clock starts, for every login takes a while.
///
/// # Errors
/// A login is refused, or tokens end before so many have logged in and the run is over.
pub(in crate::bench) async fn renew(
    customers: &mut [Customer],
    lasts: Duration,
    client: &Client,
    base_url: &str,
) -> anyhow::Result<()> {
    let ends_at = Instant::now() + lasts;
    for customer in customers.iter_mut().filter(|customer| customer.expires_before(ends_at)) {
        customer.log_in(client, base_url).await?;
    }
    let ends_at = Instant::now() + lasts;
    if customers.iter().any(|customer| customer.expires_before(ends_at)) {
        bail!(
            "access tokens do not last as long as an open loop takes and its customers' logins before it; \
             give the system a longer ACCESS_TOKEN_SECONDS, or the bench fewer --users"
        );
    }
    Ok(())
}

/// What all orders share.
struct Shared {
    plan: Plan,
    customers: Vec<Customer>,
    tally: Mutex<Tally>,
    /// Connections that nobody uses, by the authority they lead to.
    idle: Vec<Mutex<Vec<Connection>>>,
    next_authority: AtomicUsize,
    room: Semaphore,
}

impl Shared {
    fn new(plan: Plan, customers: Vec<Customer>) -> Self {
        Self {
            idle: plan.authorities.iter().map(|_| Mutex::default()).collect(),
            next_authority: AtomicUsize::new(0),
            room: Semaphore::new(CONNECTIONS_MAX),
            tally: Mutex::default(),
            customers,
            plan,
        }
    }

    fn tally(&self) -> MutexGuard<'_, Tally> {
        self.tally.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn idle(&self, authority: usize) -> MutexGuard<'_, Vec<Connection>> {
        self.idle[authority].lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// The latest that became free: so those that are too many end by themselves.
    async fn connection(&self, index: usize, authority: &Authority) -> anyhow::Result<Connection> {
        while let Some(connection) = self.idle(index).pop() {
            if !connection.is_closed() {
                return Ok(connection);
            }
        }
        Connection::open(authority).await
    }
}

async fn order(shared: Arc<Shared>, due: Instant) {
    let plan = &shared.plan;
    let (body, too_expensive) = plan.order();
    let customer = one_of(&shared.customers, plan.mix.hot_account_percent);
    let index = shared.next_authority.fetch_add(1, Ordering::Relaxed) % plan.authorities.len();
    let sent = async {
        let _room = shared.room.acquire().await?;
        let mut connection = shared.connection(index, &plan.authorities[index]).await?;
        let answer = connection.order(&customer.authorization, body).await?;
        shared.idle(index).push(connection);
        anyhow::Ok(answer)
    };
    let answer = sent.await;
    plan.answered();
    let counts = (plan.counts_from..plan.ends_at).contains(&due);
    let sample = counts.then(|| plan.sample(due, due.elapsed()));
    match answer {
        Ok(answer) => shared.tally().note(answer, too_expensive, sample),
        Err(error) => shared.tally().unexpectedly(format!("no answer: {error}")),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn gaps_are_by_chance_and_on_average_those_of_the_rate() {
        let gaps: Vec<f64> = (0..20_000).map(|_| gap(100.0).as_secs_f64()).collect();
        let average = gaps.iter().sum::<f64>() / gaps.len() as f64;
        assert!((0.009..0.011).contains(&average), "{average}");
        assert!(gaps.iter().any(|gap| *gap < 0.002) && gaps.iter().any(|gap| *gap > 0.03));
    }
}
