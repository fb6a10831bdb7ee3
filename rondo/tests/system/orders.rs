//! Customers who order, and what must be true of all their orders in the end.

use std::time::Duration;

use reqwest::Method;
use serde_json::{Value, json};
use testkit::eventually;
use uuid::Uuid;

use super::crowd::Book;
use super::deliveries;
use super::processes::System;

/// What a customer of these tests has, in minor units.
pub(crate) const DEPOSIT: i64 = 1_000_000;
/// What one item costs.
pub(crate) const PRICE: i64 = 100;
/// How much of a position there is.
pub(crate) const AVAILABLE: i64 = 100_000;
/// How long everything accepted may take to its end once nothing is in its way.
pub(crate) const END_WITHIN: Duration = Duration::from_secs(90);

/// Customers, positions, and the orders that were accepted.
pub(crate) struct Shop {
    pub(crate) customers: Vec<Uuid>,
    pub(crate) positions: Vec<Uuid>,
    pub(crate) accepted: Vec<Uuid>,
}

impl Shop {
    /// Puts positions in stock and money on accounts.
    pub(crate) async fn open(system: &System, customers: usize, positions: usize) -> Self {
        let operator = system.operator("stock");
        let shop = Self {
            customers: (0..customers).map(|_| Uuid::now_v7()).collect(),
            positions: (0..positions).map(|_| Uuid::now_v7()).collect(),
            accepted: Vec::new(),
        };
        for position in &shop.positions {
            let body = json!({"name": "Thing", "price": PRICE, "available": AVAILABLE});
            let answer = operator.put(&format!("/internal/api/v1/stock/position/{position}"), &body).await;
            assert!(answer.status < 300, "{answer:?}");
        }
        for customer in &shop.customers {
            shop.deposit(system, *customer, DEPOSIT).await;
        }
        shop
    }

    /// Money on an account.
    pub(crate) async fn deposit(&self, system: &System, customer: Uuid, amount: i64) {
        let answer =
            system.client("billing", customer).post("/api/v1/account", &json!({"amount": amount})).await;
        assert_eq!(answer.status, 200, "{answer:?}");
    }

    /// Places orders at once, without waiting for decisions; every fifth is too expensive and will be
    /// undone after its stock was reserved. Every second wants a courier, in one of a few hours.
    pub(crate) async fn place(&mut self, system: &System, through: &str, orders: usize) {
        let placing = (0..orders).map(|index| {
            let customer = self.customers[index % self.customers.len()];
            let position = self.positions[index % self.positions.len()];
            let quantity = if index % 5 == 4 { 2 * DEPOSIT / PRICE } else { 1 };
            let items = json!([{ "position_id": position, "quantity": quantity }]);
            let body = match index % 2 {
                0 => json!({ "items": items, "delivery": { "address": "Omsk", "slot": slot(index) } }),
                _ => json!({ "items": items }),
            };
            place_one(system, through, customer, body)
        });
        let placed = futures::future::join_all(placing).await;
        self.accepted.extend(placed.into_iter().flatten());
    }

    /// Everything that a crowd was told is so, every order has reached its end, and the books of all services agree.
    pub(crate) async fn agrees_with(&self, system: &System, book: &Book) {
        eventually(END_WITHIN, "every order to reach its end", async || {
            let open = "SELECT count(*) FROM sagas WHERE finished_at IS NULL";
            (system.number("orchestrator", open).await == 0).then_some(())
        })
        .await;
        let pending = "SELECT count(*) FROM orders WHERE status = 'pending'";
        assert_eq!(system.number("orchestrator", pending).await, 0, "no order is left undecided");
        eventually(END_WITHIN, "every confirmed order's items to be sold", async || {
            (system.number("stock", "SELECT sum(reserved)::bigint FROM positions").await == 0).then_some(())
        })
        .await;
        let deposited = |customer: &Uuid| DEPOSIT + book.deposited.get(customer).copied().unwrap_or_default();
        let expected = audit::Expected {
            orders: book.told.clone(),
            put_in_stock: self.positions.iter().map(|position| (*position, AVAILABLE)).collect(),
            deposited: self.customers.iter().map(|customer| (*customer, deposited(customer))).collect(),
        };
        // The letters of the last orders are on their way.
        let clean = async || audit_against(system, &expected).await.is_clean().then_some(());
        if tokio::time::timeout(END_WITHIN, eventually(END_WITHIN * 2, "clean books", clean)).await.is_err() {
            panic!("{:#?}", audit_against(system, &expected).await);
        }
        let kept = system.number("orchestrator", "SELECT count(*) FROM orders").await;
        assert_eq!(usize::try_from(kept).unwrap(), book.told.len(), "orders that nobody was told of");
        assert_eq!(system.dead_letters().await, 0);
    }

    /// Everything accepted has reached its end, and the books of all services agree.
    pub(crate) async fn settled(&self, system: &System) {
        let ended = eventually(END_WITHIN, "every accepted order to reach its end", async || {
            let open = "SELECT count(*) FROM sagas WHERE finished_at IS NULL";
            (system.number("orchestrator", open).await == 0).then_some(())
        });
        ended.await;
        let pending = "SELECT count(*) FROM orders WHERE status = 'pending'";
        assert_eq!(system.number("orchestrator", pending).await, 0, "no order is left undecided");
        for order in &self.accepted {
            let kept = format!("SELECT count(*) FROM orders WHERE order_id = '{order}'");
            assert_eq!(system.number("orchestrator", &kept).await, 1, "the accepted order {order} is kept");
        }
        // The events about them are as safe as the orders themselves.
        eventually(END_WITHIN, "every confirmed order's items to be sold", async || {
            (system.number("stock", "SELECT sum(reserved)::bigint FROM positions").await == 0).then_some(())
        })
        .await;
        deliveries::agree(system).await;
        let report = audit(system).await;
        assert!(report.is_clean(), "{report:#?}");
    }
}

/// A full hour of one of the days to come.
fn slot(index: usize) -> String {
    let day = chrono::Utc::now().date_naive() + chrono::Days::new(2);
    format!("{day}T{:02}:00:00Z", index % 4 + 8)
}

/// One order through a process; its id if it was accepted. A process that dies meanwhile gives none.
async fn place_one(system: &System, through: &str, customer: Uuid, body: Value) -> Option<Uuid> {
    let client = system.client(through, customer);
    let request = client.request(Method::POST, "/api/v1/order").header("Prefer", "respond-async").json(&body);
    let answer = client.try_send(request).await?;
    let accepted = matches!(answer.status, 201 | 202);
    let order_id = answer.body["order_id"].as_str().and_then(|id| id.parse().ok());
    order_id.filter(|_| accepted || answer.status == 402)
}

/// The independent check over the databases.
pub(crate) async fn audit(system: &System) -> audit::Report {
    audit_against(system, &audit::Expected::default()).await
}

/// The same, and that all of this is there.
pub(crate) async fn audit_against(system: &System, expected: &audit::Expected) -> audit::Report {
    let urls = audit::DatabaseUrls {
        billing: system.postgres.url("rondo_billing"),
        stock: system.postgres.url("rondo_stock"),
        delivery: system.postgres.url("rondo_delivery"),
        orchestrator: system.postgres.url("rondo_orchestrator"),
        notification: system.postgres.url("rondo_notification"),
    };
    audit::audit_against(&urls, expected).await.unwrap()
}
