//! Which of the streams and consumers that a process makes are there, as it last heard, for `/readyz`; and which streams
//! are not as they should be. A server that does not answer says nothing about them: only a refusal does.

use std::collections::BTreeMap;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use trace::seldom::Seldom;

use crate::topology::TopologyError;

/// What is wrong with a road that was never there.
const NOT_MADE: &str = "not made yet";

/// Cheap to clone, and then the same.
#[derive(Debug, Clone, Default)]
pub(crate) struct Roads(Arc<Known>);

#[derive(Debug, Default)]
struct Known {
    /// By name, what is wrong.
    own: Mutex<BTreeMap<String, Option<String>>>,
    /// By stream, which of its settings differ from ours.
    differing: Mutex<BTreeMap<String, Vec<&'static str>>>,
    /// Streams of others that could not be made.
    unmade: Seldom,
}

impl Roads {
    /// Somebody is about to look whether it is there.
    pub(crate) fn wanted(&self, name: &str) {
        let mut roads = lock(&self.0.own);
        if !roads.contains_key(name) {
            roads.insert(name.to_owned(), Some(NOT_MADE.to_owned()));
        }
    }

    /// Whether it has been there since this process began.
    pub(crate) fn was_there(&self, name: &str) -> bool {
        lock(&self.0.own).get(name).is_some_and(|wrong| wrong.as_deref() != Some(NOT_MADE))
    }

    /// What came of it.
    pub(crate) fn looked<T>(&self, name: &str, outcome: &Result<T, TopologyError>) {
        let wrong = match outcome {
            Ok(_) => None,
            Err(error) if error.is_refusal() => Some(error.why().to_owned()),
            Err(_) => return,
        };
        lock(&self.0.own).insert(name.to_owned(), wrong);
    }

    /// Those that are missing, each with why.
    pub(crate) fn missing(&self) -> Vec<String> {
        let roads = lock(&self.0.own);
        let wrong = roads.iter().filter_map(|(name, wrong)| Some((name, wrong.as_ref()?)));
        wrong.map(|(name, wrong)| format!("{name}: {wrong}")).collect()
    }

    /// These settings of a stream differ from ours, or none do: whether that is news.
    pub(crate) fn differs(&self, stream: &str, settings: &[&'static str]) -> bool {
        let mut differing = lock(&self.0.differing);
        let known = differing.get(stream).is_some_and(|known| known == settings);
        if !known {
            differing.insert(stream.to_owned(), settings.to_vec());
        }
        !known
    }

    /// What of streams that others read could not be made.
    pub(crate) fn unmade(&self) -> &Seldom {
        &self.0.unmade
    }
}

fn lock<T>(known: &Mutex<T>) -> MutexGuard<'_, T> {
    known.lock().unwrap_or_else(PoisonError::into_inner)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_differs_is_news_once_and_again_when_it_changes() {
        let roads = Roads::default();
        let said = [&["republish"][..], &["republish"], &["max_age"], &[], &[], &["max_age"]]
            .map(|settings| roads.differs("CMD_STOCK", settings));
        assert_eq!(said, [true, false, true, true, false, true]);
        assert!(roads.differs("CMD_BILLING", &["max_age"]), "of each stream");
    }
}
