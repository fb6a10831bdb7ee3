//! Customers who put money in and out, order, cancel, look and receive, all through the gateway, and write down what
//! they are told. Each has an account to itself, so it knows what must be on it.

use std::sync::Arc;
use std::sync::atomic::{AtomicI64, Ordering};
use std::time::Duration;

use anyhow::bail;
use chrono::{Days, Utc};
use rand::RngExt;
use rand::seq::IndexedRandom;
use reqwest::RequestBuilder;
use serde_json::{Value, json};
use service::token::Role;
use tokio_util::sync::CancellationToken;
use uuid::Uuid;

use super::client::{Answer, Asker, Heard, ask, insist};
use super::records::{Outcome, Payment, Placed, Records, Status};
use super::system::System;

/// What every customer begins with, in minor units.
const FIRST_DEPOSIT: i64 = 50_000_000;
/// What one piece of anything costs, in minor units.
const PRICE: i64 = 1_000;
/// So many pieces nobody can pay. All else everybody can, always: deposits bring more than is spent.
const TOO_MANY: i64 = 1_000_000;
/// Pieces of every position: never sold out, also with every customer's too many.
pub(super) const AVAILABLE: i64 = 1_000_000_000_000;
/// Other deposits and withdrawals begin here; each is one more than the one before.
const DEPOSITS_FROM: i64 = 100_000;
const WITHDRAWALS_FROM: i64 = 1_000;
/// A customer thinks about what to do next.
const THINKS_MS: std::ops::Range<u64> = 20..400;

/// What all customers share.
pub(super) struct Shop {
    pub(super) system: Arc<System>,
    pub(super) records: Arc<Records>,
    pub(super) positions: Vec<Uuid>,
    /// One more, which is not ordered by chance.
    pub(super) cursed: Uuid,
    courier: Asker,
    next: AtomicI64,
}

impl Shop {
    /// Puts positions in stock.
    pub(super) async fn open(
        system: Arc<System>,
        records: Arc<Records>,
        positions: usize,
    ) -> anyhow::Result<Self> {
        let operator = Asker::new(&system, Uuid::now_v7(), Some(Role::Operator))?;
        let positions: Vec<Uuid> = (0..positions).map(|_| Uuid::now_v7()).collect();
        for position in &positions {
            let url = format!("{}/internal/api/v1/stock/position/{position}", system.internal_url("stock"));
            let body = json!({"name": "Thing", "price": PRICE, "available": AVAILABLE});
            match ask(operator.put(&url, &body)).await {
                Some(answer) if answer.status < 300 => {}
                answer => bail!("a position cannot be put in stock: {answer:?}"),
            }
        }
        let courier = Asker::new(&system, Uuid::now_v7(), Some(Role::Courier))?;
        let [cursed, positions @ ..] = &positions[..] else { bail!("no position") };
        let (cursed, positions) = (*cursed, positions.to_vec());
        Ok(Self { system, records, positions, cursed, courier, next: AtomicI64::new(0) })
    }

    fn number(&self) -> i64 {
        self.next.fetch_add(1, Ordering::Relaxed)
    }
}

/// What a customer can do next.
#[derive(Clone, Copy)]
enum Wish {
    Deposit,
    Withdraw,
    Order,
    Cancel,
    Look,
    Send,
    Receive,
}

/// Of each so often.
const WISHES: [(Wish, u32); 7] = [
    (Wish::Deposit, 15),
    (Wish::Withdraw, 10),
    (Wish::Order, 40),
    (Wish::Cancel, 8),
    (Wish::Look, 15),
    (Wish::Send, 7),
    (Wish::Receive, 5),
];

/// Somebody with an account.
pub(super) struct Customer {
    pub(super) shop: Arc<Shop>,
    pub(super) asker: Asker,
    /// Those whose ids it knows: what was ordered, and whether there is something to deliver.
    orders: Vec<(Uuid, bool)>,
}

impl Customer {
    /// A new one, with money.
    pub(super) async fn new(shop: &Arc<Shop>) -> anyhow::Result<Self> {
        let asker = Asker::new(&shop.system, Uuid::now_v7(), None)?;
        let customer = Self { shop: Arc::clone(shop), asker, orders: Vec::new() };
        let amount = FIRST_DEPOSIT + shop.number();
        let outcome =
            customer.pay("deposit", "/api/v1/account", amount, true, &CancellationToken::new()).await;
        if outcome != Outcome::Done {
            bail!("a first deposit is not accepted");
        }
        Ok(customer)
    }

