//! Reading rows: every column of a record, by a condition over the table's columns.

use std::marker::PhantomData;

use sea_orm::{DatabaseConnection, DbErr, RuntimeErr, sqlx};
use sqlx::error::BoxDynError;
use sqlx::postgres::{PgArguments, PgRow};
use sqlx::{Arguments as _, AssertSqlSafe, Encode, PgExecutor, Postgres, Row as _, Type};

use super::{Record, Rows, Version};

/// Which rows, and the values of the parameters in that.
#[derive(Debug)]
pub struct Select<R> {
    /// What comes after the table in FROM.
    clauses: String,
    arguments: Result<PgArguments, BoxDynError>,
    record: PhantomData<fn() -> R>,
}

/// Rows that fulfil `condition`: what comes after WHERE, with `$1`, `$2`, ... for what is bound.
pub fn select<R: Record>(condition: impl Into<String>) -> Select<R> {
    Select::of(format!("WHERE {}", condition.into()))
}

/// The rows with these keys, locked in the order of the `keys`: an SQL array of different UUIDs.
///
/// The keys are a table to be joined, not a condition: a row that somebody changes while its lock is waited
/// for is checked again by its own key alone. By a condition it would be all keys once more, for every such
/// row, and rows that everybody wants are the ones that are waited for.
pub(super) fn locked<R: Record>(keys: &str) -> Select<R> {
    Select::of(format!(
        "JOIN unnest({keys}) WITH ORDINALITY AS wanted (wanted_key, place) ON {} = wanted_key \
         ORDER BY place FOR NO KEY UPDATE OF {}",
        R::COLUMNS[0].name,
        R::TABLE
    ))
}

impl<R: Record> Select<R> {
    fn of(clauses: String) -> Self {
        Self { clauses, arguments: Ok(PgArguments::default()), record: PhantomData }
    }

    /// Gives the next parameter its value.
    #[must_use]
    pub fn bind<'q, T: Encode<'q, Postgres> + Type<Postgres>>(mut self, value: T) -> Self {
        self.arguments = self.arguments.and_then(|mut arguments| {
            arguments.add(value)?;
            Ok(arguments)
        });
        self
    }

    /// Reads outside of the loop, in the order that the condition ends with.
    ///
    /// # Errors
    /// The statement failed, or a row is not of this type.
    pub async fn read(self, db: &DatabaseConnection) -> Result<Vec<R>, DbErr> {
        let rows = self.run(db.get_postgres_connection_pool()).await;
        rows.map_err(|error| DbErr::Query(RuntimeErr::SqlxError(error.into())))
    }

    pub(super) async fn run(self, executor: impl PgExecutor<'_>) -> Result<Vec<R>, sqlx::Error> {
        self.fetch("", executor).await?.iter().map(R::read).collect()
    }

    /// With the version of each row: `xmin`, the transaction that wrote it (PostgreSQL manual, 5.5).
    pub(super) async fn run_versioned(self, executor: impl PgExecutor<'_>) -> Result<Rows<R>, sqlx::Error> {
        let read = |row: &PgRow| Ok((R::read(row)?, Some(Version(row.try_get(R::COLUMNS.len())?))));
        self.fetch(", xmin::text::bigint", executor).await?.iter().map(read).collect()
    }

    async fn fetch(self, more: &str, executor: impl PgExecutor<'_>) -> Result<Vec<PgRow>, sqlx::Error> {
        let Self { clauses, arguments, .. } = self;
        let columns: Vec<&str> = R::COLUMNS.iter().map(|c| c.name).collect();
        let sql = format!("SELECT {}{more} FROM {} {clauses}", columns.join(", "), R::TABLE);
        let arguments = arguments.map_err(sqlx::Error::Encode)?;
        // Made of constants alone; values are bound.
        sqlx::query_with(AssertSqlSafe(sql), arguments).fetch_all(executor).await
    }
}
