//! Who is let in, and that this is said before anything about the resource.

use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, Mutex};

use axum::routing::get;
use service::token::{Claims, Role, SigningKey};
use testkit::eventually;

use crate::running::{OTHER_KEY, Running, SIGNING_KEY, SOON, code, config, operator, token_by, user};

const RESOURCE: &str = "/api/v1/thing/01930000-0000-7000-8000-000000000000";

#[tokio::test]
async fn without_a_valid_token_it_is_401_with_a_challenge() {
    let house = Running::start().await;
    let response = house.get(RESOURCE).send().await.unwrap();
    assert_eq!(response.headers()["www-authenticate"], "Bearer");
    assert_eq!(code(response).await, (401, "unauthenticated".into()));

    let expired = token_by(SIGNING_KEY, &[Role::Operator], 301);
    let foreign = token_by(OTHER_KEY, &[Role::Operator], 0);
    let mut forged = operator();
    forged.replace_range(forged.len() - 5.., "AAAAA");
    for bad in ["nonsense".to_owned(), expired, foreign, forged] {
        let response = house.get(RESOURCE).bearer_auth(bad).send().await.unwrap();
        assert_eq!(response.headers()["www-authenticate"], "Bearer error=\"invalid_token\"");
        assert_eq!(code(response).await, (401, "unauthenticated".into()));
    }
    assert_eq!(house.get(RESOURCE).bearer_auth(operator()).send().await.unwrap().status(), 200);
}

#[tokio::test]
async fn a_token_of_another_algorithm_is_refused() {
    let house = Running::start().await;
    let claims = Claims::of_user(uuid::Uuid::now_v7(), uuid::Uuid::now_v7(), Default::default(), 0, u32::MAX);
    let kid = SigningKey::from_pem(&SIGNING_KEY.into()).unwrap().public_keys().keys[0].common.key_id.clone();
    let header = jsonwebtoken::Header { kid, ..jsonwebtoken::Header::new(jsonwebtoken::Algorithm::HS256) };
    let key = jsonwebtoken::EncodingKey::from_secret(b"guess");
    let token = jsonwebtoken::encode(&header, &claims, &key).unwrap();
    let response = house.get(RESOURCE).bearer_auth(token).send().await.unwrap();
    assert_eq!(code(response).await.0, 401);
}

#[tokio::test]
async fn who_is_not_let_in_learns_nothing_of_the_resource() {
    let house = Running::start().await;
    let malformed_id = house.get("/api/v1/thing/not-an-id").send().await.unwrap();
    assert_eq!(code(malformed_id).await.0, 401);
    let malformed_body = house.post("/api/v1/thing").body("{").send().await.unwrap();
    assert_eq!(code(malformed_body).await.0, 401);
}

#[tokio::test]
async fn a_missing_role_is_403_and_a_services_token_is_no_users() {
    let house = Running::start().await;
    let response = house.get(RESOURCE).bearer_auth(user()).send().await.unwrap();
    assert_eq!(code(response).await, (403, "forbidden".into()));
    let service = house.house.service_token("billing").unwrap();
    let service = secrecy::ExposeSecret::expose_secret(&service);
    assert_eq!(code(house.get(RESOURCE).bearer_auth(service).send().await.unwrap()).await.0, 401);
}

#[tokio::test]
async fn keys_are_fetched_from_auth_and_until_then_it_is_503() {
    let fetches = Arc::new(AtomicUsize::new(0));
    let auth = tokio::net::TcpListener::bind("127.0.0.1:0").await.unwrap();
    let mut config = config();
    config.security.auth_signing_key = None;
    config.http.auth_public_url = Some(format!("http://{}", auth.local_addr().unwrap()));

    // Bound and silent: the fetch hangs until auth begins to serve or the fetch gives up.
    let house = Running::start_with(config).await;
    let response = house.internal("/readyz").send().await.unwrap();
    assert_eq!(response.status(), 503);

    let count = Arc::clone(&fetches);
    let keys =
        serde_json::to_string(&SigningKey::from_pem(&SIGNING_KEY.into()).unwrap().public_keys()).unwrap();
    let jwks = async move || {
        count.fetch_add(1, Ordering::Relaxed);
        keys.clone()
    };
    let router = axum::Router::new().route("/.well-known/jwks.json", get(jwks));
    tokio::spawn(async move { axum::serve(auth, router).await });

    let deadline = tokio::time::Instant::now() + std::time::Duration::from_secs(10);
    while house.get(RESOURCE).bearer_auth(operator()).send().await.unwrap().status() != 200 {
        assert!(tokio::time::Instant::now() < deadline, "auth's keys never came");
    }
    let known = fetches.load(Ordering::Relaxed);
    for _ in 0..20 {
        let foreign = token_by(OTHER_KEY, &[Role::Operator], 0);
        assert_eq!(code(house.get(RESOURCE).bearer_auth(foreign).send().await.unwrap()).await.0, 401);
    }
    assert!(fetches.load(Ordering::Relaxed) <= known + 1, "an unknown kid makes at most one fetch in 5 s");
}

#[tokio::test]
async fn a_key_that_auth_takes_back_takes_its_tokens_with_it_also_those_that_were_known() {
    let keys_of = |key: &str| SigningKey::from_pem(&key.into()).unwrap().public_keys();
    let served = Arc::new(Mutex::new(keys_of(SIGNING_KEY)));
    let auth = tokio::net::TcpListener::bind("127.0.0.1:0").await.unwrap();
    let mut config = config();
    config.security.auth_signing_key = None;
    config.http.auth_public_url = Some(format!("http://{}", auth.local_addr().unwrap()));
    let told = Arc::clone(&served);
    let jwks = async move || serde_json::to_string(&*told.lock().unwrap()).unwrap();
    let router = axum::Router::new().route("/.well-known/jwks.json", get(jwks));
    tokio::spawn(async move { axum::serve(auth, router).await });

    let house = Running::start_with(config).await;
    let (old, new) = (operator(), token_by(OTHER_KEY, &[Role::Operator], 0));
    let status =
        async |token: &str| house.get(RESOURCE).bearer_auth(token).send().await.unwrap().status().as_u16();
    let is_taken = async |token: &str| (status(token).await == 200).then_some(());
    eventually(SOON, "the first key", async || is_taken(&old).await).await;
    *served.lock().unwrap() = keys_of(OTHER_KEY);
    assert_eq!(status(&old).await, 200);
    // A kid that is not known makes us fetch, at most every 5 s.
    eventually(SOON, "the other key", async || is_taken(&new).await).await;
    assert_eq!(status(&old).await, 401);
}
