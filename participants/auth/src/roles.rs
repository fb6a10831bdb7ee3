//! Roles given by who starts the system: its first operator has nobody above.

use contracts::{Email, Timestamp};
use sea_orm::{ConnectionTrait, DatabaseBackend, DbErr, Statement};
use service::token::Role;

/// Gives a role to the user with this e-mail, if they have it not yet; it is in their tokens from the
/// next login. Whether there is such a user.
///
/// # Errors
/// The database refuses.
pub async fn ensure_role(
    db: &impl ConnectionTrait,
    email: &Email,
    role: Role,
    now: Timestamp,
) -> Result<bool, DbErr> {
    let sql = "UPDATE credentials SET roles = array_append(roles, $2), updated_at = $3 \
        WHERE email = $1 AND NOT roles @> ARRAY[$2]";
    let values = [email.as_str().into(), role.as_str().into(), now.into()];
    db.execute_raw(Statement::from_sql_and_values(DatabaseBackend::Postgres, sql, values)).await?;
    has_account(db, email).await
}

/// Whether somebody registered with this e-mail.
///
/// # Errors
/// The database refuses.
pub async fn has_account(db: &impl ConnectionTrait, email: &Email) -> Result<bool, DbErr> {
    Ok(crate::credentials::find(db, email).await?.is_some())
}
