//! Named points at which a process can be made to die by SIGKILL, or to stand still by SIGSTOP: how
//! crash safety is shown on the very binary that is shipped. Costs one load where nothing is armed.

use std::sync::OnceLock;
use std::sync::atomic::{AtomicU32, Ordering};

use nix::sys::signal::Signal;

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

/// What happens at the point.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Fate {
    /// SIGKILL cannot be caught: no destructor, no flush, no goodbye.
    Die,
    /// SIGSTOP: the process keeps its connections and its locks, until SIGCONT.
    Freeze,
}

struct Armed {
    service: String,
    point: Point,
    left: AtomicU32,
    fate: Fate,
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
/// loop or publisher comes there for the n-th time. With `:freeze` behind it, it stands still instead.
///
/// # Errors
/// The words do not name a point.
pub fn arm(words: &str) -> Result<(), UnknownPoint> {
    let unknown = || UnknownPoint(words.to_owned());
    let (service, name, count, fate) = match words.split(':').collect::<Vec<_>>()[..] {
        [service, name, count] => (service, name, count, Fate::Die),
        [service, name, count, "freeze"] => (service, name, count, Fate::Freeze),
        _ => return Err(unknown()),
    };
    let point = Point::ALL.into_iter().find(|point| point.as_str() == name).ok_or_else(unknown)?;
    let left = count.parse().ok().filter(|count| *count > 0).ok_or_else(unknown)?;
    // Armed once at the start of a process; a second time changes nothing.
    let _ = ARMED.set(Armed { service: service.to_owned(), point, left: AtomicU32::new(left), fate });
    Ok(())
}

/// Dies or freezes here, if this is what was armed.
pub(crate) fn reach(service: &str, point: Point) {
    let Some(armed) = ARMED.get() else { return };
    let here = armed.point == point && armed.service == service;
    if here && armed.left.fetch_sub(1, Ordering::Relaxed) == 1 {
        let signal = match armed.fate {
            Fate::Die => Signal::SIGKILL,
            Fate::Freeze => Signal::SIGSTOP,
        };
        let _ = nix::sys::signal::kill(nix::unistd::getpid(), signal);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_known_points_can_be_armed() {
        for words in [
            "",
            "billing",
            "billing:nowhere:1",
            "billing:before_commit:0",
            "billing:before_commit:x",
            "a:before_commit:1:thaw",
        ] {
            assert!(arm(words).is_err(), "{words}");
        }
    }
}
