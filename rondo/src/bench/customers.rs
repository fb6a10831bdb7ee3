//! Who orders what: users with tokens and money, and positions in stock, all made through the API.

use std::collections::BTreeMap;
use std::time::{Duration, Instant};

use anyhow::{Context, bail};
use futures::{StreamExt, TryStreamExt, stream};
use hyper::body::Bytes;
use hyper::header::HeaderValue;
use reqwest::Client;
use serde::Deserialize;
use serde_json::json;
use uuid::Uuid;

use super::BenchArguments;
use super::progress::Progress;
use super::system::System;

/// What each customer has, in minor units: enough for the 50 million orders that the longest run can have of one.
const DEPOSIT: i64 = 50_000_000_000;
/// What one piece costs, in minor units.
const PRICE: i64 = 1_000;
/// So many pieces cost more than a customer has.
const TOO_MANY: i64 = DEPOSIT / PRICE + 1;
/// Pieces of each position: never sold out, also with every client's too many.
const AVAILABLE: i64 = 1_000_000_000_000;
const PASSWORD: &str = "bench-password";
/// Users made at the same time.
const AT_ONCE: usize = 8;
/// A token is renewed when it lasts no longer than this.
const RENEW_BEFORE: Duration = Duration::from_secs(30);

/// Customers and what they can order.
pub(super) struct Market {
    pub(super) customers: Vec<Customer>,
    pub(super) positions: Vec<Position>,
}

/// A registered user.
#[derive(Debug, Clone)]
pub(super) struct Customer {
    user_id: Uuid,
    email: String,
    /// `Bearer ...`, ready to be sent.
    pub(super) authorization: HeaderValue,
    expires_at: Instant,
}

/// A position with its two orders, ready to be sent.
#[derive(Debug, Clone)]
pub(super) struct Position {
    position_id: Uuid,
    /// Of one piece.
    pub(super) order: Bytes,
    /// Of more than anybody can pay.
    pub(super) too_expensive: Bytes,
}

#[derive(Deserialize)]
struct Registered {
    user_id: Uuid,
}

/// What a login gives.
#[derive(Deserialize)]
pub(super) struct Session {
    pub(super) access_token: String,
    expires_in: u64,
}

impl Market {
    /// Makes everything; as many customers as the most clients of a run.
    pub(super) async fn open(
        arguments: &BenchArguments,
        system: &System,
        progress: &Progress,
    ) -> anyhow::Result<Self> {
        let users = arguments.customers();
        let step = progress.step(format!("putting {} positions in stock", arguments.positions));
        let positions = positions(arguments.positions, system).await?;
        step.done();
        let step = progress.steps(format!("registering {users} users with money"), users.into());
        let batch = Uuid::now_v7().simple();
        let customers = stream::iter(0..users)
            .map(|number| Customer::register(format!("bench-{batch}-{number}@example.com"), system))
            .buffer_unordered(AT_ONCE)
            .inspect_ok({
                let mut made = 0;
                let step = &step;
                move |_| {
                    made += 1;
                    step.at(made);
                }
            })
            .try_collect()
            .await?;
        step.done();
        Ok(Self { customers, positions })
    }

    /// What was put in stock.
    pub(super) fn put_in_stock(&self) -> BTreeMap<Uuid, i64> {
        self.positions.iter().map(|position| (position.position_id, AVAILABLE)).collect()
    }

    /// What was put on accounts.
    pub(super) fn deposited(&self) -> impl Iterator<Item = (Uuid, i64)> {
        self.customers.iter().map(|customer| (customer.user_id, DEPOSIT))
    }
}

async fn positions(count: u32, system: &System) -> anyhow::Result<Vec<Position>> {
    let token = system.operator_token().await.context("the operator")?;
    let mut positions = Vec::new();
    for number in 0..count {
        let position_id = Uuid::now_v7();
        let url = format!("{}/internal/api/v1/stock/position/{position_id}", system.internal_url());
        let body = json!({"name": format!("Bench {number}"), "price": PRICE, "available": AVAILABLE});
        let put = system.client.put(url).bearer_auth(&token).json(&body).send().await?;
        if !put.status().is_success() {
            bail!("a position cannot be put in stock: {}", put.text().await?);
        }
        positions.push(Position::new(position_id));
    }
    Ok(positions)
}

impl Position {
    fn new(position_id: Uuid) -> Self {
        let order = |quantity: i64| {
            Bytes::from(json!({"items": [{"position_id": position_id, "quantity": quantity}]}).to_string())
        };
        Self { position_id, order: order(1), too_expensive: order(TOO_MANY) }
    }
}

impl Customer {
    async fn register(email: String, system: &System) -> anyhow::Result<Self> {
        let (client, base_url) = (&system.client, system.base_url());
        let body = json!({"email": email, "password": PASSWORD, "name": "Bench"});
        let registered = client.post(format!("{base_url}/api/v1/register")).json(&body).send().await?;
        if registered.status().as_u16() != 201 {
            bail!("a user cannot be registered: {}", registered.text().await?);
        }
        let Registered { user_id } = registered.json().await?;
        let mut customer =
            Self { user_id, email, authorization: HeaderValue::from_static(""), expires_at: Instant::now() };
        customer.log_in(client, base_url).await?;
        let deposit = client.post(format!("{base_url}/api/v1/account"));
        let deposit =
            deposit.header("authorization", &customer.authorization).json(&json!({"amount": DEPOSIT}));
        let deposited = deposit.send().await?;
        if deposited.status().as_u16() != 200 {
            bail!("money cannot be deposited: {}", deposited.text().await?);
        }
        Ok(customer)
    }

    /// Whether the token ends soon.
    pub(super) fn is_expiring(&self) -> bool {
        self.expires_before(Instant::now())
    }

    /// Whether the token ends before that, or soon after.
    pub(super) fn expires_before(&self, when: Instant) -> bool {
        when + RENEW_BEFORE > self.expires_at
    }

    /// Gets a new token.
    pub(super) async fn log_in(&mut self, client: &Client, base_url: &str) -> anyhow::Result<()> {
        let session = log_in(client, base_url, &self.email, PASSWORD).await?;
        self.authorization = HeaderValue::from_str(&format!("Bearer {}", session.access_token))?;
        self.expires_at = Instant::now() + Duration::from_secs(session.expires_in);
        Ok(())
    }
}

/// Logs a user in.
pub(super) async fn log_in(
    client: &Client,
    base_url: &str,
    email: &str,
    password: &str,
) -> anyhow::Result<Session> {
    let body = json!({"email": email, "password": password});
    let answer = client.post(format!("{base_url}/api/v1/login")).json(&body).send().await?;
    if answer.status().as_u16() != 200 {
        bail!("{email} cannot log in: {}", answer.text().await?);
    }
    Ok(answer.json().await?)
}
