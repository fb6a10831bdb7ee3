//! The table of credentials: a user's e-mail, password and roles.

use contracts::{Email, Timestamp};
use sea_orm::{ConnectionTrait, DbErr, FromQueryResult, SqlErr};
use uuid::Uuid;

use crate::sql::statement;

/// What a login needs.
#[derive(Debug, FromQueryResult)]
pub(crate) struct Credentials {
    pub(crate) user_id: Uuid,
    pub(crate) password_hash: String,
}

/// A user's try to register.
#[derive(Debug)]
pub(crate) struct Registration {
    pub(crate) user_id: Uuid,
    pub(crate) email: Email,
    pub(crate) password_hash: String,
    /// Tries of one user are counted; a later one wins over whatever arrives late.
    pub(crate) attempt: i32,
}

/// How storing a registration ended.
#[derive(Debug, PartialEq, Eq)]
pub(crate) enum Stored {
    /// The password is this try's.
    Yes,
    /// Another user has the e-mail.
    EmailTaken,
    /// A later try of the same user came first, or the user has another e-mail.
    Superseded,
}

/// The credentials of an e-mail.
pub(crate) async fn find(db: &impl ConnectionTrait, email: &Email) -> Result<Option<Credentials>, DbErr> {
    let sql = "SELECT user_id, password_hash FROM credentials WHERE email = $1";
    Credentials::find_by_statement(statement(sql, [email.as_str().into()])).one(db).await
}

/// A user's roles at this moment.
pub(crate) async fn roles(db: &impl ConnectionTrait, user_id: Uuid) -> Result<Option<Vec<String>>, DbErr> {
    let sql = "SELECT roles FROM credentials WHERE user_id = $1";
    db.query_one_raw(statement(sql, [user_id.into()])).await?.map(|row| row.try_get_by_index(0)).transpose()
}

/// Stores a registration; repeated by the same user it sets the password again.
pub(crate) async fn store(
    db: &impl ConnectionTrait,
    registration: Registration,
    now: Timestamp,
) -> Result<Stored, DbErr> {
    let sql = "INSERT INTO credentials AS c \
        (user_id, email, password_hash, attempt, roles, created_at, updated_at) \
        VALUES ($1, $2, $3, $4, ARRAY['user'], $5, $5) \
        ON CONFLICT (user_id) DO UPDATE SET \
        password_hash = EXCLUDED.password_hash, attempt = EXCLUDED.attempt, updated_at = EXCLUDED.updated_at \
        WHERE c.attempt <= EXCLUDED.attempt AND c.email = EXCLUDED.email";
    let Registration { user_id, email, password_hash, attempt } = registration;
    let values = [user_id.into(), email.as_str().into(), password_hash.into(), attempt.into(), now.into()];
    match db.execute_raw(statement(sql, values)).await {
        Ok(result) if result.rows_affected() == 1 => Ok(Stored::Yes),
        Ok(_) => Ok(Stored::Superseded),
        Err(error) => match error.sql_err() {
            Some(SqlErr::UniqueConstraintViolation(_)) => Ok(Stored::EmailTaken),
            _ => Err(error),
        },
    }
}
