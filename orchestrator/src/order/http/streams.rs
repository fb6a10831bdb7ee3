//! The bound of streams: so many for one user, so many in all.

use std::collections::HashMap;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use axum::http::StatusCode;
use service::http::Problem;
use uuid::Uuid;

/// Streams of one user: a few tabs and devices.
const OF_A_USER_MAX: usize = 5;
/// Streams of one process: each looks into the database from time to time.
const ALL_MAX: usize = 500;
/// When to try again, in seconds.
const RETRY_AFTER_SECONDS: u32 = 10;

/// Who has how many streams. Cheap to clone.
#[derive(Clone, Default)]
pub(super) struct Streams(Arc<Mutex<HashMap<Uuid, usize>>>);

/// One stream's place; free again when it is dropped.
pub(super) struct Place {
    streams: Streams,
    user_id: Uuid,
}

impl Streams {
    /// A place for one more stream.
    ///
    /// # Errors
    /// 429: the user has, or all have, too many.
    pub(super) fn enter(&self, user_id: Uuid) -> Result<Place, Problem> {
        let mut streams = self.lock();
        let all: usize = streams.values().sum();
        let own = streams.get(&user_id).copied().unwrap_or_default();
        if own >= OF_A_USER_MAX || all >= ALL_MAX {
            let problem =
                Problem::new(StatusCode::TOO_MANY_REQUESTS, "too_many_streams", "too many open streams");
            return Err(problem.retry_after(RETRY_AFTER_SECONDS));
        }
        streams.insert(user_id, own + 1);
        Ok(Place { streams: self.clone(), user_id })
    }

    fn lock(&self) -> MutexGuard<'_, HashMap<Uuid, usize>> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Drop for Place {
    fn drop(&mut self) {
        let mut streams = self.streams.lock();
        if let Some(own) = streams.get_mut(&self.user_id) {
            *own -= 1;
            if *own == 0 {
                streams.remove(&self.user_id);
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_place_is_free_again_when_its_stream_ends() {
        let (streams, user_id) = (Streams::default(), Uuid::now_v7());
        let places: Vec<Place> = (0..OF_A_USER_MAX).map(|_| streams.enter(user_id).ok().unwrap()).collect();
        assert!(streams.enter(user_id).is_err());
        assert!(streams.enter(Uuid::now_v7()).is_ok(), "others have their own");
        drop(places);
        assert!(streams.enter(user_id).is_ok());
        assert!(streams.lock().is_empty());
    }
}
