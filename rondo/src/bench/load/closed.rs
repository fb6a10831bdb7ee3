//! The closed loop: each client sends its next order when the last one was decided.

use std::time::{Duration, Instant};

use anyhow::Context;
use tokio::task::JoinSet;

use super::{Driven, Plan, Tally, with_chance};
use crate::bench::connection::{Answer, Authority, Connection};
use crate::bench::customers::Customer;

/// How long a client waits before it connects again, or after it was asked to come later.
const PAUSE: Duration = Duration::from_millis(100);

/// Drives `clients` clients; each has some of the customers to itself, and its own copy of the hot one.
pub(super) async fn drive(plan: Plan, customers: Vec<Customer>, clients: u32) -> Driven {
    let hot = customers[0].clone();
    let mut running = JoinSet::new();
    for (index, mine) in dealt(customers, clients as usize).into_iter().enumerate() {
        let authority = plan.authorities[index % plan.authorities.len()].clone();
        running.spawn(one(plan.clone(), authority, hot.clone(), mine));
    }
    let (mut tally, mut customers) = (Tally::default(), Vec::new());
    while let Some(client) = running.join_next().await {
        let (seen, mine) = client.context("a client")??;
        tally.add(seen);
        customers.extend(mine);
    }
    Ok((tally, customers))
}

/// Deals the customers out to the clients.
fn dealt(customers: Vec<Customer>, clients: usize) -> Vec<Vec<Customer>> {
    let mut hands: Vec<Vec<Customer>> = vec![Vec::new(); clients];
    for (index, customer) in customers.into_iter().enumerate() {
        hands[index % clients].push(customer);
    }
    hands
}

async fn one(plan: Plan, authority: Authority, mut hot: Customer, mut customers: Vec<Customer>) -> Driven {
    let mut tally = Tally::default();
    let mut connection = Connection::open(&authority).await.context("a client cannot connect")?;
    while Instant::now() < plan.ends_at {
        let whose = rand::random_range(0..customers.len());
        let is_hot = with_chance(plan.mix.hot_account_percent);
        let customer = if is_hot { &mut hot } else { &mut customers[whose] };
        if customer.is_expiring() {
            customer.log_in(&plan.client, &plan.base_url).await?;
        }
        let (body, too_expensive) = plan.order();
        let sent_at = Instant::now();
        let answer = connection.order(&customer.authorization, body).await;
        let decided_at = Instant::now();
        let counts = (plan.counts_from..plan.ends_at).contains(&decided_at);
        plan.answered();
        let pause = match answer {
            Ok(answer) => {
                let come_later = matches!(answer, Answer::ComeLater);
                let sample = counts.then(|| plan.sample(sent_at, decided_at - sent_at));
                tally.note(answer, too_expensive, sample);
                come_later
            }
            Err(error) => {
                tally.unexpectedly(format!("no answer: {error}"));
                true
            }
        };
        if pause {
            tokio::time::sleep(PAUSE).await;
        }
        if connection.is_closed()
            && let Ok(open) = Connection::open(&authority).await
        {
            connection = open;
        }
    }
    Ok((tally, customers))
}
