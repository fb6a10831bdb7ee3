//! Hashes and checks passwords: argon2id, off the runtime's threads, a few at a time.

use std::sync::Arc;
use std::time::Duration;

use argon2::password_hash::phc::PasswordHash;
use argon2::{Algorithm, Argon2, Params, PasswordHasher, PasswordVerifier, Version};
use secrecy::{ExposeSecret, SecretString};
use service::config::SecurityConfig;
use service::http::Problem;
use tokio::sync::{OwnedSemaphorePermit, Semaphore};

/// How long a password waits for its turn.
const TURN_WAIT: Duration = Duration::from_secs(5);

/// Hashes and checks passwords.
pub(crate) struct Passwords {
    argon2: Argon2<'static>,
    turns: Arc<Semaphore>,
    /// The hash of no password, checked for users who do not exist, so that they take as long.
    nobody: String,
    turn_wait: Duration,
}

/// The right to work on a password now.
pub(crate) struct Turn(
    #[expect(dead_code, reason = "held, and given back by its drop")] OwnedSemaphorePermit,
);

/// A password was neither hashed nor checked.
#[derive(Debug, thiserror::Error)]
pub(crate) enum PasswordError {
    #[error("too many passwords are being checked")]
    Busy,
    #[error("password hashing failed: {0}")]
    Hash(#[from] argon2::password_hash::Error),
    #[error("the cost of password hashing is out of bounds: {0}")]
    Cost(argon2::Error),
    #[error("password hashing was interrupted: {0}")]
    Interrupted(#[from] tokio::task::JoinError),
}

impl From<PasswordError> for Problem {
    fn from(error: PasswordError) -> Self {
        match error {
            PasswordError::Busy => Self::unavailable("too_busy", error.to_string(), 2),
            other => Self::internal(&other),
        }
    }
}

impl Passwords {
    pub(crate) fn new(security: &SecurityConfig) -> Result<Self, PasswordError> {
        let params = Params::new(security.argon2_memory_kib, security.argon2_passes, 1, None);
        let argon2 = Argon2::new(Algorithm::Argon2id, Version::V0x13, params.map_err(PasswordError::Cost)?);
        let nobody = argon2.hash_password(&rand::random::<[u8; 32]>())?.to_string();
        Ok(Self {
            argon2,
            turns: Arc::new(Semaphore::new(security.passwords_at_once)),
            nobody,
            turn_wait: TURN_WAIT,
        })
    }

    /// Waits for a turn: as many as the configuration says are given at a time.
    pub(crate) async fn turn(&self) -> Result<Turn, PasswordError> {
        let turn = tokio::time::timeout(self.turn_wait, Arc::clone(&self.turns).acquire_owned());
        // The semaphore is never closed.
        turn.await.map_err(|_| PasswordError::Busy)?.map(Turn).map_err(|_| PasswordError::Busy)
    }

    /// The hash to store, with its salt and cost (PHC format).
    pub(crate) async fn hash(&self, password: SecretString) -> Result<String, PasswordError> {
        let hash = move |argon2: &Argon2<'_>| argon2.hash_password(password.expose_secret().as_bytes());
        let turn = self.turn().await?;
        let (hash, _) = self.work(turn, move |argon2| hash(argon2).map(|hash| hash.to_string())).await?;
        Ok(hash?)
    }

    /// Whether the password is that of `stored`; takes as long when there is none. The turn comes back, so
    /// that the next attempt can wait until this one is noted.
    pub(crate) async fn verify(
        &self,
        turn: Turn,
        password: SecretString,
        stored: Option<String>,
    ) -> Result<(bool, Turn), PasswordError> {
        let exists = stored.is_some();
        let stored = stored.unwrap_or_else(|| self.nobody.clone());
        let verify = move |argon2: &Argon2<'_>| -> Result<(), argon2::password_hash::Error> {
            argon2.verify_password(password.expose_secret().as_bytes(), &PasswordHash::new(&stored)?)
        };
        match self.work(turn, verify).await? {
            (Ok(()), turn) => Ok((exists, turn)),
            (Err(argon2::password_hash::Error::PasswordInvalid), turn) => Ok((false, turn)),
            (Err(error), _) => Err(error.into()),
        }
    }

    async fn work<T: Send + 'static>(
        &self,
        turn: Turn,
        work: impl FnOnce(&Argon2<'static>) -> T + Send + 'static,
    ) -> Result<(T, Turn), PasswordError> {
        let argon2 = self.argon2.clone();
        // The turn is held to the end of the work: a caller who hangs up frees no core.
        Ok(tokio::task::spawn_blocking(move || (work(&argon2), turn)).await?)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn cheap(passwords_at_once: usize) -> Passwords {
        let cost = SecurityConfig { argon2_memory_kib: 64, argon2_passes: 1, ..SecurityConfig::default() };
        Passwords::new(&SecurityConfig { passwords_at_once, ..cost }).unwrap()
    }

    #[tokio::test]
    async fn only_the_right_password_is_right() {
        let passwords = cheap(1);
        let stored = passwords.hash("correct horse".into()).await.unwrap();
        assert!(stored.starts_with("$argon2id$"));
        let verify = async |password: &str, stored: Option<String>| {
            let turn = passwords.turn().await.unwrap();
            passwords.verify(turn, password.into(), stored).await.unwrap().0
        };
        assert!(verify("correct horse", Some(stored.clone())).await);
        assert!(!verify("wrong horse", Some(stored)).await);
        assert!(!verify("correct horse", None).await);
    }

    #[tokio::test]
    async fn the_same_password_is_stored_differently() {
        let passwords = cheap(1);
        assert_ne!(
            passwords.hash("same".into()).await.unwrap(),
            passwords.hash("same".into()).await.unwrap()
        );
    }

    #[tokio::test]
    async fn who_waits_too_long_for_a_turn_is_told_to_come_back() {
        let passwords = Passwords { turn_wait: Duration::from_millis(10), ..cheap(1) };
        let turn = passwords.turn().await.unwrap();
        assert!(matches!(passwords.hash("any".into()).await, Err(PasswordError::Busy)));
        // Checked, and not yet given back.
        let (_, turn) = passwords.verify(turn, "any".into(), None).await.unwrap();
        assert!(matches!(passwords.turn().await, Err(PasswordError::Busy)));
        drop(turn);
        assert!(passwords.hash("any".into()).await.is_ok());
    }
}
