//! The table of failed logins: a row an address and account, with its latest failures.

use contracts::Timestamp;
use sea_orm::{ConnectionTrait, DbErr, FromQueryResult};

use crate::sql::statement;
use crate::throttle::{ACCOUNTS_MAX, Attempt, FAILURES_MAX, Failures, WINDOW};

#[derive(FromQueryResult)]
struct Found {
    of_account: Option<Timestamp>,
    of_address: Option<Timestamp>,
}

/// What has failed before this attempt.
pub(crate) async fn look(
    db: &impl ConnectionTrait,
    attempt: &Attempt,
    now: Timestamp,
) -> Result<Failures, DbErr> {
    let sql = format!(
        "SELECT (SELECT failed_at[cardinality(failed_at) - {FAILURES_MAX} + 1] FROM login_failures \
                 WHERE address = $1 AND account = $2) AS of_account, \
                (SELECT last_failed_at FROM login_failures WHERE address = $1 AND last_failed_at > $3 \
                 ORDER BY last_failed_at DESC OFFSET {ACCOUNTS_MAX} - 1 LIMIT 1) AS of_address"
    );
    let values = [attempt.address.clone().into(), attempt.account.clone().into(), (now - WINDOW).into()];
    let found = Found::find_by_statement(statement(&sql, values)).one(db).await?;
    Ok(found.map_or_else(Failures::default, |found| Failures {
        of_account: found.of_account,
        of_address: found.of_address,
    }))
}

/// Notes that the attempt failed. Returns what had failed before it: of attempts at once, which all
/// looked before any was noted, those beyond the limit are known by that.
pub(crate) async fn note(
    db: &impl ConnectionTrait,
    attempt: &Attempt,
    now: Timestamp,
) -> Result<Failures, DbErr> {
    // One more than the limit is kept: the last is this attempt's own.
    let sql = format!(
        "INSERT INTO login_failures AS f (address, account, failed_at, last_failed_at) \
         VALUES ($1, $2, ARRAY[$3::timestamptz], $3) ON CONFLICT (address, account) DO UPDATE SET \
         failed_at = (f.failed_at || $3)[GREATEST(cardinality(f.failed_at) + 1 - {FAILURES_MAX}, 1):], \
         last_failed_at = GREATEST(f.last_failed_at, $3) \
         RETURNING failed_at[cardinality(failed_at) - {FAILURES_MAX}] AS of_account"
    );
    let values = [attempt.address.clone().into(), attempt.account.clone().into(), now.into()];
    let row = db.query_one_raw(statement(&sql, values)).await?;
    let of_account = row.map(|row| row.try_get_by_index(0)).transpose()?.flatten();
    Ok(Failures { of_account, of_address: None })
}
