//! A running stock with something on its shelves.

use std::time::Duration;

use contracts::order::OrderConfirmed;
use contracts::stock::{Item, ReleaseStock, ReserveStock};
use sea_orm::{ConnectionTrait, DatabaseConnection, DbBackend, Statement};
use serde_json::json;
use testkit::{Process, TestBed, eventually};
use uuid::Uuid;

/// Servers and one replica.
pub(crate) struct Shelf {
    pub(crate) bed: TestBed,
    pub(crate) stock: Process,
}

impl Shelf {
    pub(crate) async fn start() -> Self {
        let bed = TestBed::start::<migrations::stock::Migrator>(&[stock::work()]).await;
        let stock = bed.run(stock::start).await;
        Self { bed, stock }
    }

    /// A new position with so many on hand.
    pub(crate) async fn position(&self, price: i64, on_hand: i64) -> Uuid {
        let position_id = Uuid::now_v7();
        self.put(position_id, price, on_hand).await;
        position_id
    }

    pub(crate) async fn put(&self, position_id: Uuid, price: i64, on_hand: i64) {
        let path = format!("/internal/api/v1/stock/position/{position_id}");
        let body = json!({ "name": "tea", "price": price, "available": on_hand });
        let answer = self.stock.operator().put(&path, &body).await;
        assert_eq!(answer.status, 200, "{}", answer.body);
    }

    /// Available and reserved.
    pub(crate) async fn counts(&self, position_id: Uuid) -> (i64, i64) {
        counts(&self.bed.db, position_id).await
    }

    /// Tells of confirmed orders, in one message, and waits until all messages that were told are heard.
    pub(crate) async fn confirm(&self, events: &[OrderConfirmed]) {
        self.bed.road.tell(events).await;
        self.heard().await;
    }

    /// Waits until nothing that was told is still to be heard. A single replica hears events in order: the
    /// position that is sold last tells.
    async fn heard(&self) {
        let (last, marker) = (self.position(1, 1).await, Uuid::now_v7());
        let command = ReserveStock { order_id: marker, ..reserve(&[(last, 1)]) };
        self.bed.road.ask(&command).await;
        self.bed.road.tell(&[confirmed(&command)]).await;
        let is_sold = async || (self.counts(last).await == (0, 0)).then_some(());
        eventually(Duration::from_secs(20), "the last event to be heard", is_sold).await;
    }

    pub(crate) async fn dead_letters(&self) -> i64 {
        let sql = "SELECT count(*) FROM dead_letters WHERE letter_id <> $1";
        one(&self.bed.db, sql, Uuid::nil()).await.try_get_by_index(0).unwrap()
    }
}

pub(crate) async fn counts(db: &DatabaseConnection, position_id: Uuid) -> (i64, i64) {
    let sql = "SELECT available, reserved FROM positions WHERE position_id = $1";
    let row = one(db, sql, position_id).await;
    (row.try_get_by_index(0).unwrap(), row.try_get_by_index(1).unwrap())
}

/// What the reservations that stand say of a position.
pub(crate) async fn promised(db: &DatabaseConnection, position_id: Uuid) -> i64 {
    let sql = "SELECT coalesce(sum(quantity), 0)::bigint FROM reservation_lines \
               WHERE position_id = $1 AND state = 'reserved'";
    one(db, sql, position_id).await.try_get_by_index(0).unwrap()
}

async fn one(db: &DatabaseConnection, sql: &str, id: Uuid) -> sea_orm::QueryResult {
    let statement = Statement::from_sql_and_values(DbBackend::Postgres, sql, [id.into()]);
    db.query_one_raw(statement).await.unwrap().unwrap()
}

pub(crate) fn reserve(items: &[(Uuid, i64)]) -> ReserveStock {
    let items = items.iter().map(|&(position_id, quantity)| Item { position_id, quantity });
    ReserveStock { order_id: Uuid::now_v7(), items: items.collect(), expected_total: None }
}

pub(crate) fn release(command: &ReserveStock) -> ReleaseStock {
    ReleaseStock { order_id: command.order_id }
}

/// The event that follows when everything of the order was granted.
pub(crate) fn confirmed(command: &ReserveStock) -> OrderConfirmed {
    let line = |item: &Item| contracts::stock::Line {
        position_id: item.position_id,
        name: "tea".to_owned(),
        quantity: item.quantity,
        price: 50,
    };
    let lines = command.items.iter().map(line).collect();
    OrderConfirmed { order_id: command.order_id, user_id: Uuid::now_v7(), total: 50, lines }
}