    /// One wish after the other, until told to stop.
    pub(super) async fn live(&mut self, stop: &CancellationToken) {
        while !stop.is_cancelled() {
            let wish = WISHES
                .choose_weighted(&mut rand::rng(), |(_, weight)| *weight)
                .map_or(Wish::Look, |one| one.0);
            match wish {
                Wish::Deposit => {
                    let amount = DEPOSITS_FROM + self.shop.number();
                    self.pay("deposit", "/api/v1/account", amount, insistent(), stop).await;
                }
                Wish::Withdraw => {
                    let amount = WITHDRAWALS_FROM + self.shop.number();
                    self.pay("withdrawal", "/api/v1/account/withdraw", amount, insistent(), stop).await;
                }
                Wish::Order => self.order(some_goods(&self.shop.positions), stop).await,
                Wish::Cancel => self.cancel(stop).await,
                Wish::Look => self.look().await,
                Wish::Send => self.move_on("order sent", "/api/v1/order/sent", Status::Sent, stop).await,
                Wish::Receive => {
                    self.move_on("order received", "/api/v1/order/received", Status::Received, stop).await;
                }
            }
            let thinks = Duration::from_millis(rand::rng().random_range(THINKS_MS));
            stop.run_until_cancelled(tokio::time::sleep(thinks)).await;
        }
    }

    fn url(&self, path: &str) -> String {
        format!("{}{path}", self.shop.system.public_url)
    }

    fn keyed(&self, path: &str, body: &Value) -> RequestBuilder {
        self.asker.post(&self.url(path), body).header("idempotency-key", Uuid::now_v7().to_string())
    }

    async fn pay(
        &self,
        kind: &'static str,
        path: &str,
        amount: i64,
        insistent: bool,
        stop: &CancellationToken,
    ) -> Outcome {
        let request = self.keyed(path, &json!({ "amount": amount }));
        let Heard { outcome, answer } = insist(kind, request, insistent, &self.shop.records, stop).await;
        if let Some(answer) = answer.filter(|answer| (400..500).contains(&answer.status)) {
            self.shop.records.violation(format!("a {kind} of {amount} was declined: {answer:?}"));
        }
        let payment = Payment { user_id: self.asker.user_id, kind, amount, outcome };
        self.shop.records.book().payments.push(payment);
        outcome
    }

    /// Orders goods that cost so much.
    pub(super) async fn order(&mut self, goods: Goods, stop: &CancellationToken) {
        let Goods { mut body, total, affordable } = goods;
        let marker = format!("chaos {}", self.shop.number());
        body["comment"] = marker.clone().into();
        let has_items = body.get("items").is_some();
        let slot = body["delivery"]["slot"].as_str().map(str::to_owned);
        let wait =
            ["wait=3", "wait=1", "respond-async"].choose(&mut rand::rng()).copied().unwrap_or("wait=3");
        let request = self.keyed("/api/v1/order", &body).header("prefer", wait);
        let Heard { mut outcome, answer } =
            insist("order", request, insistent(), &self.shop.records, stop).await;
        let order_id = answer.as_ref().and_then(|answer| answer.id("order_id"));
        if order_id.is_some() && outcome == Outcome::Unknown {
            // With the same key it is the same order, and that was rejected.
            outcome = Outcome::Declined;
        }
        let told = answer.as_ref().and_then(|answer| status_of(answer, outcome));
        if let (Some(answer), Outcome::Declined, None) = (&answer, outcome, order_id) {
            self.shop.records.violation(format!("a good order was declined: {answer:?}"));
        }
        let user_id = self.asker.user_id;
        let placed = Placed { marker, user_id, total, affordable, slot, outcome, order_id, told: None };
        self.shop.records.book().place(placed);
        if let Some(order_id) = order_id {
            self.orders.push((order_id, has_items));
            if let Some(told) = told {
                self.shop.records.told(order_id, told);
            }
        }
    }

