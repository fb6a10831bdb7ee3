//! A session that ends in auth's process ends in every other one.

use std::time::{Duration, Instant};

use reqwest::Method;
use serde_json::{Value, json};
use testkit::eventually;

use super::processes::System;

const WITHIN: Duration = Duration::from_secs(20);
const ACCOUNT: &str = "/api/v1/account";

/// Somebody's access token.
async fn log_in(system: &System, who: &Value) -> String {
    let session = system.public_client("front", None).post("/api/v1/login", who).await;
    session.body["access_token"].as_str().unwrap_or_else(|| panic!("{session:?}")).to_owned()
}

async fn log_out(system: &System, token: &str) {
    let client = system.public_client("front", Some(token.to_owned()));
    assert_eq!(client.send(client.request(Method::POST, "/api/v1/logout")).await.status, 204);
}

/// What billing says to the bearer of this token.
async fn billing_answers(system: &System, token: &str) -> u16 {
    system.public_client("billing", Some(token.to_owned())).get(ACCOUNT).await.status
}

#[tokio::test]
async fn who_logs_out_is_refused_by_other_processes_also_by_those_that_start_later() {
    let mut system = System::start(&[("front", &["auth", "user"]), ("billing", &["billing"])]).await;
    let who = json!({ "email": "ann@example.com", "password": "correct horse" });
    assert_eq!(system.public_client("front", None).post("/api/v1/register", &who).await.status, 201);
    let (first, second) = (log_in(&system, &who).await, log_in(&system, &who).await);
    assert_eq!(billing_answers(&system, &first).await, 200);

    log_out(&system, &first).await;
    let began = Instant::now();
    let refused = async || (billing_answers(&system, &first).await == 401).then_some(());
    eventually(WITHIN, "billing to refuse the token", refused).await;
    assert!(began.elapsed() < Duration::from_secs(1), "{:?}", began.elapsed());
    assert_eq!(billing_answers(&system, &second).await, 200, "another session goes on");

    // The stream is lost: auth fills it again before a process that starts is ready.
    testkit::delete_stream(&system.nats.url(), "SESSIONS").await;
    system.kill("billing").await;
    system.restart("billing", &[]).await;
    assert_eq!(billing_answers(&system, &first).await, 401);
    assert_eq!(billing_answers(&system, &second).await, 200);
}
