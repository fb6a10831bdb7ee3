//! The key that signs tokens, and its public half.

use jsonwebtoken::jwk::{Jwk, JwkSet, KeyAlgorithm, PublicKeyUse, ThumbprintHash};
use jsonwebtoken::{Algorithm, EncodingKey, Header, encode};
use secrecy::{ExposeSecret, SecretString};

use super::Claims;

/// An Ed25519 key; its `kid` is derived from it (RFC 7638), so that the same key has the same name
/// everywhere.
#[derive(Clone)]
pub struct SigningKey {
    key: EncodingKey,
    header: Header,
    public: Jwk,
}

/// The signing key cannot be used.
#[derive(Debug, thiserror::Error)]
#[error("the signing key is not an Ed25519 key in PEM (PKCS#8): {0}")]
pub struct SigningKeyError(#[from] jsonwebtoken::errors::Error);

impl SigningKey {
    /// Reads a key in PEM (PKCS#8, without the public half: as `openssl genpkey` writes it).
    ///
    /// # Errors
    /// It is not such a key.
    pub fn from_pem(pem: &SecretString) -> Result<Self, SigningKeyError> {
        let key = EncodingKey::from_ed_pem(pem.expose_secret().as_bytes())?;
        let mut public = Jwk::from_encoding_key(&key, Algorithm::EdDSA)?;
        let kid = public.thumbprint(ThumbprintHash::SHA256)?;
        public.common.key_id = Some(kid.clone());
        public.common.key_algorithm = Some(KeyAlgorithm::EdDSA);
        public.common.public_key_use = Some(PublicKeyUse::Signature);
        let header = Header { kid: Some(kid), ..Header::new(Algorithm::EdDSA) };
        Ok(Self { key, header, public })
    }

    /// A signed token.
    ///
    /// # Errors
    /// The cryptographic library refuses.
    pub fn sign(&self, claims: &Claims) -> Result<String, SigningKeyError> {
        Ok(encode(&self.header, claims, &self.key)?)
    }

    /// A token with which the service `name` is let in by others.
    ///
    /// # Errors
    /// The cryptographic library refuses.
    pub fn service_token(&self, name: &str, lifetime_days: u32) -> Result<SecretString, SigningKeyError> {
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