    fn any_order(&self) -> Option<(Uuid, bool)> {
        let recent = self.orders.len().saturating_sub(20);
        self.orders[recent..].choose(&mut rand::rng()).copied()
    }

    async fn cancel(&self, stop: &CancellationToken) {
        let Some((order_id, _)) = self.any_order() else { return };
        self.shop.records.wants_to_cancel(order_id);
        let url = self.url(&format!("/api/v1/order/{order_id}/cancel"));
        let request = self.asker.post(&url, &Value::Null).header("prefer", "wait=3");
        let Heard { answer, .. } = insist("cancel", request, insistent(), &self.shop.records, stop).await;
        if answer.is_some_and(|answer| answer.status == 200) {
            self.shop.records.told(order_id, Status::Cancelled);
        }
    }

    async fn look(&self) {
        let Some((order_id, _)) = self.any_order() else { return };
        let stop = CancellationToken::new();
        let request = self.asker.get(&self.url(&format!("/api/v1/order/{order_id}")));
        let heard = insist("look", request, false, &self.shop.records, &stop).await;
        let Some(answer) = heard.answer else { return };
        match answer.status {
            200 => {
                if let Some(status) = answer.body["status"].as_str().and_then(Status::parse) {
                    self.shop.records.told(order_id, status);
                }
            }
            404 => self.shop.records.violation(format!("the accepted order {order_id} is not there")),
            _ => {}
        }
    }

    /// A courier, or the customer, says how far an order has come.
    async fn move_on(&self, kind: &'static str, path: &str, to: Status, stop: &CancellationToken) {
        let Some((order_id, true)) = self.any_order() else { return };
        let request = self.shop.courier.post(&self.url(path), &json!({ "order_id": order_id }));
        let heard = insist(kind, request, insistent(), &self.shop.records, stop).await;
        // The order itself hears of it later, so it is not told here: the auditor looks whether it did.
        if heard.outcome == Outcome::Done {
            self.shop.records.book().moved.insert((order_id, to));
        }
    }
}

/// Most clients ask again, some give up.
fn insistent() -> bool {
    rand::rng().random_bool(0.7)
}

fn status_of(answer: &Answer, outcome: Outcome) -> Option<Status> {
    match outcome {
        Outcome::Done => Status::parse(answer.body["status"].as_str()?),
        Outcome::Declined if answer.code() == "cancelled" => Some(Status::Cancelled),
        Outcome::Declined => Some(Status::Rejected),
        Outcome::NotDone | Outcome::Unknown => None,
    }
}

/// Goods to order.
pub(super) struct Goods {
    /// As the API takes them.
    body: Value,
    /// What they cost, in minor units.
    total: i64,
    /// Whether their customer can pay that.
    affordable: bool,
}

fn some_goods(positions: &[Uuid]) -> Goods {
    let mut rng = rand::rng();
    if rng.random_bool(0.25) {
        let price = rng.random_range(100..2_000);
        return Goods { body: json!({ "price": price }), total: price, affordable: true };
    }
    let many: Vec<Uuid> = positions.sample(&mut rng, 2).copied().collect();
    let quantity = if rng.random_bool(0.15) { TOO_MANY } else { rng.random_range(1..4) };
    let item = |position: &Uuid| json!({ "position_id": position, "quantity": quantity });
    let items: Vec<Value> = many.iter().take(rng.random_range(1..=2)).map(item).collect();
    let total = PRICE * quantity * i64::try_from(items.len()).unwrap_or(1);
    let mut body = json!({ "items": items });
    match rng.random_range(0..3) {
        0 => body["delivery"] = json!({ "address": "1 Main Street", "slot": some_slot() }),
        1 => body["price"] = total.into(),
        _ => {}
    }
    Goods { body, total, affordable: quantity != TOO_MANY }
}

/// A full hour of one of the weeks to come.
fn some_slot() -> String {
    let mut rng = rand::rng();
    let day = Utc::now().date_naive() + Days::new(rng.random_range(2..28));
    format!("{day}T{:02}:00:00Z", rng.random_range(0..24))
}

/// One piece.
pub(super) fn one_of(position: Uuid) -> Goods {
    let body = json!({ "items": [{ "position_id": position, "quantity": 1 }] });
    Goods { body, total: PRICE, affordable: true }
}
