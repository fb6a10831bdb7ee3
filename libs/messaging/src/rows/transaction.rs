//! A batch's transaction: in PostgreSQL, or in memory, where a simulation runs the same rules.

use sea_orm::sqlx;

use super::memory::Session;
use crate::failure::BatchError;

/// Where a batch loads its rows from and writes them to.
#[derive(Debug)]
pub enum Transaction {
    /// The truth, with rows that are locked as they are loaded.
    Postgres(sqlx::Transaction<'static, sqlx::Postgres>),
    /// The truth without locks: what is read is written in one statement, which is the whole transaction, and
    /// only if nobody has written the same rows in between.
    Optimistic(sqlx::PgPool),
    /// Of a simulation.
    Memory(Session),
}

impl Transaction {
    /// Whether rows are read without a lock, and a row that is there already aborts the batch at its end.
    pub fn is_optimistic(&self) -> bool {
        match self {
            Self::Postgres(_) => false,
            Self::Optimistic(_) => true,
            Self::Memory(session) => session.is_optimistic(),
        }
    }

    /// Ends it, with what was written.
    ///
    /// # Errors
    /// In PostgreSQL the outcome is unknown then. In memory, which writes only now, nothing was written.
    pub async fn commit(self) -> Result<(), BatchError> {
        match self {
            Self::Postgres(tx) => tx.commit().await.map_err(BatchError::Commit),
            Self::Optimistic(_) => Ok(()),
            Self::Memory(session) => session.commit().await,
        }
    }
}
