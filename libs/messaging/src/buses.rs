//! The connections of a process: one a service, so that each is on the server who it is, also where several live in
//! one process.

use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use crate::bus::{Access, Bus, ConnectError};

/// A server that takes nothing for so long is not waited for.
const FLUSHED_WITHIN: Duration = Duration::from_secs(1);

/// By user, in the order in which they came. Cheap to clone, and then the same.
#[derive(Debug, Clone, Default)]
pub struct Buses(Arc<Mutex<Vec<(&'static str, Bus)>>>);

impl Buses {
    /// The user's connection; made at the first time.
    ///
    /// # Errors
    /// As [`Bus::connect_as`].
    pub async fn of(&self, user: &'static str, url: &str, access: &Access) -> Result<Bus, ConnectError> {
        if let Some(known) = self.find(user) {
            return Ok(known);
        }
        let made = Bus::connect_as(url, user, access).await?;
        self.lock().push((user, made.clone()));
        Ok(made)
    }

    fn find(&self, user: &str) -> Option<Bus> {
        self.lock().iter().find(|(known, _)| *known == user).map(|(_, bus)| bus.clone())
    }

    /// All of them.
    pub fn all(&self) -> Vec<Bus> {
        self.lock().iter().map(|(_, bus)| bus.clone()).collect()
    }

    /// Has everything sent that was said: at the end of a process, where an acknowledgement would be lost with it.
    pub async fn flush(&self) {
        let flushed = self.all().into_iter().filter(Bus::is_connected).map(|bus| async move {
            let _ = tokio::time::timeout(FLUSHED_WITHIN, bus.client().flush()).await;
        });
        futures::future::join_all(flushed).await;
    }

    /// Whether the server can be reached now, by all of them.
    pub fn are_connected(&self) -> bool {
        self.lock().iter().all(|(_, bus)| bus.is_connected())
    }

    /// Those that the server does not let in, each with why.
    pub fn refusals(&self) -> Vec<String> {
        self.lock().iter().filter_map(|(_, bus)| bus.refusal()).collect()
    }

    /// See [`Bus::missing_roads`].
    pub fn missing_roads(&self) -> Vec<String> {
        self.lock().iter().flat_map(|(_, bus)| bus.missing_roads()).collect()
    }

    fn lock(&self) -> MutexGuard<'_, Vec<(&'static str, Bus)>> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}
