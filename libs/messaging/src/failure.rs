//! Why a batch failed, and so what is done about it.

use sea_orm::{DbErr, RuntimeErr, sqlx};

/// A batch could not be loaded or saved.
#[derive(Debug, thiserror::Error)]
pub enum BatchError {
    /// The database's own word.
    #[error(transparent)]
    Database(#[from] sqlx::Error),
    /// The commit failed; where the connection was lost, its outcome is unknown.
    #[error("commit: {0}")]
    Commit(#[source] sqlx::Error),
    /// Rows are not what they were taken for: somebody was there in between.
    #[error("{0}")]
    Conflict(String),
    /// A rule panicked: a defect, and the input that shows it.
    #[error("a rule panicked: {0}")]
    Panic(String),
}

/// The reason decides what happens to the batch.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum FailureKind {
    /// Another process changed the same rows: load and decide again, at once.
    Conflict,
    /// A row is held by somebody who does not let go: the rest of the batch goes on.
    LockTimeout,
    /// The database or the road to it is away: the whole batch again, with backoff.
    Transient,
    /// An input that cannot be processed: split by halves until it is alone.
    Poison,
}

impl FailureKind {
    /// All there are.
    pub(crate) const ALL: [Self; 4] = [Self::Conflict, Self::LockTimeout, Self::Transient, Self::Poison];

    /// A word for it.
    pub(crate) const fn as_str(self) -> &'static str {
        match self {
            Self::Conflict => "conflict",
            Self::LockTimeout => "lock_timeout",
            Self::Transient => "transient",
            Self::Poison => "poison",
        }
    }
}

impl BatchError {
    /// What to do about it.
    pub fn kind(&self) -> FailureKind {
        match self {
            Self::Conflict(_) => FailureKind::Conflict,
            Self::Panic(_) => FailureKind::Poison,
            Self::Database(error) | Self::Commit(error) => database_failure(error),
        }
    }
}

impl From<&DbErr> for FailureKind {
    fn from(error: &DbErr) -> Self {
        match error {
            DbErr::Conn(_) | DbErr::ConnectionAcquire(_) => Self::Transient,
            DbErr::Exec(RuntimeErr::SqlxError(error)) | DbErr::Query(RuntimeErr::SqlxError(error)) => {
                database_failure(error)
            }
            _ => Self::Poison,
        }
    }
}

fn database_failure(error: &sqlx::Error) -> FailureKind {
    use sqlx::Error::{ColumnDecode, ColumnIndexOutOfBounds, ColumnNotFound, Decode, Encode, TypeNotFound};
    match error {
        sqlx::Error::Database(error) => error.code().map_or(FailureKind::Poison, |code| state_failure(&code)),
        // What cannot be encoded or decoded is ours.
        Encode(_)
        | Decode(_)
        | ColumnDecode { .. }
        | ColumnNotFound(_)
        | ColumnIndexOutOfBounds { .. }
        | TypeNotFound { .. } => FailureKind::Poison,
        // I/O, protocol, pool: the road to the database.
        _ => FailureKind::Transient,
    }
}

/// By SQLSTATE (PostgreSQL manual, appendix A).
fn state_failure(code: &str) -> FailureKind {
    match code {
        "23505" => FailureKind::Conflict,
        "55P03" => FailureKind::LockTimeout,
        // Class 25 is a transaction that the server ended (idle too long), 40 serialisation and
        // deadlock, 53 resources, 57 shutdown and cancelled statements, 58 the disk, 08 the line.
        _ if ["08", "25", "40", "53", "57", "58"].iter().any(|class| code.starts_with(class)) => {
            FailureKind::Transient
        }
        _ => FailureKind::Poison,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn states_are_judged_by_their_reason() {
        assert_eq!(state_failure("23505"), FailureKind::Conflict);
        assert_eq!(state_failure("55P03"), FailureKind::LockTimeout);
        for transient in ["08006", "25P03", "40001", "40P01", "53300", "57P01", "57014"] {
            assert_eq!(state_failure(transient), FailureKind::Transient, "{transient}");
        }
        for poison in ["22003", "22P02", "23514", "23502", "42P01"] {
            assert_eq!(state_failure(poison), FailureKind::Poison, "{poison}");
        }
    }

    #[test]
    fn a_lost_row_is_a_conflict_and_a_panic_is_poison() {
        assert_eq!(BatchError::Conflict("t: 1 rows".into()).kind(), FailureKind::Conflict);
        assert_eq!(BatchError::Panic("x".into()).kind(), FailureKind::Poison);
    }
}
