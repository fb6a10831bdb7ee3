//! Registering, logging in, and what the tokens say.

use std::time::Instant;

use contracts::Email;
use sea_orm::{FromQueryResult, Statement};
use serde_json::json;
use service::token::{Identity, Role, TokenVerifier};
use uuid::Uuid;

use crate::desk::{LOGIN, REGISTER, bed, login, register, registration};

#[tokio::test]
async fn only_the_user_service_brings_credentials() {
    let bed = bed().await;
    let auth = bed.run(auth::start).await;
    let body = registration(Uuid::now_v7(), "ann@example.com", "correct horse");
    for stranger in [auth.operator(), auth.service("billing")] {
        assert_eq!(stranger.post(REGISTER, &body).await.problem(), (403, "forbidden"));
    }
    assert_eq!(login(&auth, "ann@example.com", "correct horse").await.status, 401);
    auth.stop().await;
}

#[tokio::test]
async fn a_registered_user_logs_in_with_a_token_that_says_who_it_is() {
    let bed = bed().await;
    let auth = bed.run(auth::start).await;
    let user_id = Uuid::now_v7();
    let registered = register(&auth, &registration(user_id, "Ann@Example.com", "correct horse")).await;
    assert_eq!((registered.status, &registered.body["user_id"]), (201, &json!(user_id)));

    let answer = login(&auth, " ann@EXAMPLE.com ", "correct horse").await;
    assert_eq!(answer.status, 200, "{:?}", answer.body);
    assert_eq!((&answer.body["token_type"], &answer.body["expires_in"]), (&json!("Bearer"), &json!(300)));
    assert_eq!(answer.body["refresh_token"].as_str().unwrap().len(), 64);

    let keys = auth.anybody().get("/.well-known/jwks.json").await;
    let verifier = TokenVerifier::with_keys(&serde_json::from_value(keys.body.clone()).unwrap());
    let identity = verifier.verify(answer.body["access_token"].as_str().unwrap()).await.unwrap();
    let Identity::User { user_id: subject, roles, .. } = *identity else { panic!("{identity:?}") };
    assert_eq!(subject, user_id);
    assert_eq!(roles.names(), ["user"]);
    let key = &keys.body["keys"][0];
    assert_eq!((&key["kty"], &key["crv"], &key["alg"]), (&json!("OKP"), &json!("Ed25519"), &json!("EdDSA")));
    assert!(key["kid"].is_string() && key["x"].is_string() && key.get("d").is_none());
    auth.stop().await;
}

#[tokio::test]
async fn a_wrong_password_and_an_unknown_user_look_the_same() {
    let bed = bed().await;
    let auth = bed.run(auth::start).await;
    register(&auth, &registration(Uuid::now_v7(), "ann@example.com", "correct horse")).await;
    let wrong = login(&auth, "ann@example.com", "wrong horse").await;
    let unknown = login(&auth, "nobody@example.com", "correct horse").await;
    let no_email = login(&auth, "no e-mail at all", "correct horse").await;
    for answer in [&wrong, &unknown, &no_email] {
        assert_eq!(answer.problem(), (401, "invalid_credentials"));
        assert_eq!(answer.body["detail"], wrong.body["detail"]);
    }
}

#[tokio::test]
async fn an_unknown_user_takes_as_long_as_a_wrong_password() {
    let bed = bed().await;
    let auth = bed.run(auth::start).await;
    register(&auth, &registration(Uuid::now_v7(), "ann@example.com", "correct horse")).await;
    let time = async |email: &str| {
        let started = Instant::now();
        assert_eq!(login(&auth, email, "wrong horse").await.status, 401);
        started.elapsed()
    };
    let (mut known, mut unknown) = (Vec::new(), Vec::new());
    for _ in 0..9 {
        // Fewer than are throttled; in turns, so that a busy machine slows both.
        known.push(time("ann@example.com").await);
        unknown.push(time("nobody@example.com").await);
    }
    known.sort_unstable();
    unknown.sort_unstable();
    // Without the hash an unknown user would take a small fraction of it.
    assert!(unknown[4] * 2 > known[4], "known {known:?}, unknown {unknown:?}");
}

