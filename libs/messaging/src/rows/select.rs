//! Reading rows: every column of a record, by a condition over the table's columns.

use std::marker::PhantomData;

use sea_orm::{DatabaseConnection, DbErr, RuntimeErr, sqlx};
use sqlx::error::BoxDynError;
use sqlx::postgres::PgArguments;
use sqlx::{Arguments as _, AssertSqlSafe, Encode, PgExecutor, Postgres, Type};

use super::Record;

/// A condition, and the values of its parameters.
#[derive(Debug)]
pub struct Select<R> {
    condition: String,
    arguments: Result<PgArguments, BoxDynError>,
    record: PhantomData<fn() -> R>,
}

/// Rows that fulfil `condition`: what comes after WHERE, with `$1`, `$2`, ... for what is bound.
pub fn select<R: Record>(condition: impl Into<String>) -> Select<R> {
    Select { condition: condition.into(), arguments: Ok(PgArguments::default()), record: PhantomData }
}

impl<R: Record> Select<R> {
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
        let rows = self.run(db.get_postgres_connection_pool(), "").await;
        rows.map_err(|error| DbErr::Query(RuntimeErr::SqlxError(error.into())))
    }

    /// Reads, with a locking clause.
    pub(super) async fn run(self, executor: impl PgExecutor<'_>, lock: &str) -> Result<Vec<R>, sqlx::Error> {
        let Self { condition, arguments, .. } = self;
        let columns: Vec<&str> = R::COLUMNS.iter().map(|c| c.name).collect();
        let sql = format!("SELECT {} FROM {} WHERE {condition}{lock}", columns.join(", "), R::TABLE);
        let arguments = arguments.map_err(sqlx::Error::Encode)?;
        // Made of constants alone; values are bound.
        sqlx::query_with(AssertSqlSafe(sql), arguments)
            .fetch_all(executor)
            .await?
            .iter()
            .map(R::read)
            .collect()
    }
}
