//! Keys by which NATS knows its users: the server is told the public half, the seed stays with the user and is never
//! sent.

use nkeys::{KeyPair, KeyPairType};
use secrecy::{ExposeSecret, SecretString};

/// It is no seed of a user. Does not say what it is.
#[derive(Debug, thiserror::Error)]
#[error("it is no seed of a NATS user: 58 characters that begin with SU")]
pub struct NotASeed;

/// The seed of a new user.
pub fn new_seed() -> SecretString {
    // It fails for halves without a seed; this one was made with it.
    KeyPair::new_user().seed().unwrap_or_default().into()
}

/// The public half, which is no secret.
///
/// # Errors
/// It is no seed of a user.
pub fn public_key(seed: &SecretString) -> Result<String, NotASeed> {
    let pair = KeyPair::from_seed(seed.expose_secret()).map_err(|_| NotASeed)?;
    if pair.key_pair_type() != KeyPairType::User {
        return Err(NotASeed);
    }
    Ok(pair.public_key())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_new_seed_has_a_public_half() {
        let seed = new_seed();
        assert!(seed.expose_secret().starts_with("SU"));
        assert!(public_key(&seed).unwrap().starts_with('U'));
        assert_ne!(public_key(&seed).unwrap(), public_key(&new_seed()).unwrap());
    }

    #[test]
    fn what_is_no_seed_of_a_user_is_not_repeated() {
        let account = KeyPair::new_account().seed().unwrap();
        let cut = new_seed().expose_secret()[..50].to_owned();
        for wrong in ["sesame".to_owned(), account, cut] {
            let error = public_key(&wrong.clone().into()).unwrap_err();
            assert!(!format!("{error} {error:?}").contains(&wrong));
        }
    }
}
