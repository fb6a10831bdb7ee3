//! Roles, who may give them, and what gateways are told of a token.

use std::time::{Duration, Instant};

use serde_json::{Value, json};
use service::token::Role;
use uuid::Uuid;

use crate::desk::{Ann, CHECK, Tokens, cheap_bed, number, other_house};

#[tokio::test]
async fn tokens_of_before_a_change_of_roles_stop_working_and_a_refresh_has_the_new_ones() {
    let bed = cheap_bed().await;
    let (auth, other) = (bed.run(auth::start).await, other_house(&bed).await);
    let ann = Ann::registers(&auth).await;
    let user = ann.logs_in(&auth).await;
    user.are_taken_by(&other).await;
    ann.gets_roles(&auth, &["user", "courier"]).await;
    let began = Instant::now();
    assert!(auth.house.tokens.verify(&user.access).await.is_err(), "here at once");
    user.are_refused_by(&other).await;
    assert!(began.elapsed() < Duration::from_secs(1), "{:?}", began.elapsed());

    let courier = user.refreshed(&auth).await;
    let checked = auth.internal_with_token(&courier.access).get(CHECK).await;
    assert_eq!(checked.headers["x-roles"], "user,courier");
    courier.are_taken_by(&other).await;
    // Taken away, and given again.
    ann.gets_roles(&auth, &["user"]).await;
    courier.are_refused_by(&other).await;
    ann.logs_in(&auth).await.are_taken_by(&other).await;
}

#[tokio::test]
async fn the_same_roles_again_change_nothing() {
    let bed = cheap_bed().await;
    let auth = bed.run(auth::start).await;
    let ann = Ann::registers(&auth).await;
    let tokens = ann.logs_in(&auth).await;
    ann.gets_roles(&auth, &["user"]).await;
    tokens.are_taken_by(&auth.house).await;
    assert_eq!(number(&bed, "SELECT count(*) FROM revocations").await, 0);
}

#[tokio::test]
async fn an_operator_of_a_moment_ago_is_let_in_no_more() {
    let bed = cheap_bed().await;
    let auth = bed.run(auth::start).await;
    let ann = Ann::registers(&auth).await;
    ann.gets_roles(&auth, &["user", "operator"]).await;
    let tokens = ann.logs_in(&auth).await;
    let inside = auth.internal_with_token(&tokens.access);
    let unknown = format!("/internal/api/v1/user/{}/roles", Uuid::now_v7());
    let body = json!({ "roles": ["user"] });
    assert_eq!(inside.put(&unknown, &body).await.problem(), (404, "not_found"));
    ann.gets_roles(&auth, &["user"]).await;
    assert_eq!(inside.put(&unknown, &body).await.problem(), (401, "unauthenticated"));
    let demoted = tokens.refreshed(&auth).await;
    let outside = auth.internal_with_token(&demoted.access);
    assert_eq!(outside.put(&unknown, &body).await.problem(), (403, "forbidden"));
}

#[tokio::test]
async fn operators_and_auth_itself_give_roles_and_nobody_else() {
    let bed = cheap_bed().await;
    let auth = bed.run(auth::start).await;
    let ann = Ann::registers(&auth).await;
    let path = format!("/internal/api/v1/user/{}/roles", ann.user_id);
    let body = json!({ "roles": ["operator"] });
    assert_eq!(auth.internal_anybody().put(&path, &body).await.problem(), (401, "unauthenticated"));
    let herself = auth.internal_user(ann.user_id, &[Role::User, Role::Courier]);
    for stranger in [herself, auth.service("stock"), auth.service("user")] {
        assert_eq!(stranger.put(&path, &body).await.problem(), (403, "forbidden"));
    }
    assert_eq!(auth.operator().put(&path, &body).await.status, 200);
    assert_eq!(auth.service("auth").put(&path, &json!({ "roles": ["user"] })).await.status, 200);
}

#[tokio::test]
async fn roles_that_make_no_sense_are_refused() {
    let bed = cheap_bed().await;
    let auth = bed.run(auth::start).await;
    let ann = Ann::registers(&auth).await;
    let path = format!("/internal/api/v1/user/{}/roles", ann.user_id);
    for bad in [
        json!({}),
        json!({ "roles": [] }),
        json!({ "roles": ["king"] }),
        json!({ "roles": "user" }),
        json!({ "roles": ["user", "user", "user", "user"] }),
        json!({ "roles": ["user"], "until": "tomorrow" }),
    ] {
        assert_eq!(auth.operator().put(&path, &bad).await.problem(), (422, "validation_failed"), "{bad}");
    }
    let malformed =
        auth.operator().put("/internal/api/v1/user/ann/roles", &json!({ "roles": ["user"] })).await;
    assert_eq!(malformed.problem(), (404, "not_found"));
    assert_eq!(number(&bed, "SELECT count(*) FROM credentials WHERE roles = '{user}'").await, 1);
}

#[tokio::test]
async fn a_gateway_learns_whose_token_it_is() {
    let bed = cheap_bed().await;
    let auth = bed.run(auth::start).await;
    let user_id = Uuid::now_v7();
    let answer = auth.internal_user(user_id, &[Role::User, Role::Operator]).get(CHECK).await;
    assert_eq!(answer.status, 200);
    assert_eq!(answer.headers["x-user-id"], user_id.to_string());
    assert_eq!(answer.headers["x-roles"], "user,operator");
    assert_eq!(answer.body, json!({ "user_id": user_id, "roles": ["user", "operator"] }));
}

#[tokio::test]
async fn a_gateway_is_told_401_of_everything_but_a_users_valid_token() {
    let bed = cheap_bed().await;
    let auth = bed.run(auth::start).await;
    let ann = Ann::registers(&auth).await;
    let tokens: Tokens = ann.logs_in(&auth).await;
    assert_eq!(auth.internal_with_token(&tokens.access).get(CHECK).await.status, 200);
    tokens.log_out(&auth).await;
    let clients = [
        auth.internal_anybody(),
        auth.service("billing"),
        auth.internal_with_token("nonsense"),
        auth.internal_with_token(&tokens.access),
    ];
    for client in clients {
        let answer = client.get(CHECK).await;
        assert_eq!(answer.problem(), (401, "unauthenticated"));
        assert!(answer.headers.contains_key("www-authenticate"));
        assert_eq!(answer.headers.get("x-user-id"), None);
    }
    // Nothing of it is public.
    let outside = auth.user(ann.user_id, &[Role::User]).get(CHECK).await;
    assert_eq!((outside.problem(), &outside.body["user_id"]), ((404, "not_found"), &Value::Null));
}
