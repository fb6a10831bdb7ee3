//! Which of the streams and consumers that a process makes are there, as it last heard; for `/readyz`.
//! A server that does not answer says nothing about them: only a refusal does.

use std::collections::BTreeMap;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use crate::topology::TopologyError;

/// What is wrong with a road that was never there.
const NOT_MADE: &str = "not made yet";

/// By name, what is wrong. Cheap to clone.
#[derive(Debug, Clone, Default)]
pub(crate) struct Roads(Arc<Mutex<BTreeMap<String, Option<String>>>>);

impl Roads {
    /// Somebody is about to look whether it is there.
    pub(crate) fn wanted(&self, name: &str) {
        let mut roads = self.lock();
        if !roads.contains_key(name) {
            roads.insert(name.to_owned(), Some(NOT_MADE.to_owned()));
        }
    }

    /// What came of it.
    pub(crate) fn looked<T>(&self, name: &str, outcome: &Result<T, TopologyError>) {
        let wrong = match outcome {
            Ok(_) => None,
            Err(error) if error.is_refusal() => Some(error.why().to_owned()),
            Err(_) => return,
        };
        self.lock().insert(name.to_owned(), wrong);
    }

    /// Those that are missing, each with why.
    pub(crate) fn missing(&self) -> Vec<String> {
        let roads = self.lock();
        let wrong = roads.iter().filter_map(|(name, wrong)| Some((name, wrong.as_ref()?)));
        wrong.map(|(name, wrong)| format!("{name}: {wrong}")).collect()
    }

    fn lock(&self) -> MutexGuard<'_, BTreeMap<String, Option<String>>> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}
