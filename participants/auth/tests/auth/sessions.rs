//! Refreshing and logging out.

use std::time::{Duration, Instant};

use futures::future::join_all;
use sea_orm::ConnectionTrait;
use serde_json::json;
use testkit::eventually;
use uuid::Uuid;

use crate::desk::{
    Ann, LOGOUT, REFRESH, SOON, Tokens, cheap_bed, login, number, other_house, refresh, register,
    registration,
};

const REFUSED: (u16, &str) = (401, "invalid_refresh_token");

#[tokio::test]
async fn a_session_goes_on_by_tokens_that_work_once_each() {
    let bed = cheap_bed().await;
    let auth = bed.run(auth::start).await;
    let ann = Ann::registers(&auth).await;
    let mut tokens = ann.logs_in(&auth).await;
    for _ in 0..5 {
        let answer = refresh(&auth, &tokens.refresh).await;
        assert_eq!((&answer.body["token_type"], &answer.body["expires_in"]), (&json!("Bearer"), &json!(300)));
        let next = Tokens::of(&answer);
        assert_ne!(next.refresh, tokens.refresh);
        next.are_taken_by(&auth.house).await;
        tokens = next;
    }
    assert_eq!(number(&bed, "SELECT count(*) FROM sessions").await, 1);
}

#[tokio::test]
async fn a_refresh_token_that_comes_twice_ends_the_session_for_both_who_have_it() {
    let bed = cheap_bed().await;
    let (auth, other) = (bed.run(auth::start).await, other_house(&bed).await);
    let ann = Ann::registers(&auth).await;
    let (first, elsewhere) = (ann.logs_in(&auth).await, ann.logs_in(&auth).await);
    let second = first.refreshed(&auth).await;
    let third = second.refreshed(&auth).await;
    // The first of three: it need not be the one of just before.
    assert_eq!(refresh(&auth, &first.refresh).await.problem(), REFUSED);
    for tokens in [&first, &second, &third] {
        assert_eq!(refresh(&auth, &tokens.refresh).await.problem(), REFUSED);
        tokens.are_refused_by(&auth.house).await;
        tokens.are_refused_by(&other).await;
    }
    // Another session of the same user has nothing to do with it.
    elsewhere.are_taken_by(&other).await;
    elsewhere.refreshed(&auth).await;
}

#[tokio::test]
async fn of_refreshes_at_once_with_one_token_one_wins_and_the_session_ends() {
    let bed = cheap_bed().await;
    let replicas = [bed.run(auth::start).await, bed.run(auth::start).await];
    let ann = Ann::registers(&replicas[0]).await;
    for _ in 0..5 {
        let tokens = ann.logs_in(&replicas[0]).await;
        let answers = join_all((0..6).map(|number| refresh(&replicas[number % 2], &tokens.refresh))).await;
        let (won, lost): (Vec<_>, Vec<_>) = answers.iter().partition(|answer| answer.status == 200);
        assert_eq!(won.len(), 1, "{answers:?}");
        assert!(lost.iter().all(|answer| answer.problem() == REFUSED), "{answers:?}");
        let won = Tokens::of(won[0]);
        for auth in &replicas {
            won.are_refused_by(&auth.house).await;
            assert_eq!(refresh(auth, &won.refresh).await.problem(), REFUSED);
        }
    }
}

#[tokio::test]
async fn a_refresh_token_of_nobody_is_refused_and_ends_no_session() {
    let bed = cheap_bed().await;
    let auth = bed.run(auth::start).await;
    let ann = Ann::registers(&auth).await;
    let tokens = ann.logs_in(&auth).await;
    let reversed: String = tokens.refresh.chars().rev().collect();
    for bad in ["no token", &"0".repeat(64), &reversed, &tokens.access[..100]] {
        let answer = refresh(&auth, bad).await;
        assert_eq!(answer.problem(), REFUSED, "{bad}");
    }
    for bad in [
        json!({}),
        json!({ "refresh_token": "" }),
        json!({ "refresh_token": "a".repeat(129) }),
        json!({ "refresh_token": tokens.refresh, "scope": "all" }),
    ] {
        assert_eq!(auth.anybody().post(REFRESH, &bad).await.problem(), (422, "validation_failed"), "{bad}");
    }
    tokens.refreshed(&auth).await;
}

