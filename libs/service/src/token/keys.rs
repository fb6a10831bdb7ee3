//! Auth's public keys, by `kid`, and their fetching.

use std::collections::HashMap;
use std::time::{Duration, Instant};

use jsonwebtoken::DecodingKey;
use jsonwebtoken::jwk::{AlgorithmParameters, EllipticCurve, JwkSet};
use trace::seldom::Seldom;

use crate::http::CONNECTION_UNUSED_MAX;

const FETCH_TIMEOUT: Duration = Duration::from_secs(2);
/// The largest key set that is read, in bytes.
const KEY_SET_BYTES_MAX: u64 = 64 * 1024;

pub(super) type Keys = HashMap<String, DecodingKey>;

/// The Ed25519 keys of a set; others are not ours.
pub(super) fn of_set(set: &JwkSet) -> Keys {
    let usable = set.keys.iter().filter(|jwk| match &jwk.algorithm {
        AlgorithmParameters::OctetKeyPair(pair) => pair.curve == EllipticCurve::Ed25519,
        _ => false,
    });
    usable.filter_map(|jwk| Some((jwk.common.key_id.clone()?, DecodingKey::from_jwk(jwk).ok()?))).collect()
}

/// Where auth publishes its keys.
#[derive(Debug)]
pub(super) struct KeySource {
    client: reqwest::Client,
    url: String,
    failed: Seldom,
}

impl KeySource {
    pub(super) fn new(auth_public_url: &str) -> Result<Self, reqwest::Error> {
        let client = reqwest::Client::builder().timeout(FETCH_TIMEOUT).no_proxy();
        let client = client.pool_idle_timeout(CONNECTION_UNUSED_MAX).build()?;
        let url = format!("{auth_public_url}/.well-known/jwks.json");
        Ok(Self { client, url, failed: Seldom::default() })
    }

    /// Fetches the keys; nothing when that failed, which is logged and counted.
    pub(super) async fn fetch(&self) -> Option<Keys> {
        let keys = self.try_fetch().await;
        let result = if keys.is_ok() { "ok" } else { "failed" };
        metrics::counter!(crate::metric_names::JWKS_FETCHES, "result" => result).increment(1);
        let told = keys.inspect_err(|error| {
            if let Some(unsaid) = self.failed.again(Instant::now()) {
                tracing::warn!(url = self.url, %error, unsaid, "cannot fetch auth's keys");
            }
        });
        told.ok()
    }

    async fn try_fetch(&self) -> Result<Keys, Box<dyn std::error::Error + Send + Sync>> {
        let response = self.client.get(&self.url).send().await?.error_for_status()?;
        if response.content_length().is_some_and(|length| length > KEY_SET_BYTES_MAX) {
            return Err("the key set is too large".into());
        }
        let keys = of_set(&response.json::<JwkSet>().await?);
        if keys.is_empty() { Err("the key set has no Ed25519 key".into()) } else { Ok(keys) }
    }
}
