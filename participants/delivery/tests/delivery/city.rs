//! A running delivery with couriers, and a look into its database and at what it tells.

use std::time::Duration;

use async_nats::jetstream;
use contracts::delivery::{CancelDelivery, ReleaseCourier, ReserveCourier, ScheduleDelivery};
use contracts::{Event, Timestamp};
use sea_orm::{ConnectionTrait, DbBackend, QueryResult, Statement, Value};
use service::token::Role;
use testkit::{Client, Process, TestBed};
use uuid::Uuid;

/// How long anything is waited for.
pub(crate) const WITHIN: Duration = Duration::from_secs(20);

/// Servers and one replica.
pub(crate) struct City {
    pub(crate) bed: TestBed,
    pub(crate) delivery: Process,
}

impl City {
    /// With so many couriers in every hour.
    pub(crate) async fn with_couriers(couriers: u32) -> Self {
        let mut bed = TestBed::start::<migrations::delivery::Migrator>(&[delivery::work()]).await;
        bed.config.business.delivery_couriers = couriers;
        let delivery = bed.run(delivery::start).await;
        Self { bed, delivery }
    }

    pub(crate) fn customer(&self, user_id: Uuid) -> Client {
        self.delivery.user(user_id, &[Role::User])
    }

    pub(crate) fn courier(&self) -> Client {
        self.delivery.user(Uuid::now_v7(), &[Role::User, Role::Courier])
    }

    /// How many couriers are busy in an hour, by its slot and by its bookings.
    pub(crate) async fn busy(&self, of_day: u32) -> (i64, i64) {
        let busy = "SELECT coalesce(sum(json_array_length(busy::json)), 0)::bigint FROM slots \
                    WHERE begins_at = $1";
        let booked = "SELECT count(DISTINCT courier) FROM bookings WHERE begins_at = $1 AND state = 'booked'";
        (self.number(busy, [hour(of_day).into()]).await, self.number(booked, [hour(of_day).into()]).await)
    }

    /// A number out of the database.
    pub(crate) async fn number(&self, sql: &str, values: impl IntoIterator<Item = Value>) -> i64 {
        self.row(sql, values).await.unwrap().try_get_by_index(0).unwrap()
    }

    pub(crate) async fn row(
        &self,
        sql: &str,
        values: impl IntoIterator<Item = Value>,
    ) -> Option<QueryResult> {
        let statement = Statement::from_sql_and_values(DbBackend::Postgres, sql, values);
        self.bed.db.query_one_raw(statement).await.unwrap()
    }

    /// The status of an order's delivery in the database.
    pub(crate) async fn status(&self, order_id: Uuid) -> Option<String> {
        let row = self.row("SELECT status FROM deliveries WHERE order_id = $1", [order_id.into()]).await?;
        Some(row.try_get_by_index(0).unwrap())
    }

    /// The payloads of every event of a type that is in the stream.
    pub(crate) async fn told<E: Event>(&self) -> Vec<E> {
        let client = async_nats::connect(self.bed.nats.url()).await.unwrap();
        let mut stream = jetstream::new(client).get_stream("EVENTS").await.unwrap();
        let last = stream.info().await.unwrap().state.last_sequence;
        let mut told = Vec::new();
        for sequence in 1..=last {
            let message = stream.get_raw_message(sequence).await.unwrap();
            if &*message.subject == E::TYPE {
                let items: Vec<serde_json::Value> = serde_json::from_slice(&message.payload).unwrap();
                told.extend(items.iter().map(|item| serde_json::from_value(item["data"].clone()).unwrap()));
            }
        }
        told
    }
}

/// An hour of a day to come.
pub(crate) fn hour(of_day: u32) -> Timestamp {
    format!("2027-03-01T{of_day:02}:00:00Z").parse().unwrap()
}

pub(crate) fn reserve(of_day: u32) -> ReserveCourier {
    ReserveCourier { order_id: Uuid::now_v7(), slot: hour(of_day) }
}

pub(crate) fn release(command: &ReserveCourier) -> ReleaseCourier {
    ReleaseCourier { order_id: command.order_id }
}

/// Of a new order of a new user, without a slot.
pub(crate) fn schedule(address: Option<&str>) -> ScheduleDelivery {
    let (order_id, user_id) = (Uuid::now_v7(), Uuid::now_v7());
    ScheduleDelivery { order_id, user_id, address: address.map(str::to_owned), slot: None }
}

pub(crate) fn cancel(order_id: Uuid) -> CancelDelivery {
    CancelDelivery { order_id }
}