#[tokio::test]
async fn a_session_that_is_over_is_not_refreshed_and_leaves() {
    let bed = cheap_bed().await;
    let auth = bed.run(auth::start).await;
    let ann = Ann::registers(&auth).await;
    let (over, live) = (ann.logs_in(&auth).await, ann.logs_in(&auth).await);
    let first = "(SELECT session_id FROM sessions ORDER BY session_id LIMIT 1)";
    let end = format!("UPDATE sessions SET expires_at = now() - interval '1 s' WHERE session_id = {first}");
    bed.db.execute_unprepared(&end).await.unwrap();
    assert_eq!(refresh(&auth, &over.refresh).await.problem(), REFUSED);
    // It was no theft: its last token works to its end.
    over.are_taken_by(&auth.house).await;
    let live = live.refreshed(&auth).await;

    // A process that starts looks first, and then every minute.
    let _replica = bed.run(auth::start).await;
    let left = async || (number(&bed, "SELECT count(*) FROM sessions").await == 1).then_some(());
    eventually(SOON, "the session to leave", left).await;
    live.refreshed(&auth).await;
}

#[tokio::test]
async fn who_logs_out_in_one_process_is_refused_by_all_within_a_second() {
    let bed = cheap_bed().await;
    let (auth, replica, other) =
        (bed.run(auth::start).await, bed.run(auth::start).await, other_house(&bed).await);
    let ann = Ann::registers(&auth).await;
    let (tokens, elsewhere) = (ann.logs_in(&auth).await, ann.logs_in(&replica).await);
    for house in [&auth.house, &replica.house, &other] {
        tokens.are_taken_by(house).await;
    }
    crate::desk::is_ready(&replica.house).await;
    tokens.log_out(&auth).await;
    let began = Instant::now();
    // Here at once.
    assert!(auth.house.tokens.verify(&tokens.access).await.is_err());
    tokens.are_refused_by(&replica.house).await;
    tokens.are_refused_by(&other).await;
    assert!(began.elapsed() < Duration::from_secs(1), "{:?}", began.elapsed());

    for process in [&auth, &replica] {
        let client = process.with_token(&tokens.access);
        assert_eq!(client.post(LOGOUT, &json!({})).await.problem(), (401, "unauthenticated"));
        assert_eq!(refresh(process, &tokens.refresh).await.problem(), REFUSED);
        elsewhere.are_taken_by(&process.house).await;
    }
    elsewhere.refreshed(&auth).await;
}

#[tokio::test]
async fn logging_out_needs_a_users_token() {
    let bed = cheap_bed().await;
    let auth = bed.run(auth::start).await;
    assert_eq!(auth.anybody().post(LOGOUT, &json!({})).await.problem(), (401, "unauthenticated"));
    let service = auth.with_token(&testkit::service_token("billing"));
    assert_eq!(service.post(LOGOUT, &json!({})).await.problem(), (401, "unauthenticated"));
    assert_eq!(number(&bed, "SELECT count(*) FROM revocations").await, 0);
}

#[tokio::test]
async fn a_password_that_is_set_again_ends_every_session() {
    let bed = cheap_bed().await;
    let (auth, other) = (bed.run(auth::start).await, other_house(&bed).await);
    let (ann, bob) = (Ann::registers(&auth).await, Ann::registers_as(&auth, "bob@example.com").await);
    let sessions = [ann.logs_in(&auth).await, ann.logs_in(&auth).await];
    let bobs = bob.logs_in(&auth).await;
    let again = registration(ann.user_id, "ann@example.com", "battery staple");
    assert_eq!(register(&auth, &again).await.status, 201);
    for tokens in &sessions {
        tokens.are_refused_by(&auth.house).await;
        tokens.are_refused_by(&other).await;
        assert_eq!(refresh(&auth, &tokens.refresh).await.problem(), REFUSED);
    }
    bobs.are_taken_by(&other).await;
    Tokens::of(&login(&auth, "ann@example.com", "battery staple").await).are_taken_by(&other).await;
}

#[tokio::test]
async fn a_password_that_is_refused_ends_no_session() {
    let bed = cheap_bed().await;
    let auth = bed.run(auth::start).await;
    let ann = Ann::registers(&auth).await;
    let tokens = ann.logs_in(&auth).await;
    let stranger = registration(Uuid::now_v7(), "ann@example.com", "battery staple");
    assert_eq!(register(&auth, &stranger).await.problem(), (409, "email_taken"));
    tokens.are_taken_by(&auth.house).await;
    tokens.refreshed(&auth).await;
}
