//! Makes signing keys.

use pem::{LineEnding, Pem};
use rand::Rng;
use secrecy::SecretString;

/// The head of an Ed25519 private key in PKCS#8 (RFC 8410); the 32 bytes of the seed follow.
const PKCS8_HEAD: [u8; 16] = [0x30, 0x2e, 2, 1, 0, 0x30, 5, 6, 3, 0x2b, 0x65, 0x70, 4, 0x22, 4, 0x20];

/// A new Ed25519 signing key, PEM (PKCS#8): what `AUTH_SIGNING_KEY` takes.
pub fn generate() -> SecretString {
    let mut der = PKCS8_HEAD.to_vec();
    let mut seed = [0; 32];
    rand::rng().fill_bytes(&mut seed);
    der.extend_from_slice(&seed);
    let config = pem::EncodeConfig::new().set_line_ending(LineEnding::LF);
    SecretString::from(pem::encode_config(&Pem::new("PRIVATE KEY", der), config))
}

#[cfg(test)]
mod tests {
    use secrecy::ExposeSecret;
    use service::token::{Claims, Identity, SigningKey, TokenVerifier};

    use super::*;

    #[tokio::test]
    async fn a_generated_key_signs_what_its_public_half_verifies() {
        let key = SigningKey::from_pem(&generate()).unwrap();
        let now = chrono::Utc::now().timestamp();
        let token = key.sign(&Claims::of_service("billing", now, 60)).unwrap();
        let verified = TokenVerifier::with_keys(&key.public_keys()).verify(&token).await.unwrap();
        assert_eq!(*verified, Identity::Service("billing".to_owned()));
    }

    #[test]
    fn no_two_keys_are_the_same() {
        assert_ne!(generate().expose_secret(), generate().expose_secret());
    }
}
