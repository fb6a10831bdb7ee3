//! Named points at which a process can be made to die by SIGKILL, or to stand still by SIGSTOP, and messages
//! that it can be made to die of: how crash safety is shown on the very binary that is shipped. Costs one
//! load where nothing is armed.

use std::sync::OnceLock;
use std::sync::atomic::{AtomicU32, Ordering};

use bytes::Bytes;
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
    trigger: Trigger,
    fate: Fate,
}

/// What sets it off.
enum Trigger {
    /// Coming to a point so many times.
    Passage { point: Point, left: AtomicU32 },
    /// A message in which this stands, every time.
    Message(String),
}

static ARMED: OnceLock<Armed> = OnceLock::new();

/// The words do not name a point.
#[derive(Debug, thiserror::Error)]
#[error(
    "{0:?} is not <service>:<point>:<n> or <service>:on:<text>; points are before_commit, \
         after_commit_before_publish, after_publish_before_ack, while_undoing"
)]
pub struct UnknownPoint(String);

/// Arms one point of this process by `<service>:<point>:<n>`: the process dies when that service's
/// loop or publisher comes there for the n-th time. With `:freeze` behind it, it stands still instead. By
/// `<service>:on:<text>` it dies before it commits a batch with a message in which that text stands.
///
/// # Errors
/// The words do not name a point.
pub fn arm(words: &str) -> Result<(), UnknownPoint> {
    let unknown = || UnknownPoint(words.to_owned());
    let (service, trigger, fate) = match words.split(':').collect::<Vec<_>>()[..] {
        [service, "on", text] if !text.is_empty() => (service, Trigger::Message(text.to_owned()), Fate::Die),
        [service, name, count] => (service, passage(name, count).ok_or_else(unknown)?, Fate::Die),
        [service, name, count, "freeze"] => {
            (service, passage(name, count).ok_or_else(unknown)?, Fate::Freeze)
        }
        _ => return Err(unknown()),
    };
    // Armed once at the start of a process; a second time changes nothing.
    let _ = ARMED.set(Armed { service: service.to_owned(), trigger, fate });
    Ok(())
}

fn passage(name: &str, count: &str) -> Option<Trigger> {
    let point = Point::ALL.into_iter().find(|point| point.as_str() == name)?;
    let left = count.parse().ok().filter(|count| *count > 0)?;
    Some(Trigger::Passage { point, left: AtomicU32::new(left) })
}

/// Dies or freezes here, if this is what was armed.
pub(crate) fn reach(service: &str, point: Point) {
    let Some(Armed { service: armed, trigger: Trigger::Passage { point: at, left }, fate }) = ARMED.get()
    else {
        return;
    };
    if *at == point && armed == service && left.fetch_sub(1, Ordering::Relaxed) == 1 {
        fate.strikes();
    }
}

/// Dies of one of these messages, if that is what was armed. They are only asked for then.
pub(crate) fn meet(service: &str, mut messages: impl Iterator<Item = Bytes>) {
    let Some(Armed { service: armed, trigger: Trigger::Message(text), fate }) = ARMED.get() else { return };
    let has_it = |message: Bytes| message.windows(text.len()).any(|part| part == text.as_bytes());
    if armed == service && messages.any(has_it) {
        fate.strikes();
    }
}

impl Fate {
    fn strikes(self) {
        let signal = match self {
            Self::Die => Signal::SIGKILL,
            Self::Freeze => Signal::SIGSTOP,
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
            "a:on:",
        ] {
            assert!(arm(words).is_err(), "{words}");
        }
    }
}
