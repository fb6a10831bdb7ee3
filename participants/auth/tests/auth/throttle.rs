//! Logins that fail: how many may, from where, and that nobody can lock another out.

use futures::future::join_all;
use sea_orm::ConnectionTrait;
use serde_json::json;
use testkit::{Answer, Process, TestBed, eventually};

use crate::desk::{Ann, LOGIN, SOON, cheap_bed, number};

const THROTTLED: (u16, &str) = (429, "too_many_failures");
const WRONG: (u16, &str) = (401, "invalid_credentials");

/// A bed whose replicas believe what is said of the client's address.
async fn proxied_bed() -> TestBed {
    let mut bed = cheap_bed().await;
    bed.config.http.trusted_proxies = vec!["127.0.0.0/8".parse().unwrap()];
    bed
}

async fn login_from(auth: &Process, address: &str, email: &str, password: &str) -> Answer {
    let client = auth.anybody();
    let request = client.request("POST".parse().unwrap(), LOGIN).header("x-forwarded-for", address);
    client.send(request.json(&json!({ "email": email, "password": password }))).await
}

async fn fails(auth: &Process, address: &str, email: &str, times: usize) {
    for _ in 0..times {
        assert_eq!(login_from(auth, address, email, "wrong horse").await.problem(), WRONG);
    }
}

#[tokio::test]
async fn after_ten_failures_an_account_is_throttled_from_that_address_and_from_no_other() {
    let bed = proxied_bed().await;
    let (auth, replica) = (bed.run(auth::start).await, bed.run(auth::start).await);
    Ann::registers(&auth).await;
    let (ann, here, elsewhere) = ("ann@example.com", "192.0.2.1", "192.0.2.2");
    fails(&auth, here, ann, 10).await;
    // The right password, too, and in another replica: nothing may be learned any more.
    for (process, email) in [(&auth, ann), (&replica, " ANN@example.com")] {
        let answer = login_from(process, here, email, "correct horse").await;
        assert_eq!(answer.problem(), THROTTLED);
        let wait: u64 = answer.headers["retry-after"].to_str().unwrap().parse().unwrap();
        assert!((800..=900).contains(&wait), "{wait}");
    }
    assert_eq!(login_from(&auth, elsewhere, ann, "correct horse").await.status, 200);
    assert_eq!(login_from(&auth, here, "bob@example.com", "any").await.problem(), WRONG);
}

#[tokio::test]
async fn an_account_that_does_not_exist_is_throttled_like_one_that_does() {
    let bed = proxied_bed().await;
    let auth = bed.run(auth::start).await;
    for nobody in ["nobody@example.com", "no e-mail at all"] {
        fails(&auth, "192.0.2.1", nobody, 10).await;
        assert_eq!(login_from(&auth, "192.0.2.1", nobody, "any").await.problem(), THROTTLED);
    }
}

#[tokio::test]
async fn logins_that_succeed_count_for_nothing() {
    let bed = proxied_bed().await;
    let auth = bed.run(auth::start).await;
    Ann::registers(&auth).await;
    let (ann, here) = ("ann@example.com", "192.0.2.1");
    fails(&auth, here, ann, 9).await;
    for _ in 0..12 {
        assert_eq!(login_from(&auth, here, ann, "correct horse").await.status, 200);
    }
    fails(&auth, here, ann, 1).await;
    assert_eq!(login_from(&auth, here, ann, "correct horse").await.problem(), THROTTLED);
}

#[tokio::test]
async fn failures_at_once_are_no_more_than_failures_one_after_the_other() {
    let bed = proxied_bed().await;
    let replicas = [bed.run(auth::start).await, bed.run(auth::start).await];
    let wrong =
        |number: usize| login_from(&replicas[number % 2], "192.0.2.1", "ann@example.com", "wrong horse");
    let answers = join_all((0..40).map(wrong)).await;
    let told = |expected| answers.iter().filter(|answer| answer.problem() == expected).count();
    assert_eq!((told(WRONG), told(THROTTLED)), (10, 30), "{answers:?}");
}

#[tokio::test]
async fn a_failure_counts_for_a_quarter_of_an_hour_and_then_leaves() {
    let bed = proxied_bed().await;
    let auth = bed.run(auth::start).await;
    Ann::registers(&auth).await;
    let (ann, here) = ("ann@example.com", "192.0.2.1");
    fails(&auth, here, ann, 10).await;
    let age = "UPDATE login_failures SET last_failed_at = last_failed_at - interval '15 min', \
        failed_at = ARRAY(SELECT at - interval '15 min' FROM unnest(failed_at) AS at)";
    bed.db.execute_unprepared(age).await.unwrap();
    fails(&auth, here, ann, 10).await;
    assert_eq!(login_from(&auth, here, ann, "correct horse").await.problem(), THROTTLED);
    bed.db.execute_unprepared(age).await.unwrap();
    assert_eq!(login_from(&auth, here, ann, "correct horse").await.status, 200);
    let _replica = bed.run(auth::start).await;
    let left = async || (number(&bed, "SELECT count(*) FROM login_failures").await == 0).then_some(());
    eventually(SOON, "old failures to leave", left).await;
}

#[tokio::test]
async fn an_address_may_fail_for_a_hundred_accounts_and_others_go_on() {
    let bed = proxied_bed().await;
    let auth = bed.run(auth::start).await;
    Ann::registers(&auth).await;
    for number in 0..100 {
        fails(&auth, "192.0.2.1", &format!("nobody-{number}@example.com"), 1).await;
    }
    let answer = login_from(&auth, "192.0.2.1", "ann@example.com", "correct horse").await;
    assert_eq!(answer.problem(), THROTTLED);
    assert!(answer.headers.contains_key("retry-after"));
    assert_eq!(login_from(&auth, "192.0.2.2", "ann@example.com", "correct horse").await.status, 200);
}

#[tokio::test]
async fn who_is_no_trusted_proxy_cannot_say_that_it_is_another_address() {
    let bed = cheap_bed().await;
    let auth = bed.run(auth::start).await;
    for number in 0..10 {
        fails(&auth, &format!("192.0.2.{number}"), "ann@example.com", 1).await;
    }
    assert_eq!(login_from(&auth, "192.0.2.99", "ann@example.com", "any").await.problem(), THROTTLED);
}
