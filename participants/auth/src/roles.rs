//! Changes of roles: one way for operators, and one for who starts the system, whose first operator has
//! nobody above.

use contracts::{Email, Timestamp};
use sea_orm::{ConnectionTrait, DatabaseConnection, DbErr, TransactionTrait};
use service::config::SecurityConfig;
use service::token::{Role, Roles};
use uuid::Uuid;

use crate::revocations::{self, Revocation};
use crate::sql::statement;

/// How a change of roles ended.
#[derive(Debug)]
pub(crate) enum Changed {
    /// There is no such user.
    Unknown,
    /// These are the roles that the user had.
    No,
    /// Tokens that say other roles are revoked.
    Yes(Revocation),
}

/// Changes a user's roles, and revokes the tokens that say others, in one transaction.
pub(crate) async fn change(
    db: &DatabaseConnection,
    user_id: Uuid,
    security: &SecurityConfig,
    now: Timestamp,
    decide: impl FnOnce(Roles) -> Roles + Send,
) -> Result<Changed, DbErr> {
    let tx = db.begin().await?;
    let lock = "SELECT roles FROM credentials WHERE user_id = $1 FOR UPDATE";
    let found = tx.query_one_raw(statement(lock, [user_id.into()])).await?;
    let Some(row) = found else { return Ok(Changed::Unknown) };
    let before: Roles = row.try_get_by_index::<Vec<String>>(0)?.into_iter().collect();
    let after = decide(before);
    if after == before {
        return Ok(Changed::No);
    }
    let set = "UPDATE credentials SET roles = $2, updated_at = $3 WHERE user_id = $1";
    tx.execute_raw(statement(set, [user_id.into(), after.names().into(), now.into()])).await?;
    let length = revocations::length(security);
    let revoked = revocations::of_roles(&tx, user_id, &after.names(), length).await?;
    tx.commit().await?;
    // An upsert always returns its row.
    Ok(revoked.map_or(Changed::No, Changed::Yes))
}

/// Gives a role to the user with this e-mail, if they have it not yet; it is in their tokens from the
/// next login or refresh, and tokens without it stop working. Whether there is such a user.
///
/// # Errors
/// The database refuses.
pub async fn ensure_role(
    db: &DatabaseConnection,
    email: &Email,
    role: Role,
    security: &SecurityConfig,
) -> Result<bool, DbErr> {
    let Some(user) = crate::credentials::find(db, email).await? else { return Ok(false) };
    change(db, user.user_id, security, chrono::Utc::now(), |roles| roles.with(role)).await?;
    Ok(true)
}
