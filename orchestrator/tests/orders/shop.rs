//! The orchestrator on its servers, the participants of its orders beside it, and customers.

use std::time::Duration;

use migrations::MigratorTrait;
use reqwest::Method;
use sea_orm::{ConnectionTrait, DatabaseBackend, QueryResult, Statement, Value as SqlValue};
use serde_json::{Value, json};
use service::token::Role;
use testkit::{Answer, Client, Process, TestBed, eventually};
use uuid::Uuid;

/// How long anything is waited for; an unanswered command is asked for again after 5 s.
pub(crate) const WITHIN: Duration = Duration::from_secs(30);
/// What one of anything costs.
pub(crate) const PRICE: i64 = 1_000;

/// A participant that may be away.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Participant {
    Billing,
    Stock,
    Delivery,
    Notification,
}

/// A running system without its front: users are made up, their tokens signed by the test.
pub(crate) struct Shop {
    pub(crate) bed: TestBed,
    pub(crate) orchestrator: Process,
    billing: Option<Process>,
    stock: Option<Process>,
    delivery: Option<Process>,
    notification: Option<Process>,
}

/// A customer at the orchestrator's public listener.
pub(crate) struct Customer {
    pub(crate) user_id: Uuid,
    pub(crate) client: Client,
}

impl Shop {
    pub(crate) async fn open() -> Self {
        Self::open_with(|_| {}).await
    }

    /// With another configuration.
    pub(crate) async fn open_with(configure: impl FnOnce(&mut TestBed)) -> Self {
        let mut bed = TestBed::start::<migrations::orchestrator::Migrator>(&[
            orchestrator::work(),
            billing::work(),
            stock::work(),
            delivery::work(),
            notification::work(),
        ])
        .await;
        database::<migrations::billing::Migrator>(&mut bed, "billing").await;
        database::<migrations::stock::Migrator>(&mut bed, "stock").await;
        database::<migrations::delivery::Migrator>(&mut bed, "delivery").await;
        database::<migrations::notification::Migrator>(&mut bed, "notification").await;
        configure(&mut bed);
        let orchestrator = bed.run(orchestrator::start).await;
        let mut shop =
            Self { bed, orchestrator, billing: None, stock: None, delivery: None, notification: None };
        use Participant::{Billing, Delivery, Notification, Stock};
        for participant in [Billing, Stock, Delivery, Notification] {
            shop.comes_back(participant).await;
        }
        shop
    }

    pub(crate) async fn goes_away(&mut self, participant: Participant) {
        self.place_of(participant).take().expect("it is there").stop().await;
    }

    pub(crate) async fn comes_back(&mut self, participant: Participant) {
        let process = match participant {
            Participant::Billing => self.bed.run(billing::start).await,
            Participant::Stock => self.bed.run(stock::start).await,
            Participant::Delivery => self.bed.run(delivery::start).await,
            Participant::Notification => self.bed.run(notification::start).await,
        };
        *self.place_of(participant) = Some(process);
    }

    fn place_of(&mut self, participant: Participant) -> &mut Option<Process> {
        match participant {
            Participant::Billing => &mut self.billing,
            Participant::Stock => &mut self.stock,
            Participant::Delivery => &mut self.delivery,
            Participant::Notification => &mut self.notification,
        }
    }

    /// A new customer with so much money.
    pub(crate) async fn customer_with(&self, units: i64) -> Customer {
        let user_id = Uuid::now_v7();
        let customer = Customer { user_id, client: self.orchestrator.user(user_id, &[Role::User]) };
        if units > 0 {
            self.deposit(&customer, units).await;
        }
        customer
    }

    pub(crate) async fn deposit(&self, customer: &Customer, units: i64) {
        let answer = self.bank(customer).post("/api/v1/account", &json!({ "amount": units })).await;
        assert_eq!(answer.status, 200, "{answer:?}");
    }

    fn bank(&self, customer: &Customer) -> Client {
        self.billing.as_ref().expect("billing is there").user(customer.user_id, &[Role::User])
    }

    /// The customer's balance and what of it is held.
    pub(crate) async fn money(&self, customer: &Customer) -> (i64, i64) {
        let account = self.bank(customer).get("/api/v1/account").await.body;
        (account["balance"].as_i64().unwrap(), account["held"].as_i64().unwrap())
    }

    /// A new position with so many on hand.
    pub(crate) async fn position(&self, on_hand: i64) -> Uuid {
        let position_id = Uuid::now_v7();
        let path = format!("/internal/api/v1/stock/position/{position_id}");
        let body = json!({ "name": "tea", "price": PRICE, "available": on_hand });
        let answer = self.stock.as_ref().expect("stock is there").operator().put(&path, &body).await;
        assert_eq!(answer.status, 200, "{answer:?}");
        position_id
    }

    /// How many can be ordered, and how many are promised.
    pub(crate) async fn counts(&self, position_id: Uuid) -> (i64, i64) {
        let stock = self.stock.as_ref().expect("stock is there").user(Uuid::now_v7(), &[Role::User]);
        let count = stock.get(&format!("/api/v1/stock/position/{position_id}/count")).await.body;
        (count["available"].as_i64().unwrap(), count["reserved"].as_i64().unwrap())
    }

    /// How many can be ordered, once so many are promised.
    pub(crate) async fn available_when_reserved(&self, position_id: Uuid, reserved: i64) -> i64 {
        eventually(WITHIN, "stock to hear of it", async || {
            let (available, promised) = self.counts(position_id).await;
            (promised == reserved).then_some(available)
        })
        .await
    }

