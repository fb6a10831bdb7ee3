//! Random sequences against two real replicas, several at once: whatever came of it, the books agree
//! with themselves and every order had one fate.

use contracts::Outcome;
use contracts::billing::{CaptureFunds, RefundOrder, ReleaseFunds};
use futures::future::join_all;
use proptest::collection::vec;
use proptest::strategy::{Strategy, ValueTree};
use proptest::test_runner::{Config, RngSeed, TestRunner};
use serde_json::json;
use testkit::Said;
use uuid::Uuid;

use crate::bank::{Bank, reserve};
use crate::rules::{Step, order_id, step, user_id};

const ROUNDS: u64 = 6;
const WRITERS: usize = 8;
const STEPS: usize = 40;

/// Orders of a round are its own.
fn order_of(round: u64, order: u128) -> Uuid {
    Uuid::new_v5(&order_id(order), &round.to_be_bytes())
}

/// Asks as a saga or a client would, of whichever replica takes it. Replies to commands are returned.
async fn ask(bank: &Bank, round: u64, step: Step, at: usize) -> Option<(Uuid, Said)> {
    let road = &bank.bed.road;
    match step {
        Step::Wait { .. } | Step::Expire { .. } => None,
        Step::Deposit { user, units } => {
            let client = bank.client(at % 2, user_id(user));
            let answer = client.post("/api/v1/account", &json!({ "amount": units })).await;
            assert_eq!(answer.status, 200);
            None
        }
        Step::Withdraw { user, units } => {
            let client = bank.client(at % 2, user_id(user));
            let answer = client.post("/api/v1/account/withdraw", &json!({ "amount": units })).await;
            assert!([200, 402].contains(&answer.status), "{answer:?}");
            None
        }
        Step::Pay { order, user, units } => {
            let body =
                json!({ "order_id": order_of(round, order), "user_id": user_id(user), "amount": units });
            let answer = bank.replicas[at % 2].operator().post("/internal/api/v1/payment", &body).await;
            assert!([200, 402, 409].contains(&answer.status), "{answer:?}");
            None
        }
        Step::Reserve { order, user, units } => {
            let order = order_of(round, order);
            Some((order, road.ask(&reserve(order, user_id(user), units)).await))
        }
        Step::Release { order } => {
            let order_id = order_of(round, order);
            Some((order_id, road.ask(&ReleaseFunds { order_id }).await))
        }
        Step::Capture { order } => {
            let order_id = order_of(round, order);
            Some((order_id, road.ask(&CaptureFunds { order_id }).await))
        }
        Step::Refund { order } => {
            let order_id = order_of(round, order);
            // Its entry is another than the capture's.
            assert_eq!(road.ask(&RefundOrder { order_id }).await.outcome, Outcome::Done);
            None
        }
    }
}

fn scripts(seed: u64) -> Vec<Vec<Step>> {
    let config = Config { rng_seed: RngSeed::Fixed(seed), ..Config::default() };
    let scripts = vec(vec(step(), STEPS), WRITERS).new_tree(&mut TestRunner::new(config));
    scripts.unwrap().current()
}

#[tokio::test]
async fn writers_at_once_on_two_replicas_leave_books_that_agree() {
    let bank = Bank::with_replicas(2).await;
    for round in 0..ROUNDS {
        let writers = scripts(round).into_iter().map(|script| {
            let bank = &bank;
            async move {
                let mut said = Vec::new();
                for (at, step) in script.into_iter().enumerate() {
                    said.extend(ask(bank, round, step, at).await);
                }
                said
            }
        });
        let said: Vec<(Uuid, Said)> = join_all(writers).await.into_iter().flatten().collect();
        bank.audit().await;
        every_order_had_one_fate(&said);
    }
}

/// Whatever a hold or an entry was told to be, it was told to be always.
fn every_order_had_one_fate(said: &[(Uuid, Said)]) {
    for field in ["hold_id", "entry_id"] {
        let told =
            said.iter().filter(|(_, said)| said.outcome == Outcome::Done && said.body.get(field).is_some());
        let mut first = std::collections::BTreeMap::new();
        for (order, said) in told {
            assert_eq!(*first.entry(*order).or_insert(said), said, "{order}");
        }
    }
}