#[tokio::test]
async fn a_login_keeps_only_the_hash_of_the_refresh_token() {
    let bed = bed().await;
    let auth = bed.run(auth::start).await;
    register(&auth, &registration(Uuid::now_v7(), "ann@example.com", "correct horse")).await;
    let answer = login(&auth, "ann@example.com", "correct horse").await;
    let token = answer.body["refresh_token"].as_str().unwrap();
    let rows = |sql: &str| {
        let statement =
            Statement::from_sql_and_values(sea_orm::DatabaseBackend::Postgres, sql, [token.into()]);
        sea_orm::JsonValue::find_by_statement(statement)
    };
    let hashed = "SELECT 1 AS one FROM sessions WHERE refresh_hash = sha256(convert_to($1, 'UTF8'))";
    assert_eq!(rows(hashed).all(&bed.db).await.unwrap().len(), 1);
    let plain = "SELECT 1 AS one FROM sessions WHERE sessions::text LIKE '%' || $1 || '%'";
    assert_eq!(rows(plain).all(&bed.db).await.unwrap().len(), 0);
}

#[tokio::test]
async fn a_repeat_of_the_same_user_sets_the_password_again_and_a_late_try_does_not() {
    let bed = bed().await;
    let auth = bed.run(auth::start).await;
    let user_id = Uuid::now_v7();
    let attempt = |attempt: i32, password: &str| {
        let mut body = registration(user_id, "ann@example.com", password);
        body["attempt"] = attempt.into();
        body
    };
    assert_eq!(register(&auth, &attempt(1, "first password")).await.status, 201);
    assert_eq!(register(&auth, &attempt(1, "first password")).await.status, 201);
    assert_eq!(register(&auth, &attempt(3, "third password")).await.status, 201);
    assert_eq!(register(&auth, &attempt(2, "second password")).await.problem(), (409, "superseded"));
    assert_eq!(login(&auth, "ann@example.com", "third password").await.status, 200);
    for old in ["first password", "second password"] {
        assert_eq!(login(&auth, "ann@example.com", old).await.status, 401);
    }
}

#[tokio::test]
async fn an_email_belongs_to_one_user() {
    let bed = bed().await;
    let auth = bed.run(auth::start).await;
    register(&auth, &registration(Uuid::now_v7(), "ann@example.com", "correct horse")).await;
    let other = register(&auth, &registration(Uuid::now_v7(), "ANN@example.com", "battery staple")).await;
    assert_eq!(other.problem(), (409, "email_taken"));
    assert_eq!(login(&auth, "ann@example.com", "correct horse").await.status, 200);
}

#[tokio::test]
async fn registering_is_for_services_and_not_public() {
    let bed = bed().await;
    let auth = bed.run(auth::start).await;
    let body = registration(Uuid::now_v7(), "ann@example.com", "correct horse");
    assert_eq!(auth.anybody().post(REGISTER, &body).await.problem(), (404, "not_found"));
    assert_eq!(auth.internal_anybody().post(REGISTER, &body).await.problem(), (401, "unauthenticated"));
    let user = auth.internal_user(Uuid::now_v7(), &[Role::User]);
    assert_eq!(user.post(REGISTER, &body).await.problem(), (403, "forbidden"));
    assert_eq!(login(&auth, "ann@example.com", "correct horse").await.status, 401);
}

#[tokio::test]
async fn malformed_logins_are_refused() {
    let bed = bed().await;
    let auth = bed.run(auth::start).await;
    for bad in [
        json!({ "email": "ann@example.com" }),
        json!({ "email": "ann@example.com", "password": "" }),
        json!({ "email": "ann@example.com", "password": "p".repeat(129) }),
        json!({ "email": "ann\u{0}@example.com", "password": "correct horse" }),
        json!({ "email": "ann@example.com", "password": "correct horse", "admin": true }),
    ] {
        assert_eq!(auth.anybody().post(LOGIN, &bad).await.problem(), (422, "validation_failed"), "{bad}");
    }
}

#[tokio::test]
async fn a_role_given_is_in_the_next_token_and_giving_it_twice_changes_nothing() {
    let bed = bed().await;
    let auth = bed.run(auth::start).await;
    let email = Email::parse("op@example.com").unwrap();
    let ensure =
        async || auth::ensure_role(&bed.db, &email, Role::Operator, &bed.config.security).await.unwrap();
    assert!(!ensure().await);
    register(&auth, &registration(Uuid::now_v7(), email.as_str(), "correct horse")).await;
    for _ in 0..2 {
        assert!(ensure().await);
    }
    let answer = login(&auth, email.as_str(), "correct horse").await;
    let token = answer.body["access_token"].as_str().unwrap();
    let identity = auth.house.tokens.verify(token).await.unwrap();
    let Identity::User { roles, .. } = *identity else { panic!("{identity:?}") };
    assert_eq!(roles.names(), ["user", "operator"]);
}
