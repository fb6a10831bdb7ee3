//! A new signing key comes while tokens of the old one are about.

use auth::keys;
use secrecy::ExposeSecret;
use service::token::SigningKey;
use testkit::{SIGNING_KEY, TestBed};

use crate::desk::{Ann, CHECK, bed, cheap_bed};

fn names(keys: &serde_json::Value) -> Vec<&str> {
    keys["keys"].as_array().unwrap().iter().map(|key| key["kid"].as_str().unwrap()).collect()
}

/// A bed of the moment after the change: another key signs, the one of before still verifies.
async fn changed_bed() -> TestBed {
    let mut bed = cheap_bed().await;
    let before = SigningKey::from_pem(&SIGNING_KEY.into()).unwrap();
    bed.config.security.auth_signing_key = Some(keys::generate());
    bed.config.security.auth_verification_keys = Some(before.public_pem().unwrap().into());
    bed
}

#[tokio::test]
async fn tokens_of_both_keys_are_taken_and_the_new_one_signs() {
    let bed = changed_bed().await;
    let auth = bed.run(auth::start).await;
    let published = auth.anybody().get("/.well-known/jwks.json").await;
    let names = names(&published.body);
    assert_eq!(names.len(), 2);
    // The clients of the testkit have tokens of the key of before: they register her.
    let ann = Ann::registers(&auth).await;
    let tokens = ann.logs_in(&auth).await;
    assert_eq!(auth.internal_with_token(&tokens.access).get(CHECK).await.status, 200);
    assert_eq!(auth.internal_user(ann.user_id, &[]).get(CHECK).await.status, 200);
    let signed_by = jsonwebtoken::decode_header(&tokens.access).unwrap().kid.unwrap();
    assert_eq!(signed_by, names[0], "the signing key is the first");
    tokens.refreshed(&auth).await.are_taken_by(&auth.house).await;
}

#[tokio::test]
async fn a_process_without_keys_learns_of_both_from_auth() {
    let bed = changed_bed().await;
    let auth = bed.run(auth::start).await;
    let ann = Ann::registers(&auth).await;
    let tokens = ann.logs_in(&auth).await;
    let mut config = bed.config.clone();
    config.security.auth_signing_key = None;
    config.security.auth_verification_keys = None;
    config.http.auth_public_url = Some(auth.public_url());
    let other = service::House::build(config, "auth").await.unwrap();
    tokens.are_taken_by(&other).await;
    assert!(other.tokens.verify(&testkit::service_token("billing")).await.is_ok());
}

#[tokio::test]
async fn the_key_that_will_sign_next_is_published_before_it_does() {
    let mut bed = bed().await;
    let next = keys::generate();
    let next_key = SigningKey::from_pem(&next).unwrap();
    // A private key is taken as well, and the signing key itself is listed once.
    bed.config.security.auth_verification_keys =
        Some(format!("{}{SIGNING_KEY}", next.expose_secret()).into());
    let auth = bed.run(auth::start).await;
    let published = auth.anybody().get("/.well-known/jwks.json").await;
    let next_name = next_key.public_keys().keys[0].common.key_id.clone().unwrap();
    assert_eq!(names(&published.body).len(), 2);
    assert_eq!(names(&published.body)[1], next_name);
    assert!(!published.body.to_string().contains("\"d\""), "no private half is told");
}
