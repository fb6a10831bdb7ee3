//! Many orders that wait for a participant that is away, and how fast they reach their end once it is back, beside what
//! the same processes carry otherwise.

use std::sync::Arc;
use std::time::Instant;

use anyhow::Context;
use audit::Told;
use tokio::task::JoinSet;
use uuid::Uuid;

use super::connection::{Authority, Connection};
use super::customers::{Market, Position};
use super::figure::Bound::AtLeast;
use super::figure::Figure;
use super::run::Bench;
use super::scene::{Scene, Setup, TOGETHER};
use crate::services::Service;

/// So many wait.
const ORDERS: usize = 50_000;
/// Who is away: the first one who is asked.
const AWAY: Service = Service::Stock;
/// Clients who leave their orders.
const CLIENTS: usize = 64;
/// The system has to let all of them in.
const OPEN_SAGAS_MAX: u64 = 4 * ORDERS as u64;

/// Every service is a process of its own here: one of them ends, and comes back.
pub(super) async fn measure(bench: &mut Bench<'_>, spread: &Scene) -> anyhow::Result<Figure> {
    let apart = Setup { replicas: Some(1), open_sagas_max: Some(OPEN_SAGAS_MAX), ..TOGETHER };
    bench.serve(apart).await?;
    let normal = bench.run(spread).await?.sagas_per_second;
    bench.system.end(AWAY).await?;
    let step = bench.progress.step(format!("{ORDERS} orders while {} is away", AWAY.name()));
    let left = leave(&bench.system.authorities()?, bench.market()).await?;
    step.done();
    bench.were_told(left.into_iter().map(|order_id| (order_id, Told::Accepted)));
    let step = bench.progress.step(format!("the same with {} back", AWAY.name()));
    let began = Instant::now();
    bench.system.begin_again(AWAY, apart).await?;
    bench.quiet().await?;
    let drained = ORDERS as f64 / began.elapsed().as_secs_f64();
    step.done();
    let percent = 100.0 * drained / normal.max(1.0);
    Ok(Figure::new(
        format!("{ORDERS} that waited, sagas/s"),
        "% of the same processes' rate",
        AtLeast(80.0),
        percent,
    ))
}

/// Leaves all of them, as fast as they are accepted.
async fn leave(authorities: &[Authority], market: &Market) -> anyhow::Result<Vec<Uuid>> {
    let positions: Arc<[Position]> = market.positions.clone().into();
    let mut clients = JoinSet::new();
    for index in 0..CLIENTS {
        let (authority, positions) = (authorities[index % authorities.len()].clone(), Arc::clone(&positions));
        let customer = market.customers[index % market.customers.len()].authorization.clone();
        let mine = ORDERS / CLIENTS + usize::from(index < ORDERS % CLIENTS);
        clients.spawn(async move {
            let mut connection = Connection::open(&authority).await?;
            let mut left = Vec::with_capacity(mine);
            for number in 0..mine {
                let order = positions[(index + number) % positions.len()].order.clone();
                left.push(connection.leave(&customer, order).await?);
            }
            anyhow::Ok(left)
        });
    }
    let mut left = Vec::with_capacity(ORDERS);
    while let Some(client) = clients.join_next().await {
        left.extend(client.context("a client")??);
    }
    Ok(left)
}
