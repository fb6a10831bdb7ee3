//! Public halves of signing keys, in PEM and as JSON Web Keys: what is verified with.

use base64::Engine;
use base64::prelude::BASE64_URL_SAFE_NO_PAD;
use jsonwebtoken::jwk::{
    AlgorithmParameters, CommonParameters, EllipticCurve, Jwk, JwkSet, KeyAlgorithm, OctetKeyPairParameters,
    OctetKeyPairType, PublicKeyUse, ThumbprintHash,
};
use pem::{EncodeConfig, LineEnding, Pem};
use secrecy::{ExposeSecret, SecretString};

use super::SigningKey;

/// The head of an Ed25519 public key (SubjectPublicKeyInfo, RFC 8410); the 32 bytes of the key follow.
const PUBLIC_HEAD: [u8; 12] = [0x30, 0x2a, 0x30, 5, 6, 3, 0x2b, 0x65, 0x70, 3, 0x21, 0];
const PUBLIC_TAG: &str = "PUBLIC KEY";
const PRIVATE_TAG: &str = "PRIVATE KEY";

/// A key cannot be used.
#[derive(Debug, thiserror::Error)]
pub enum KeyError {
    /// It is no signing key.
    #[error("the signing key is not an Ed25519 key in PEM (PKCS#8): {0}")]
    Signing(#[from] jsonwebtoken::errors::Error),
    /// They are no keys to verify with.
    #[error("the verification keys are not Ed25519 keys in PEM: {0}")]
    Verification(String),
}

/// Reads keys whose tokens are accepted: PEM blocks one after the other, public or private halves.
///
/// # Errors
/// One of them is no Ed25519 key, or there is none.
pub fn verification_keys(pem: &SecretString) -> Result<JwkSet, KeyError> {
    let blocks = pem::parse_many(pem.expose_secret().as_bytes());
    let blocks = blocks.map_err(|error| KeyError::Verification(error.to_string()))?;
    if blocks.is_empty() {
        return Err(KeyError::Verification("no key was found".to_owned()));
    }
    Ok(JwkSet { keys: blocks.iter().map(key_of).collect::<Result<_, _>>()? })
}

fn key_of(block: &Pem) -> Result<Jwk, KeyError> {
    match block.tag() {
        PRIVATE_TAG => Ok(SigningKey::from_pem(&pem::encode(block).into())?.public),
        PUBLIC_TAG => match block.contents().strip_prefix(&PUBLIC_HEAD) {
            Some(key) if key.len() == 32 => Ok(of_bytes(key)?),
            _ => Err(KeyError::Verification("a public key of another kind".to_owned())),
        },
        other => Err(KeyError::Verification(format!("a block called {other}"))),
    }
}

fn of_bytes(key: &[u8]) -> Result<Jwk, jsonwebtoken::errors::Error> {
    named(Jwk {
        common: CommonParameters::default(),
        algorithm: AlgorithmParameters::OctetKeyPair(OctetKeyPairParameters {
            key_type: OctetKeyPairType::OctetKeyPair,
            curve: EllipticCurve::Ed25519,
            x: BASE64_URL_SAFE_NO_PAD.encode(key),
        }),
    })
}

/// A key with its `kid`, which is derived from it (RFC 7638): the same key has the same name everywhere.
pub(super) fn named(mut key: Jwk) -> Result<Jwk, jsonwebtoken::errors::Error> {
    key.common.key_id = Some(key.thumbprint(ThumbprintHash::SHA256)?);
    key.common.key_algorithm = Some(KeyAlgorithm::EdDSA);
    key.common.public_key_use = Some(PublicKeyUse::Signature);
    Ok(key)
}

impl SigningKey {
    /// The public half in PEM: what still verifies when this key signs no more.
    ///
    /// # Errors
    /// The key is of another kind, which [`SigningKey::from_pem`] does not take.
    pub fn public_pem(&self) -> Result<String, KeyError> {
        let AlgorithmParameters::OctetKeyPair(pair) = &self.public.algorithm else {
            return Err(KeyError::Verification("a key of another kind".to_owned()));
        };
        let key = BASE64_URL_SAFE_NO_PAD.decode(&pair.x);
        let key = key.map_err(|error| KeyError::Verification(error.to_string()))?;
        let der = [&PUBLIC_HEAD[..], &key].concat();
        let config = EncodeConfig::new().set_line_ending(LineEnding::LF);
        Ok(pem::encode_config(&Pem::new(PUBLIC_TAG, der), config))
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::token::{Claims, TokenVerifier};

    fn key(seed: u8) -> (String, SigningKey) {
        let head = [0x30, 0x2e, 2, 1, 0, 0x30, 5, 6, 3, 0x2b, 0x65, 0x70, 4, 0x22, 4, 0x20];
        let pem = pem::encode(&Pem::new(PRIVATE_TAG, [&head[..], &[seed; 32]].concat()));
        let key = SigningKey::from_pem(&pem.clone().into()).unwrap();
        (pem, key)
    }

    #[test]
    fn the_public_half_is_the_same_key_with_the_same_name() {
        let (private, key) = key(7);
        let public = key.public_pem().unwrap();
        assert!(public.starts_with("-----BEGIN PUBLIC KEY-----\n"));
        assert_eq!(verification_keys(&public.into()).unwrap(), key.public_keys());
        assert_eq!(verification_keys(&private.into()).unwrap(), key.public_keys());
    }

    #[tokio::test]
    async fn tokens_of_every_key_in_the_list_are_accepted() {
        let ((first, one), (_, other), (_, third)) = (key(1), key(2), key(3));
        let list = format!("{first}{}", other.public_pem().unwrap());
        let verifier = TokenVerifier::with_keys(&verification_keys(&list.into()).unwrap());
        let claims = Claims::of_service("billing", chrono::Utc::now().timestamp(), 60);
        for known in [one, other] {
            assert!(verifier.verify(&known.sign(&claims).unwrap()).await.is_ok());
        }
        assert!(verifier.verify(&third.sign(&claims).unwrap()).await.is_err());
    }

    #[test]
    fn what_is_no_ed25519_key_is_refused() {
        let rsa = pem::encode(&Pem::new(PUBLIC_TAG, vec![0x30; 44]));
        let certificate = pem::encode(&Pem::new("CERTIFICATE", vec![1]));
        for bad in ["", "no key", &rsa, &certificate] {
            assert!(verification_keys(&bad.into()).is_err(), "{bad}");
        }
    }
}
