//! SQL of ours with its values.

use sea_orm::{DatabaseBackend, Statement, Value};

/// A statement; the values are `$1`, `$2` and so on.
pub(crate) fn statement<const N: usize>(sql: &str, values: [Value; N]) -> Statement {
    Statement::from_sql_and_values(DatabaseBackend::Postgres, sql, values)
}
