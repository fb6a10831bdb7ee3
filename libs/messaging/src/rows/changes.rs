//! What a batch writes: rows of any number of tables, in one statement and so in one round trip.
//!
//! Inserts carry no `ON CONFLICT`: somebody else's row under the same key aborts the batch, which is
//! then loaded and decided again on what is really there. So does a row that is not there to be changed, or
//! that is of another version than it was read as: the statement itself counts what it writes and fails, for
//! in an optimistic transaction it is all there is.

use std::fmt::Write as _;

use sea_orm::sqlx;
use sqlx::error::BoxDynError;
use sqlx::postgres::PgArguments;
use sqlx::{Arguments as _, AssertSqlSafe, PgExecutor, Row as _};
use uuid::Uuid;

use super::memory::{Checked, Rewritten, Written};
use super::{ColumnInfo, Record, Rows, Transaction, Version, Write, Writing};
use crate::failure::{BatchError, FailureKind};

/// What PostgreSQL says of a text that is no number (appendix A): so the statement fails with a reason.
const NO_NUMBER: &str = "22P02";
/// Beside the columns of rows that are to be of a version.
const ROW_VERSION: (&str, &str) = ("row_version", "text");
/// Stands in the reason.
const WERE_EXPECTED: &str = "were expected";

/// Rows to be written, gathered from the working set.
pub struct Changes(Target);

enum Target {
    Postgres(Statement),
    Memory(Vec<Box<dyn Written>>),
}

/// What is bound already, and to which parts of the one statement.
#[derive(Debug, Default)]
struct Statement {
    arguments: PgArguments,
    parts: Vec<Part>,
    /// The first value that could not be bound.
    unbound: Option<BoxDynError>,
}

/// The rows of one table that are written in one way.
#[derive(Debug)]
struct Part {
    sql: String,
    table: &'static str,
    /// The parameter that says how many they are.
    expected: usize,
}

impl Changes {
    /// For where this transaction is.
    pub fn of(tx: &Transaction) -> Self {
        Self(match tx {
            Transaction::Postgres(_) | Transaction::Optimistic(_) => Target::Postgres(Statement::default()),
            Transaction::Memory(_) => Target::Memory(Vec::new()),
        })
    }

    /// Inserts what is new and updates what changed.
    pub fn save<R: Record>(&mut self, rows: &Rows<R>) {
        self.write(&rows.written_as(Write::New), Write::New);
        self.write(&rows.written_as(Write::Changed), Write::Changed);
        self.check(rows);
    }

    /// Inserts rows that nobody changes later, whatever their key.
    pub fn append<R: Record>(&mut self, rows: &[R]) {
        let rows: Vec<_> = rows.iter().map(|value| Writing { value, version: None }).collect();
        self.write(&rows, Write::New);
    }

