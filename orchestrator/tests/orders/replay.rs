//! The history of every finished saga, through today's code, makes the saga that is stored.

use futures::future::join_all;
use orchestrator::order::{Goods, Order};
use orchestrator::{OrderWorkflow, Workflow};
use saga::{Record, State, replay};
use sea_orm::QueryResult;
use serde_json::Value;
use testkit::eventually;
use uuid::Uuid;

use crate::shop::{Customer, PRICE, Participant, Shop, WITHIN, both, items, price};

/// Orders that end in every way a customer can bring about.
fn varied(tea: Uuid, rare: Uuid) -> Vec<Value> {
    vec![
        items(&[(tea, 1)]),
        items(&[(tea, 2), (rare, 1)]),
        price(300),
        both(&[(tea, 3)], 3 * PRICE),
        both(&[(tea, 1)], 1),
        items(&[(tea, 1), (rare, 1_000)]),
        items(&[(Uuid::now_v7(), 1)]),
        items(&[(tea, 500)]),
        price(1_000_000_000),
    ]
}

/// A finished saga: its row, and its history in order.
async fn finished(shop: &Shop) -> Vec<(QueryResult, Vec<Record>)> {
    let sql = "SELECT saga_id, version::bigint, state, data, status FROM sagas \
               WHERE finished_at IS NOT NULL AND workflow = $1";
    let mut sagas = Vec::new();
    for row in shop.rows(sql, [OrderWorkflow::NAME.into()]).await {
        let saga_id: Uuid = row.try_get_by_index(0).unwrap();
        // A row is a commit; `seq` is the number of its last record.
        let sql = "SELECT json_build_object('seq', h.seq - json_array_length(inputs::json) + i.number, 'at', at, \
                   'input', i.one->0, 'effects', i.one->1)::text FROM saga_history h, \
                   json_array_elements(inputs::json) WITH ORDINALITY AS i(one, number) \
                   WHERE saga_id = $1 ORDER BY h.seq, i.number";
        let records = shop.rows(sql, [saga_id.into()]).await;
        let records = records.iter().map(|record| json::<Record>(record, 0)).collect();
        sagas.push((row, records));
    }
    sagas
}

fn json<T: serde::de::DeserializeOwned>(row: &QueryResult, column: usize) -> T {
    let text: String = row.try_get_by_index(column).unwrap();
    serde_json::from_str(&text).unwrap_or_else(|error| panic!("{error}: {text}"))
}

/// What the saga began with: the order before any step was learned from.
fn begun(order: &Order) -> Order {
    Order { goods: Goods::Asked(order.items()), held_until: None, ..order.clone() }
}

fn replays(row: &QueryResult, history: &[Record]) -> String {
    let saga_id: Uuid = row.try_get_by_index(0).unwrap();
    let version: i64 = row.try_get_by_index(1).unwrap();
    let (state, order): (State, Order) = (json(row, 2), json(row, 3));
    let seqs: Vec<u32> = history.iter().map(|record| record.seq).collect();
    assert!(seqs.iter().copied().eq(1..=state.seq), "{saga_id}: {seqs:?}");
    let definitions = OrderWorkflow::definitions();
    let definition =
        definitions.iter().find(|definition| i64::from(definition.version()) == version).unwrap();
    let again = replay(definition, saga_id, begun(&order), history);
    assert_eq!(again.state, state, "{saga_id}");
    assert_eq!(again.data, order, "{saga_id}");
    let status: String = row.try_get_by_index(4).unwrap();
    assert_eq!(again.status().as_str(), status, "{saga_id}");
    let cause = again.cause().map_or("", |cause| cause.code.as_str());
    format!("{status} {cause}").trim_end().to_owned()
}

impl Shop {
    /// The commands that were on the road are lost.
    async fn forgets(&self, stream: &str) {
        let client = async_nats::connect(self.bed.nats.url()).await.unwrap();
        let stream = async_nats::jetstream::new(client).get_stream(stream).await.unwrap();
        assert!(stream.purge().await.unwrap().purged > 0);
    }

    /// Commands were sent again.
    async fn has_asked_again(&self, stream: &str) {
        let client = async_nats::connect(self.bed.nats.url()).await.unwrap();
        let mut stream = async_nats::jetstream::new(client).get_stream(stream).await.unwrap();
        let refilled = async || (stream.info().await.ok()?.state.messages > 0).then_some(());
        eventually(WITHIN, "commands to be sent again", refilled).await;
    }
}

async fn place(customers: &[Customer], bodies: &[Value]) {
    let placing = customers.iter().flat_map(|customer| bodies.iter().map(|body| customer.order(body)));
    for answer in join_all(placing).await {
        assert!([201, 202, 402, 409, 422].contains(&answer.status), "{answer:?}");
    }
}

#[tokio::test]
async fn the_history_of_every_finished_saga_makes_it_again() {
    let mut shop = Shop::open().await;
    let (tea, rare) = (shop.position(1_000).await, shop.position(20).await);
    let customers =
        [shop.customer_with(100_000).await, shop.customer_with(9_000).await, shop.customer_with(0).await];
    let bodies = varied(tea, rare);
    for _ in 0..3 {
        place(&customers, &bodies).await;
    }
    // Some are asked for more than once, before the pivot and after it.
    shop.goes_away(Participant::Notification).await;
    place(&customers[..1], &bodies).await;
    shop.goes_away(Participant::Billing).await;
    place(&customers[..1], &bodies).await;
    for stream in ["CMD_NOTIFICATION", "CMD_BILLING"] {
        shop.forgets(stream).await;
        shop.has_asked_again(stream).await;
    }
    shop.comes_back(Participant::Billing).await;
    shop.comes_back(Participant::Notification).await;
    shop.is_quiet().await;

    let sagas = finished(&shop).await;
    assert_eq!(sagas.len(), (3 * 3 + 2) * bodies.len());
    let woken = "SELECT count(*) FROM saga_history WHERE inputs LIKE '%[\"wake\",%'";
    assert!(shop.number(woken).await >= 2, "some were asked for again");
    let mut endings: Vec<String> = sagas.iter().map(|(row, history)| replays(row, history)).collect();
    endings.sort();
    endings.dedup();
    assert_eq!(
        endings,
        [
            "completed",
            "rejected insufficient_funds",
            "rejected out_of_stock",
            "rejected price_changed",
            "rejected unknown_position"
        ]
    );
}
