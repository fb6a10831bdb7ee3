//! Tokens that were verified a moment ago: a signature is checked once per token, not once per
//! request. Bounded by two generations: when the young one is full it becomes the old one, and what
//! was the old one is forgotten.

use std::collections::HashMap;
use std::sync::{Arc, Mutex, PoisonError};

use sha2::{Digest, Sha256};

use super::Identity;

/// Tokens in one generation.
const GENERATION_MAX: usize = 16_384;

/// A token is known by its SHA-256: the token itself is not kept.
pub(super) type Fingerprint = [u8; 32];

pub(super) fn fingerprint(token: &str) -> Fingerprint {
    Sha256::digest(token).into()
}

#[derive(Debug, Clone)]
struct Verified {
    identity: Arc<Identity>,
    expires_at: i64,
}

#[derive(Debug, Default)]
struct Generations {
    young: HashMap<Fingerprint, Verified>,
    old: HashMap<Fingerprint, Verified>,
}

#[derive(Debug, Default)]
pub(super) struct Cache(Mutex<Generations>);

impl Cache {
    /// Whose token it is, if it was verified and is still valid at `now` (seconds since 1970).
    pub(super) fn get(&self, fingerprint: &Fingerprint, now: i64) -> Option<Arc<Identity>> {
        let mut generations = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        let mut verified = generations.young.get(fingerprint).cloned();
        if verified.is_none() {
            verified = generations.old.remove(fingerprint);
            if let Some(verified) = &verified {
                generations.insert(*fingerprint, verified.clone());
            }
        }
        verified.filter(|verified| verified.expires_at > now).map(|verified| verified.identity)
    }

    /// Forgets every token.
    pub(super) fn clear(&self) {
        *self.0.lock().unwrap_or_else(PoisonError::into_inner) = Generations::default();
    }

    pub(super) fn insert(&self, fingerprint: Fingerprint, identity: Arc<Identity>, expires_at: i64) {
        let mut generations = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        generations.insert(fingerprint, Verified { identity, expires_at });
    }
}

impl Generations {
    fn insert(&mut self, fingerprint: Fingerprint, verified: Verified) {
        if self.young.len() >= GENERATION_MAX {
            self.old = std::mem::take(&mut self.young);
        }
        self.young.insert(fingerprint, verified);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn somebody() -> Arc<Identity> {
        Arc::new(Identity::Service("stock".to_owned()))
    }

    #[test]
    fn a_token_is_forgotten_at_its_end() {
        let cache = Cache::default();
        cache.insert(fingerprint("t"), somebody(), 100);
        assert!(cache.get(&fingerprint("t"), 99).is_some());
        assert!(cache.get(&fingerprint("t"), 100).is_none());
        assert!(cache.get(&fingerprint("other"), 99).is_none());
    }

    #[test]
    fn the_cache_is_bounded_and_keeps_what_is_used() {
        let cache = Cache::default();
        cache.insert(fingerprint("used"), somebody(), 100);
        for number in 0..GENERATION_MAX * 4 {
            cache.insert(fingerprint(&number.to_string()), somebody(), 100);
            if number % 1000 == 0 {
                assert!(cache.get(&fingerprint("used"), 1).is_some());
            }
        }
        let generations = cache.0.lock().unwrap();
        assert!(generations.young.len() + generations.old.len() <= 2 * GENERATION_MAX);
        drop(generations);
        assert!(cache.get(&fingerprint("0"), 1).is_none());
    }
}
