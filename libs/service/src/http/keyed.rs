//! Requests that may carry an `Idempotency-Key`.

use axum::extract::{FromRequest, Request};
use axum::http::{HeaderMap, HeaderName};
use serde::de::DeserializeOwned;
use sha2::{Digest, Sha256};
use uuid::Uuid;

use super::json::{parse, read_json};
use super::{Problem, Validate};

/// The header that says `true` on an answer that was given before.
pub const REPLAYED: HeaderName = HeaderName::from_static("idempotency-replayed");

const HEADER: &str = "idempotency-key";
/// The longest key, in characters.
const KEY_CHARACTERS_MAX: usize = 255;

/// A client's key, and what it was used with. Its scope is the user and the route.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct IdempotencyKey {
    /// 1 to 255 visible ASCII characters.
    pub key: String,
    /// SHA-256 (hexadecimal) of the body's canonical form: keys sorted, no white space. The same
    /// request written differently is the same.
    pub body_hash: String,
}

impl IdempotencyKey {
    /// The row that remembers what `user_id` asked of `route` with this key.
    pub fn scoped(self, user_id: Uuid, route: &str) -> messaging::idempotency::Key {
        messaging::idempotency::Key::new(user_id, route, &self.key, self.body_hash)
    }
}

/// A JSON body (as [`super::Json`]) with its idempotency key, if the client sent one.
#[derive(Debug, Clone)]
pub struct Keyed<T> {
    /// The request.
    pub body: T,
    /// Its key.
    pub key: Option<IdempotencyKey>,
}

impl<T: DeserializeOwned + Validate, S: Send + Sync> FromRequest<S> for Keyed<T> {
    type Rejection = Problem;

    async fn from_request(request: Request, _: &S) -> Result<Self, Problem> {
        let key = key_of(request.headers())?;
        let bytes = read_json(request).await?;
        let body = parse(&bytes)?;
        let key = key.map(|key| IdempotencyKey { key, body_hash: canonical_hash(&bytes) });
        Ok(Self { body, key })
    }
}

fn key_of(headers: &HeaderMap) -> Result<Option<String>, Problem> {
    let mut values = headers.get_all(HEADER).iter();
    let Some(value) = values.next() else { return Ok(None) };
    let bytes = value.as_bytes();
    let acceptable = (1..=KEY_CHARACTERS_MAX).contains(&bytes.len())
        && bytes.iter().all(u8::is_ascii_graphic)
        && values.next().is_none();
    match std::str::from_utf8(bytes) {
        Ok(key) if acceptable => Ok(Some(key.to_owned())),
        _ => Err(Problem::invalid_field(
            "Idempotency-Key",
            "must be one value of 1 to 255 visible ASCII characters",
        )),
    }
}

fn canonical_hash(bytes: &[u8]) -> String {
    // It was parsed before, so it is JSON; and serde_json's maps are sorted by key.
    let canonical = serde_json::from_slice::<serde_json::Value>(bytes).map(|value| value.to_string());
    let digest = Sha256::digest(canonical.unwrap_or_default());
    digest.iter().map(|byte| format!("{byte:02x}")).collect()
}

#[cfg(test)]
mod tests {
    use axum::http::HeaderValue;

    use super::*;

    fn key(value: &[u8]) -> Result<Option<String>, Problem> {
        let mut headers = HeaderMap::new();
        headers.insert(HEADER, HeaderValue::from_bytes(value).unwrap());
        key_of(&headers)
    }

    #[test]
    fn a_key_has_1_to_255_visible_characters() {
        assert_eq!(key(b"abc-1").unwrap().as_deref(), Some("abc-1"));
        assert!(key(&[b'a'; 255]).is_ok());
        for bad in [&b""[..], b"a b", "ключ".as_bytes(), &[b'a'; 256]] {
            assert_eq!(key(bad).unwrap_err().status(), 422);
        }
        assert_eq!(key_of(&HeaderMap::new()).unwrap(), None);
    }

    #[test]
    fn the_hash_is_of_what_is_said_not_of_how_it_is_written() {
        let hash = canonical_hash(br#"{"price":5,"items":[]}"#);
        assert_eq!(canonical_hash(b"{ \"items\": [],\n \"price\": 5 }"), hash);
        assert_ne!(canonical_hash(br#"{"price":6,"items":[]}"#), hash);
    }
}