    fn write<R: Record>(&mut self, rows: &[Writing<'_, R>], write: Write) {
        if rows.is_empty() {
            return;
        }
        match &mut self.0 {
            Target::Postgres(statement) => statement.write(rows, write),
            Target::Memory(written) => written.push(Box::new(Rewritten::of(rows, write))),
        }
    }

    fn check<R: Record>(&mut self, rows: &Rows<R>) {
        let unread: Vec<_> = rows.unread().collect();
        if unread.is_empty() {
            return;
        }
        match &mut self.0 {
            Target::Postgres(statement) => statement.check(&unread),
            Target::Memory(written) => written.push(Box::new(Checked::of(&unread))),
        }
    }

    /// Writes everything; in an optimistic transaction that commits it. Tells as which version, if there was
    /// anything to write.
    ///
    /// # Errors
    /// The statement failed, or a row to be changed was no longer there, or no longer what was read. (In memory
    /// it is written when the transaction commits, which fails then.)
    pub async fn run(self, tx: &mut Transaction) -> Result<Option<Version>, BatchError> {
        match (self.0, tx) {
            (Target::Postgres(statement), Transaction::Postgres(tx)) => statement.run(&mut **tx).await,
            (Target::Postgres(statement), Transaction::Optimistic(db)) => {
                statement.run(&*db).await.map_err(|error| match (error.kind(), error) {
                    // The statement may have been committed before the road to it was lost.
                    (FailureKind::Transient, BatchError::Database(error)) => BatchError::Commit(error),
                    (_, error) => error,
                })
            }
            (Target::Memory(written), Transaction::Memory(session)) => Ok(Some(session.write(written))),
            _ => unreachable!("changes run where they were made for"),
        }
    }
}

impl Statement {
    fn write<R: Record>(&mut self, rows: &[Writing<'_, R>], write: Write) {
        let versions: Vec<Option<String>> = rows.iter().map(|row| row.version.map(Version::text)).collect();
        let is_versioned = versions.iter().any(Option::is_some);
        let sql = match write {
            Write::New => insert_sql::<R>(self.arguments.len()),
            Write::Changed => update_sql::<R>(self.arguments.len(), is_versioned),
        };
        let values: Vec<&R> = rows.iter().map(|row| row.value).collect();
        let mut bound = R::bind(&values, write, &mut self.arguments);
        if is_versioned {
            bound = bound.and_then(|()| self.arguments.add(versions));
        }
        self.add::<R>(format!("{sql} RETURNING 1"), bound, rows.len());
    }

    /// Rows that are not written, and have to be what they were taken for.
    fn check<R: Record>(&mut self, rows: &[(&R, Version)]) {
        let (keys, versions): (Vec<Uuid>, Vec<String>) =
            rows.iter().map(|(row, version)| (row.row_key(), version.text())).unzip();
        let sql = check_sql::<R>(self.arguments.len());
        let bound = self.arguments.add(keys).and_then(|()| self.arguments.add(versions));
        self.add::<R>(sql, bound, rows.len());
    }

    fn add<R: Record>(&mut self, sql: String, bound: Result<(), BoxDynError>, expected: usize) {
        let bound = bound.and_then(|()| self.arguments.add(i64::try_from(expected)?));
        if let Err(error) = bound {
            self.unbound.get_or_insert(error);
        }
        self.parts.push(Part { sql, table: R::TABLE, expected: self.arguments.len() });
    }

    async fn run(self, executor: impl PgExecutor<'_>) -> Result<Option<Version>, BatchError> {
        if self.parts.is_empty() {
            return Ok(None);
        }
        let sql = statement(&self.parts);
        if let Some(error) = self.unbound {
            return Err(sqlx::Error::Encode(error).into());
        }
        // Made of constants alone; values are bound.
        let done = sqlx::query_with(AssertSqlSafe(sql), self.arguments).fetch_one(executor).await;
        Ok(Some(Version(done.map_err(lost_rows)?.try_get(0)?)))
    }
}

/// One statement of all parts, which says as which version they are written, and fails where a part has not
/// written as many rows as it was given.
fn statement(parts: &[Part]) -> String {
    let writes: Vec<String> =
        parts.iter().enumerate().map(|(i, part)| format!("w{i} AS ({})", part.sql)).collect();
    let counts: Vec<String> = parts.iter().enumerate().map(|(i, part)| count(i, part)).collect();
    // A row names its transaction without the epoch that this function puts before it.
    let version = "pg_current_xact_id()::text::bigint % 4294967296";
    format!("WITH {} SELECT {version}, {}", writes.join(", "), counts.join(", "))
}

fn count(index: usize, Part { table, expected, .. }: &Part) -> String {
    format!(
        "(SELECT CASE count(*) WHEN ${expected} THEN 0 ELSE ('{table}: ' || count(*) || \
         ' rows written where ' || ${expected}::bigint || ' {WERE_EXPECTED}')::bigint END FROM w{index})"
    )
}

fn lost_rows(error: sqlx::Error) -> BatchError {
    match &error {
        sqlx::Error::Database(told)
            if told.code().is_some_and(|code| code == NO_NUMBER)
                && told.message().contains(WERE_EXPECTED) =>
        {
            BatchError::Conflict(told.message().to_owned())
        }
        _ => error.into(),
    }
}

/// Columns, each a name and the type of its elements, as a table `n` of array parameters, the first of which
/// is number `bound + 1`. They are unnested in a select list, side by side: as a function in FROM the rows
/// would be stored first.
fn unnest(columns: &[(&str, &str)], bound: usize) -> String {
    let column = |((name, sql_type), number): (&(&str, &str), usize)| {
        format!("unnest(${number}::{sql_type}[]) AS {name}")
    };
    let columns: Vec<String> = columns.iter().zip(bound + 1..).map(column).collect();
    format!("(SELECT {}) AS n", columns.join(", "))
}

const fn named(column: &ColumnInfo) -> (&'static str, &'static str) {
    (column.name, column.sql_type)
}

fn insert_sql<R: Record>(bound: usize) -> String {
    let names: Vec<&str> = R::COLUMNS.iter().map(|c| c.name).collect();
    let values: Vec<String> = R::COLUMNS.iter().map(|c| format!("n.{}{}", c.name, c.write_cast)).collect();
    let columns: Vec<_> = R::COLUMNS.iter().map(named).collect();
    let (names, values, from) = (names.join(", "), values.join(", "), unnest(&columns, bound));
    format!("INSERT INTO {} ({names}) SELECT {values} FROM {from}", R::TABLE)
}

fn check_sql<R: Record>(bound: usize) -> String {
    let key = R::COLUMNS[0];
    let from = unnest(&[named(&key), ROW_VERSION], bound);
    format!(
        "SELECT 1 FROM {0} JOIN {from} ON {0}.{1} = n.{1} AND {0}.xmin = n.row_version::xid",
        R::TABLE,
        key.name
    )
}

/// Of versioned rows those that have a version must be of that; the others are written as they are.
fn update_sql<R: Record>(bound: usize, is_versioned: bool) -> String {
    let (key, others) = R::COLUMNS.split_first().expect("a record has its key");
    let changing = others.iter().filter(|c| Write::Changed.takes(c));
    let sets: Vec<String> =
        changing.clone().map(|c| format!("{0} = n.{0}{1}", c.name, c.write_cast)).collect();
    let mut columns: Vec<_> = std::iter::once(key).chain(changing).map(named).collect();
    let mut condition = format!("{0}.{1} = n.{1}", R::TABLE, key.name);
    if is_versioned {
        columns.push(ROW_VERSION);
        write!(condition, " AND (n.row_version IS NULL OR {}.xmin = n.row_version::xid)", R::TABLE)
            .expect("a text can be written to");
    }
    format!("UPDATE {} SET {} FROM {} WHERE {condition}", R::TABLE, sets.join(", "), unnest(&columns, bound))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::record;
    use crate::rows::Json;

    record! {
        struct Sample in "samples" {
            sample_id: Uuid,
            fixed { size: i64 }
            changing { note: Json<Option<String>> }
        }
    }

    fn sample(id: u128) -> Sample {
        Sample { sample_id: Uuid::from_u128(id), size: 1, note: Json(None) }
    }

    fn saved(rows: &Rows<Sample>) -> Statement {
        let mut changes = Changes(Target::Postgres(Statement::default()));
        changes.save(rows);
        match changes.0 {
            Target::Postgres(statement) => statement,
            Target::Memory(_) => unreachable!(),
        }
    }

    #[test]
    fn one_statement_writes_all_tables_and_counts() {
        let mut rows = Rows::of([sample(1), sample(2)]);
        rows.get_mut(Uuid::from_u128(1)).unwrap().size = 2;
        rows.insert(sample(3));
        rows.insert(sample(4));
        let changes = saved(&rows);
        assert_eq!(
            statement(&changes.parts),
            "WITH w0 AS (INSERT INTO samples (sample_id, size, note) SELECT n.sample_id, n.size, n.note \
             FROM (SELECT unnest($1::uuid[]) AS sample_id, unnest($2::bigint[]) AS size, \
             unnest($3::text[]) AS note) AS n RETURNING 1), \
             w1 AS (UPDATE samples SET note = n.note \
             FROM (SELECT unnest($5::uuid[]) AS sample_id, unnest($6::text[]) AS note) AS n \
             WHERE samples.sample_id = n.sample_id RETURNING 1) \
             SELECT pg_current_xact_id()::text::bigint % 4294967296, \
             (SELECT CASE count(*) WHEN $4 THEN 0 ELSE ('samples: ' || count(*) || ' rows written where ' \
             || $4::bigint || ' were expected')::bigint END FROM w0), \
             (SELECT CASE count(*) WHEN $7 THEN 0 ELSE ('samples: ' || count(*) || ' rows written where ' \
             || $7::bigint || ' were expected')::bigint END FROM w1)"
        );
        assert_eq!(changes.arguments.len(), 7);
    }

    #[test]
    fn a_row_that_was_read_without_a_lock_is_written_only_as_that_version() {
        let mut rows: Rows<Sample> = [(sample(1), Some(Version(7))), (sample(2), None)].into_iter().collect();
        for id in [1, 2] {
            rows.get_mut(Uuid::from_u128(id)).unwrap().size = 2;
        }
        let changes = saved(&rows);
        assert_eq!(
            changes.parts[0].sql,
            "UPDATE samples SET note = n.note FROM (SELECT unnest($1::uuid[]) AS sample_id, \
             unnest($2::text[]) AS note, unnest($3::text[]) AS row_version) AS n \
             WHERE samples.sample_id = n.sample_id \
             AND (n.row_version IS NULL OR samples.xmin = n.row_version::xid) RETURNING 1"
        );
        assert_eq!(changes.arguments.len(), 4);
    }

    #[test]
    fn rows_that_are_only_read_are_not_written() {
        assert!(saved(&Rows::of([sample(1)])).parts.is_empty());
    }
}
