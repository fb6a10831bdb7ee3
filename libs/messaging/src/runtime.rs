//! What every task here needs to live and to end: the order to stop and the list of who still runs.

use crate::dead_letters::DeadLetterDesks;
use tokio_util::sync::CancellationToken;
use tokio_util::task::TaskTracker;

/// The life of a process' tasks. Cheap to clone.
#[derive(Debug, Clone, Default)]
pub struct Runtime {
    /// Cancelled when the process is to stop: nothing new is taken from JetStream, what is in hand
    /// is finished.
    pub shutdown: CancellationToken,
    /// Every task that must have ended before the process does.
    pub tasks: TaskTracker,
    /// Where operators find what could not be processed.
    pub dead_letters: DeadLetterDesks,
}
