//! A database that has fallen silent: no answer, no error, no end of the connection, as behind a broken proxy. What
//! waits for it is given up after a while, and so is the connection; the next one may be heard.

use std::io::ErrorKind;
use std::time::Duration;

use sea_orm::{DbErr, RuntimeErr, sqlx};
use sqlx::Connection;
use sqlx::pool::PoolOptions;
use tokio::time::{sleep, timeout};

use crate::failure::FailureKind;

/// Longer than a statement may take (5 s): who says nothing for so long is not busy.
pub(crate) const SILENT_AFTER: Duration = Duration::from_secs(10);
const ASKED_AGAIN_AFTER: Duration = Duration::from_millis(500);

/// Work on a database that is given up when it falls silent; for what nobody else gives up, as a request's caller
/// does.
///
/// # Errors
/// The work's own, or that nothing was heard. Whether it was done is not known then.
pub async fn heard<T>(work: impl Future<Output = Result<T, DbErr>>) -> Result<T, DbErr> {
    let silent = || DbErr::Conn(RuntimeErr::Internal("the database has fallen silent".to_owned()));
    timeout(SILENT_AFTER, work).await.unwrap_or_else(|_| Err(silent()))
}

/// Asks a database until it answers, for what a service cannot start without. Whoever has no patience stops waiting.
///
/// # Errors
/// What another try would not change.
pub async fn until_answered<T>(mut ask: impl AsyncFnMut() -> Result<T, DbErr>) -> Result<T, DbErr> {
    loop {
        let error = match heard(ask()).await {
            Ok(answer) => return Ok(answer),
            Err(error) => error,
        };
        if !matches!(FailureKind::from(&error), FailureKind::Transient | FailureKind::LockTimeout) {
            return Err(error);
        }
        tracing::warn!(%error, "the database does not answer yet; asking again");
        sleep(ASKED_AGAIN_AFTER).await;
    }
}

/// A pool takes a connection back when it has answered once more: here for not longer than that. Otherwise a silent
/// one would keep its place in the pool for ever.
pub fn give_up_silent(pool: PoolOptions<sqlx::Postgres>) -> PoolOptions<sqlx::Postgres> {
    pool.after_release(|connection, _| {
        Box::pin(async move {
            match timeout(SILENT_AFTER, connection.ping()).await {
                Ok(answered) => answered.map(|()| true),
                Err(_) => Err(silent()),
            }
        })
    })
}

pub(crate) fn silent() -> sqlx::Error {
    sqlx::Error::Io(std::io::Error::new(ErrorKind::TimedOut, "the database has fallen silent"))
}
