//! A batch's transaction: in PostgreSQL, or in memory, where a simulation runs the same rules.

use sea_orm::sqlx;

use super::memory::Session;
use crate::failure::BatchError;

/// Where a batch loads its rows from and writes them to.
#[derive(Debug)]
pub enum Transaction {
    /// The truth.
    Postgres(sqlx::Transaction<'static, sqlx::Postgres>),
    /// Of a simulation.
    Memory(Session),
}

impl Transaction {
    /// Ends it, with what was written.
    ///
    /// # Errors
    /// In PostgreSQL the outcome is unknown then. In memory, which writes only now, nothing was written.
    pub async fn commit(self) -> Result<(), BatchError> {
        match self {
            Self::Postgres(tx) => tx.commit().await.map_err(BatchError::Commit),
            Self::Memory(session) => session.commit().await,
        }
    }
}
