//! The table of users.

use contracts::{Email, Timestamp};
use sea_orm::{ConnectionTrait, DatabaseBackend, DbErr, FromQueryResult, Statement, Value};
use uuid::Uuid;

/// An active user.
#[derive(Debug, Clone, PartialEq, Eq, FromQueryResult)]
pub(crate) struct User {
    pub(crate) user_id: Uuid,
    pub(crate) email: String,
    pub(crate) name: Option<String>,
    pub(crate) phone: Option<String>,
    pub(crate) address: Option<String>,
    /// `ru` or `en`.
    pub(crate) locale: String,
}

/// A try to register.
#[derive(Debug, FromQueryResult)]
pub(crate) struct Attempt {
    pub(crate) user_id: Uuid,
    /// Counted per user.
    pub(crate) attempt: i32,
}

/// What a user changes: nothing is as before, an empty text takes away.
#[derive(Debug, Default)]
pub(crate) struct Changes {
    pub(crate) name: Option<String>,
    pub(crate) phone: Option<String>,
    pub(crate) address: Option<String>,
    pub(crate) locale: Option<&'static str>,
}

fn statement<const N: usize>(sql: &str, values: [Value; N]) -> Statement {
    Statement::from_sql_and_values(DatabaseBackend::Postgres, sql, values)
}

/// Begins a registration, or the next try of one that is pending. Nothing if the e-mail is an active
/// user's.
pub(crate) async fn begin(
    db: &impl ConnectionTrait,
    email: &Email,
    name: Option<&str>,
    now: Timestamp,
) -> Result<Option<Attempt>, DbErr> {
    let sql = "INSERT INTO users AS u (user_id, email, status, attempt, name, locale, created_at, updated_at) \
        VALUES ($1, $2, 'pending', 1, $3, 'ru', $4, $4) \
        ON CONFLICT (email) DO UPDATE SET \
        attempt = u.attempt + 1, name = EXCLUDED.name, updated_at = EXCLUDED.updated_at \
        WHERE u.status = 'pending' \
        RETURNING user_id, attempt";
    let values = [Uuid::now_v7().into(), email.as_str().into(), name.into(), now.into()];
    Attempt::find_by_statement(statement(sql, values)).one(db).await
}

/// Makes the user of a try active. Nothing if a later try began.
pub(crate) async fn activate(
    db: &impl ConnectionTrait,
    attempt: &Attempt,
    now: Timestamp,
) -> Result<Option<User>, DbErr> {
    let sql = "UPDATE users SET status = 'active', updated_at = $3 \
        WHERE user_id = $1 AND attempt = $2 AND status = 'pending' \
        RETURNING user_id, email, name, phone, address, locale";
    let values = [attempt.user_id.into(), attempt.attempt.into(), now.into()];
    User::find_by_statement(statement(sql, values)).one(db).await
}

/// An active user.
pub(crate) async fn find(db: &impl ConnectionTrait, user_id: Uuid) -> Result<Option<User>, DbErr> {
    let sql = "SELECT user_id, email, name, phone, address, locale FROM users \
        WHERE user_id = $1 AND status = 'active'";
    User::find_by_statement(statement(sql, [user_id.into()])).one(db).await
}

/// Changes an active user, and returns what is there now.
pub(crate) async fn change(
    db: &impl ConnectionTrait,
    user_id: Uuid,
    changes: Changes,
    now: Timestamp,
) -> Result<Option<User>, DbErr> {
    let sql = "UPDATE users SET \
        name = NULLIF(COALESCE($2, name), ''), phone = NULLIF(COALESCE($3, phone), ''), \
        address = NULLIF(COALESCE($4, address), ''), locale = COALESCE($5, locale), updated_at = $6 \
        WHERE user_id = $1 AND status = 'active' \
        RETURNING user_id, email, name, phone, address, locale";
    let Changes { name, phone, address, locale } = changes;
    let values = [user_id.into(), name.into(), phone.into(), address.into(), locale.into(), now.into()];
    User::find_by_statement(statement(sql, values)).one(db).await
}
