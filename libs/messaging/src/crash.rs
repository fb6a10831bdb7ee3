//! Named points at which a process can be made to die by SIGKILL: how crash safety is shown on the
//! very binary that is shipped. Costs one load of an atomic where nothing is armed.

use std::sync::OnceLock;
use std::sync::atomic::{AtomicU32, Ordering};

/// A place where dying hurts most.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Point {
    /// The rows are saved, the transaction is not committed.
    BeforeCommit,
    /// Committed; nothing is published.
    AfterCommitBeforePublish,
    /// Published and acknowledged; the inputs are not.
    AfterPublishBeforeAck,
    /// A batch that undoes is committed; nothing of it is published.
    WhileUndoing,
}

impl Point {
    const ALL: [Self; 4] =
        [Self::BeforeCommit, Self::AfterCommitBeforePublish, Self::AfterPublishBeforeAck, Self::WhileUndoing];

    /// The name by which it is armed.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::BeforeCommit => "before_commit",
            Self::AfterCommitBeforePublish => "after_commit_before_publish",
            Self::AfterPublishBeforeAck => "after_publish_before_ack",
            Self::WhileUndoing => "while_undoing",
        }
    }
}

struct Armed {
    service: String,
    point: Point,
    left: AtomicU32,
}

static ARMED: OnceLock<Armed> = OnceLock::new();

/// The words do not name a point.
#[derive(Debug, thiserror::Error)]
#[error(
    "{0:?} is not <service>:<point>:<n>; points are before_commit, after_commit_before_publish, \
         after_publish_before_ack, while_undoing"
)]
pub struct UnknownPoint(String);

/// Arms one point of this process by `<service>:<point>:<n>`: the process dies when that service's
/// loop or publisher comes there for the n-th time.
///
/// # Errors
/// The words do not name a point.
pub fn arm(words: &str) -> Result<(), UnknownPoint> {
    let unknown = || UnknownPoint(words.to_owned());
    let [service, name, count] = words.split(':').collect::<Vec<_>>()[..] else { return Err(unknown()) };
    let point = Point::ALL.into_iter().find(|point| point.as_str() == name).ok_or_else(unknown)?;
    let left = count.parse().ok().filter(|count| *count > 0).ok_or_else(unknown)?;
    // Armed once at the start of a process; a second time changes nothing.
    let _ = ARMED.set(Armed { service: service.to_owned(), point, left: AtomicU32::new(left) });
    Ok(())
}

/// Dies here, if this is what was armed.
pub(crate) fn reach(service: &str, point: Point) {
    let Some(armed) = ARMED.get() else { return };
    if armed.point == point && armed.service == service && armed.left.fetch_sub(1, Ordering::Relaxed) == 1 {
        // SIGKILL cannot be caught: no destructor, no flush, no goodbye.
        let _ = nix::sys::signal::kill(nix::unistd::getpid(), nix::sys::signal::Signal::SIGKILL);
        loop {
            std::thread::park();
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_known_points_can_be_armed() {
        for words in
            ["", "billing", "billing:nowhere:1", "billing:before_commit:0", "billing:before_commit:x"]
        {
            assert!(arm(words).is_err(), "{words}");
        }
    }
}
