//! The key that signs tokens, and its public half.

use jsonwebtoken::jwk::{Jwk, JwkSet};
use jsonwebtoken::{Algorithm, EncodingKey, Header, encode};
use secrecy::{ExposeSecret, SecretString};

use super::public_keys::named;
use super::{Claims, KeyError};

/// An Ed25519 key.
#[derive(Clone)]
pub struct SigningKey {
    key: EncodingKey,
    header: Header,
    pub(super) public: Jwk,
}

impl SigningKey {
    /// Reads a key in PEM (PKCS#8, without the public half: as `openssl genpkey` writes it).
    ///
    /// # Errors
    /// It is not such a key.
    pub fn from_pem(pem: &SecretString) -> Result<Self, KeyError> {
        let key = EncodingKey::from_ed_pem(pem.expose_secret().as_bytes())?;
        let public = named(Jwk::from_encoding_key(&key, Algorithm::EdDSA)?)?;
        let header = Header { kid: public.common.key_id.clone(), ..Header::new(Algorithm::EdDSA) };
        Ok(Self { key, header, public })
    }

    /// A signed token.
    ///
    /// # Errors
    /// The cryptographic library refuses.
    pub fn sign(&self, claims: &Claims) -> Result<String, KeyError> {
        Ok(encode(&self.header, claims, &self.key)?)
    }

    /// A token with which the service `name` is let in by others.
    ///
    /// # Errors
    /// The cryptographic library refuses.
    pub fn service_token(&self, name: &str, lifetime_days: u32) -> Result<SecretString, KeyError> {
        let now = chrono::Utc::now().timestamp();
        let claims = Claims::of_service(name, now, lifetime_days.saturating_mul(24 * 3600));
        self.sign(&claims).map(SecretString::from)
    }

    /// The public half, as others fetch it.
    pub fn public_keys(&self) -> JwkSet {
        JwkSet { keys: vec![self.public.clone()] }
    }
}

impl std::fmt::Debug for SigningKey {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("SigningKey").field("kid", &self.header.kid).finish_non_exhaustive()
    }
}
