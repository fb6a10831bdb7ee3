//! Checks tokens against auth's keys.

use std::sync::{Arc, PoisonError, RwLock};
use std::time::Duration;

use jsonwebtoken::jwk::JwkSet;
use jsonwebtoken::{Algorithm, DecodingKey, Validation, decode, decode_header};
use tokio::sync::Mutex;
use tokio::time::Instant;
use tokio_util::sync::CancellationToken;

use super::cache::{Cache, Fingerprint, fingerprint};
use super::keys::{KeySource, Keys, of_set};
use super::{Claims, ISSUER, Identity, Revocations};
use crate::ReadyCheck;
use crate::http::Problem;

/// An unknown `kid` makes us fetch, but not more often than this: anybody can invent one.
const FETCH_PAUSE: Duration = Duration::from_secs(5);
/// Keys that auth no longer publishes are forgotten within this time.
const REFRESH_INTERVAL: Duration = Duration::from_secs(300);
/// How often auth is asked until it answers for the first time.
const FIRST_FETCH_INTERVAL: Duration = Duration::from_millis(500);

/// Checks tokens: EdDSA only, by `kid`, issuer and end. Cheap to clone.
#[derive(Debug, Clone)]
pub struct TokenVerifier(Arc<Verifier>);

#[derive(Debug)]
struct Verifier {
    keys: RwLock<Keys>,
    source: Option<KeySource>,
    fetched_at: Mutex<Option<Instant>>,
    cache: Cache,
    revocations: Revocations,
    validation: Validation,
}

/// The token is not accepted.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum TokenError {
    /// Not a token of ours, or its signature is wrong.
    #[error("the token is not valid")]
    Invalid,
    /// It was one.
    #[error("the token has expired")]
    Expired,
    /// Its session is over, or its user has other roles now.
    #[error("the token was revoked")]
    Revoked,
    /// Auth has not answered yet since this process started.
    #[error("tokens cannot be checked yet")]
    NoKeys,
}

impl From<TokenError> for Problem {
    fn from(error: TokenError) -> Self {
        match error {
            TokenError::Invalid | TokenError::Expired | TokenError::Revoked => {
                Self::invalid_token(error.to_string())
            }
            TokenError::NoKeys => Self::unavailable("keys_unavailable", error.to_string(), 1),
        }
    }
}

impl TokenVerifier {
    /// With keys that are known: for the process that holds the signing key, and for tests.
    pub fn with_keys(keys: &JwkSet) -> Self {
        Self::new(of_set(keys), None)
    }

    /// With keys that are fetched from auth's public listener; see [`TokenVerifier::keep_fresh`].
    ///
    /// # Errors
    /// The HTTP client cannot be made.
    pub fn with_source(auth_public_url: &str) -> Result<Self, reqwest::Error> {
        Ok(Self::new(Keys::new(), Some(KeySource::new(auth_public_url)?)))
    }

    fn new(keys: Keys, source: Option<KeySource>) -> Self {
        let mut validation = Validation::new(Algorithm::EdDSA);
        validation.leeway = 0;
        validation.validate_aud = false;
        validation.set_issuer(&[ISSUER]);
        validation.set_required_spec_claims(&["exp", "iss", "sub"]);
        let (keys, fetched_at) = (RwLock::new(keys), Mutex::new(None));
        let (cache, revocations) = (Cache::default(), Revocations::default());
        Self(Arc::new(Verifier { keys, source, fetched_at, cache, revocations, validation }))
    }

    /// Whose token it is.
    ///
    /// # Errors
    /// See [`TokenError`].
    pub async fn verify(&self, token: &str) -> Result<Arc<Identity>, TokenError> {
        let now = chrono::Utc::now();
        let fingerprint = fingerprint(token);
        let identity = match self.0.cache.get(&fingerprint, now.timestamp()) {
            Some(identity) => identity,
            None => self.decode(token, fingerprint).await?,
        };
        // A token in the cache may have been revoked since.
        if self.0.revocations.cover(&identity, now) { Err(TokenError::Revoked) } else { Ok(identity) }
    }

    /// Checks the signature, and remembers that it is right.
    async fn decode(&self, token: &str, fingerprint: Fingerprint) -> Result<Arc<Identity>, TokenError> {
        let header = decode_header(token).map_err(|_| TokenError::Invalid)?;
        let key = self.key(&header.kid.ok_or(TokenError::Invalid)?).await?;
        let claims =
            decode::<Claims>(token, &key, &self.0.validation).map_err(|error| match error.kind() {
                jsonwebtoken::errors::ErrorKind::ExpiredSignature => TokenError::Expired,
                _ => TokenError::Invalid,
            })?;
        let identity = Arc::new(claims.claims.identity()?);
        self.0.cache.insert(fingerprint, Arc::clone(&identity), claims.claims.exp);
        Ok(identity)
    }

    /// Which tokens are refused although they are signed and not over.
    pub fn revocations(&self) -> &Revocations {
        &self.0.revocations
    }

    async fn key(&self, kid: &str) -> Result<DecodingKey, TokenError> {
        if let Some(key) = self.known(kid) {
            return Ok(key);
        }
        self.fetch_if_due(FETCH_PAUSE).await;
        self.known(kid).ok_or(if self.has_keys() { TokenError::Invalid } else { TokenError::NoKeys })
    }

    fn known(&self, kid: &str) -> Option<DecodingKey> {
        self.0.keys.read().unwrap_or_else(PoisonError::into_inner).get(kid).cloned()
    }

    fn has_keys(&self) -> bool {
        !self.0.keys.read().unwrap_or_else(PoisonError::into_inner).is_empty()
    }

    /// Fetches the keys unless somebody did within `pause`; callers wait for a running fetch.
    async fn fetch_if_due(&self, pause: Duration) {
        let Some(source) = &self.0.source else { return };
        let mut fetched_at = self.0.fetched_at.lock().await;
        if fetched_at.is_some_and(|at| at.elapsed() < pause) {
            return;
        }
        if let Some(keys) = source.fetch().await {
            self.replace_keys(keys);
        }
        *fetched_at = Some(Instant::now());
    }

    fn replace_keys(&self, keys: Keys) {
        let mut known = self.0.keys.write().unwrap_or_else(PoisonError::into_inner);
        let is_taken_back = known.keys().any(|kid| !keys.contains_key(kid));
        *known = keys;
        drop(known);
        if is_taken_back {
            // Whatever that key signed is worth nothing now.
            self.0.cache.clear();
        }
    }

    /// Fetches the keys now and from time to time, until `shutdown`.
    pub async fn keep_fresh(self, shutdown: CancellationToken) {
        if self.0.source.is_none() {
            return;
        }
        loop {
            self.fetch_if_due(Duration::ZERO).await;
            let pause = if self.has_keys() { REFRESH_INTERVAL } else { FIRST_FETCH_INTERVAL };
            tokio::select! {
                () = tokio::time::sleep(pause) => {}
                () = shutdown.cancelled() => return,
            }
        }
    }

    /// Ready when tokens can be checked.
    pub fn ready(&self) -> ReadyCheck {
        let verifier = self.clone();
        ReadyCheck::new("auth_keys", move || {
            let has_keys = verifier.has_keys();
            async move { if has_keys { Ok(()) } else { Err("auth's keys are not here yet".to_owned()) } }
        })
    }
}
