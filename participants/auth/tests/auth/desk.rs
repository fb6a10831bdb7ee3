//! What these tests begin with: a bed with cheap passwords, and somebody who is registered.

use std::time::Duration;

use sea_orm::{DatabaseBackend, Statement};
use serde_json::{Value, json};
use service::House;
use service::token::TokenError;
use testkit::{Answer, Process, TestBed, eventually};
use uuid::Uuid;

pub(crate) const LOGIN: &str = "/api/v1/login";
pub(crate) const LOGOUT: &str = "/api/v1/logout";
pub(crate) const REFRESH: &str = "/api/v1/token/refresh";
pub(crate) const REGISTER: &str = "/internal/api/v1/register";
pub(crate) const CHECK: &str = "/internal/api/v1/auth";
pub(crate) const SOON: Duration = Duration::from_secs(10);

const PASSWORD: &str = "correct horse";

pub(crate) async fn bed() -> TestBed {
    let mut bed = TestBed::start::<migrations::auth::Migrator>(&[auth::work()]).await;
    // Cheap, but dear enough to be told from a database round trip.
    bed.config.security.argon2_memory_kib = 8 * 1024;
    bed
}

/// A bed for tests that log in often.
pub(crate) async fn cheap_bed() -> TestBed {
    let mut bed = bed().await;
    bed.config.security.argon2_memory_kib = 64;
    bed.config.security.argon2_passes = 1;
    bed
}

pub(crate) fn registration(user_id: Uuid, email: &str, password: &str) -> Value {
    json!({ "user_id": user_id, "email": email, "password": password })
}

pub(crate) async fn register(auth: &Process, body: &Value) -> Answer {
    auth.service("user").post(REGISTER, body).await
}

pub(crate) async fn login(auth: &Process, email: &str, password: &str) -> Answer {
    auth.anybody().post(LOGIN, &json!({ "email": email, "password": password })).await
}

pub(crate) async fn refresh(auth: &Process, refresh_token: &str) -> Answer {
    auth.anybody().post(REFRESH, &json!({ "refresh_token": refresh_token })).await
}

/// Somebody who is registered.
pub(crate) struct Ann {
    pub(crate) user_id: Uuid,
    email: String,
}

/// The tokens of a session.
#[derive(Debug, Clone)]
pub(crate) struct Tokens {
    pub(crate) access: String,
    pub(crate) refresh: String,
}

impl Tokens {
    pub(crate) fn of(answer: &Answer) -> Self {
        assert_eq!(answer.status, 200, "{answer:?}");
        let text = |member: &str| answer.body[member].as_str().unwrap().to_owned();
        Self { access: text("access_token"), refresh: text("refresh_token") }
    }

    pub(crate) async fn refreshed(&self, auth: &Process) -> Self {
        Self::of(&refresh(auth, &self.refresh).await)
    }

    pub(crate) async fn log_out(&self, auth: &Process) {
        let client = auth.with_token(&self.access);
        let answer = client.send(client.request("POST".parse().unwrap(), LOGOUT)).await;
        assert_eq!((answer.status, &answer.body), (204, &Value::Null));
    }

    /// Waits until this process refuses the access token.
    pub(crate) async fn are_refused_by(&self, house: &House) {
        let refused = async || match house.tokens.verify(&self.access).await {
            Err(TokenError::Revoked) => Some(()),
            Err(error) => panic!("{error}"),
            Ok(_) => None,
        };
        eventually(SOON, "the token to be refused", refused).await;
    }

    /// Asserts that this process takes the access token.
    pub(crate) async fn are_taken_by(&self, house: &House) {
        assert!(house.tokens.verify(&self.access).await.is_ok());
    }
}

impl Ann {
    pub(crate) async fn registers(auth: &Process) -> Self {
        Self::registers_as(auth, "ann@example.com").await
    }

    pub(crate) async fn registers_as(auth: &Process, email: &str) -> Self {
        let user_id = Uuid::now_v7();
        assert_eq!(register(auth, &registration(user_id, email, PASSWORD)).await.status, 201);
        Self { user_id, email: email.to_owned() }
    }

    pub(crate) async fn logs_in(&self, auth: &Process) -> Tokens {
        Tokens::of(&login(auth, &self.email, PASSWORD).await)
    }

    pub(crate) async fn gets_roles(&self, auth: &Process, roles: &[&str]) {
        let path = format!("/internal/api/v1/user/{}/roles", self.user_id);
        let answer = auth.operator().put(&path, &json!({ "roles": roles })).await;
        let expected = json!({ "user_id": self.user_id, "roles": roles });
        assert_eq!((answer.status, &answer.body), (200, &expected));
    }
}

/// A number out of auth's database.
pub(crate) async fn number(bed: &TestBed, sql: &str) -> i64 {
    use sea_orm::ConnectionTrait;
    let row = bed.db.query_one_raw(Statement::from_string(DatabaseBackend::Postgres, sql)).await.unwrap();
    row.unwrap().try_get_by_index(0).unwrap()
}

/// Another process, of no service: it holds the same key and hears what auth tells.
pub(crate) async fn other_house(bed: &TestBed) -> House {
    let house = House::build(bed.config.clone(), "auth").await.unwrap();
    is_ready(&house).await;
    house
}

/// Waits until a process knows every revocation.
pub(crate) async fn is_ready(house: &House) {
    let revocations = house.tokens.revocations().clone();
    eventually(SOON, "every revocation to be read", async || revocations.are_read().then_some(())).await;
}