    /// Delivery's public listener, to somebody who has this role.
    pub(crate) fn delivery_as(&self, user_id: Uuid, role: Role) -> Client {
        self.delivery.as_ref().expect("delivery is there").user(user_id, &[role])
    }

    /// A courier says where the order is: `sent` or `received`.
    pub(crate) async fn courier_says(&self, what: &str, order_id: Uuid) -> Answer {
        let courier = self.delivery_as(Uuid::now_v7(), Role::Courier);
        courier.post(&format!("/api/v1/order/{what}"), &json!({ "order_id": order_id })).await
    }

    /// The kinds of the letters about an order.
    pub(crate) async fn letters(&self, customer: &Customer, order_id: Uuid) -> Vec<String> {
        let notification = self.notification.as_ref().expect("notification is there");
        let letters = notification.user(customer.user_id, &[Role::User]);
        let answer = letters.get(&format!("/api/v1/notifications?order_id={order_id}")).await;
        let items = answer.body["items"].as_array().unwrap();
        items.iter().map(|letter| letter["kind"].as_str().unwrap().to_owned()).collect()
    }

    pub(crate) async fn rows(
        &self,
        sql: &str,
        values: impl IntoIterator<Item = SqlValue>,
    ) -> Vec<QueryResult> {
        let statement = Statement::from_sql_and_values(DatabaseBackend::Postgres, sql, values);
        self.bed.db.query_all_raw(statement).await.unwrap()
    }

    pub(crate) async fn number(&self, sql: &str) -> i64 {
        self.rows(sql, []).await[0].try_get_by_index(0).unwrap()
    }

    /// So many orders are accepted.
    pub(crate) async fn has_accepted(&self, orders: i64) {
        let count = async || self.number("SELECT count(*) FROM orders").await;
        eventually(WITHIN, "orders to be accepted", async || (count().await == orders).then_some(())).await;
    }

    /// Every saga has ended.
    pub(crate) async fn is_quiet(&self) {
        let open = "SELECT count(*) FROM sagas WHERE finished_at IS NULL";
        let quiet = async || (self.number(open).await == 0).then_some(());
        eventually(WITHIN, "every saga to end", quiet).await;
    }
}

async fn database<M: MigratorTrait>(bed: &mut TestBed, service: &'static str) {
    bed.config.databases.set(service, testkit::guarded_database::<M>(service).await.service);
}

impl Customer {
    /// Orders and waits for the decision.
    pub(crate) async fn order(&self, body: &Value) -> Answer {
        self.order_with(&[], body).await
    }

    /// Orders, with headers.
    pub(crate) async fn order_with(&self, headers: &[(&str, &str)], body: &Value) -> Answer {
        let mut request = self.client.request(Method::POST, "/api/v1/order").json(body);
        for (name, value) in headers {
            request = request.header(*name, *value);
        }
        self.client.send(request).await
    }

    /// Cancels, and waits so many seconds for it to be done.
    pub(crate) async fn cancel(&self, order_id: Uuid, wait_seconds: u32) -> Answer {
        let request = self.client.request(Method::POST, &format!("/api/v1/order/{order_id}/cancel"));
        self.client.send(request.header("prefer", format!("wait={wait_seconds}"))).await
    }

    pub(crate) async fn see(&self, order_id: Uuid) -> Value {
        let answer = self.client.get(&format!("/api/v1/order/{order_id}")).await;
        assert_eq!(answer.status, 200, "{answer:?}");
        answer.body
    }

    /// The order, as soon as it has this status.
    pub(crate) async fn sees(&self, order_id: Uuid, status: &str) -> Value {
        let what = format!("the order to be {status}");
        eventually(WITHIN, &what, async || {
            let order = self.see(order_id).await;
            (order["status"] == status).then_some(order)
        })
        .await
    }

    /// The saga of an order, as soon as it has this status.
    pub(crate) async fn sees_saga(&self, order_id: Uuid, status: &str) -> Value {
        let what = format!("the saga to be {status}");
        eventually(WITHIN, &what, async || {
            let answer = self.client.get(&format!("/api/v1/order/{order_id}/saga")).await;
            assert_eq!(answer.status, 200, "{answer:?}");
            (answer.body["status"] == status).then_some(answer.body)
        })
        .await
    }
}

pub(crate) fn order_id(answer: &Answer) -> Uuid {
    answer.body["order_id"].as_str().and_then(|id| id.parse().ok()).unwrap_or_else(|| panic!("{answer:?}"))
}

pub(crate) fn items(items: &[(Uuid, i64)]) -> Value {
    let item =
        |&(position_id, quantity): &(Uuid, i64)| json!({ "position_id": position_id, "quantity": quantity });
    json!({ "items": items.iter().map(item).collect::<Vec<_>>() })
}

pub(crate) fn price(units: i64) -> Value {
    json!({ "price": units })
}

/// Items, and what they are expected to cost.
pub(crate) fn both(ordered: &[(Uuid, i64)], units: i64) -> Value {
    let mut body = items(ordered);
    body["price"] = units.into();
    body
}

pub(crate) fn header<'a>(answer: &'a Answer, name: &str) -> Option<&'a str> {
    answer.headers.get(name).map(|value| value.to_str().unwrap())
}
