//! What billing reads outside of the loop: on connections of its own, without locks.

use contracts::Timestamp;
use messaging::rows::select;
use sea_orm::{ConnectionTrait, DatabaseBackend, DatabaseConnection, DbErr, Statement, Value};
use uuid::Uuid;

use crate::account::Account;
use crate::entry::Entry;

/// The user's account, if it is opened.
pub(crate) async fn account(db: &DatabaseConnection, user_id: Uuid) -> Result<Option<Account>, DbErr> {
    Ok(select("user_id = $1").bind(user_id).read(db).await?.pop())
}

/// The user's entries, newest first: at most `rows` of those below the entry `before`.
pub(crate) async fn entries(
    db: &DatabaseConnection,
    user_id: Uuid,
    before: Option<Uuid>,
    rows: i64,
) -> Result<Vec<Entry>, DbErr> {
    // By number and not by id: ids are made by callers, in another order than entries are.
    let wanted = match before {
        None => select("user_id = $1 ORDER BY number DESC LIMIT $2").bind(user_id).bind(rows),
        Some(before) => {
            let below = "user_id = $1 AND number < (SELECT number FROM entries WHERE entry_id = $3 \
                         AND user_id = $1) ORDER BY number DESC LIMIT $2";
            select(below).bind(user_id).bind(rows).bind(before)
        }
    };
    wanted.read(db).await
}

/// A hold as the sweep sees it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct SweptHold {
    pub(crate) order_id: Uuid,
    /// While it is held: until when.
    pub(crate) held_until: Option<Timestamp>,
}

/// Holds in the order of their orders: at most `rows` of those from `after` to `up_to`.
pub(crate) async fn holds_between(
    db: &DatabaseConnection,
    after: Uuid,
    up_to: Uuid,
    rows: u64,
) -> Result<Vec<SweptHold>, DbErr> {
    let sql = format!(
        "SELECT order_id, CASE state WHEN 'held' THEN expires_at END FROM holds \
         WHERE order_id > $1 AND order_id < $2 ORDER BY order_id LIMIT {rows}"
    );
    let values: [Value; 2] = [after.into(), up_to.into()];
    let statement = Statement::from_sql_and_values(DatabaseBackend::Postgres, sql, values);
    let found = db.query_all_raw(statement).await?;
    found
        .iter()
        .map(|row| Ok(SweptHold { order_id: row.try_get_by_index(0)?, held_until: row.try_get_by_index(1)? }))
        .collect()
}
