//! What a batch writes: rows of any number of tables, in one statement and so in one round trip.
//!
//! Inserts carry no `ON CONFLICT`: somebody else's row under the same key aborts the batch, which is
//! then loaded and decided again on what is really there.

use sea_orm::sqlx;
use sqlx::error::BoxDynError;
use sqlx::postgres::PgArguments;
use sqlx::{Arguments as _, AssertSqlSafe, Row as _};

use super::memory::{Rewritten, Written};
use super::{ColumnInfo, Record, Rows, Transaction, Write};
use crate::failure::BatchError;

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
    expected: u64,
}

impl Changes {
    /// For where this transaction is.
    pub fn of(tx: &Transaction) -> Self {
        Self(match tx {
            Transaction::Postgres(_) => Target::Postgres(Statement::default()),
            Transaction::Memory(_) => Target::Memory(Vec::new()),
        })
    }

    /// Inserts what is new and updates what changed.
    pub fn save<R: Record>(&mut self, rows: &Rows<R>) {
        self.write(&rows.written_as(Write::New), Write::New);
        self.write(&rows.written_as(Write::Changed), Write::Changed);
    }

    /// Inserts rows that nobody changes later, whatever their key.
    pub fn append<R: Record>(&mut self, rows: &[R]) {
        self.write(&rows.iter().collect::<Vec<_>>(), Write::New);
    }

    fn write<R: Record>(&mut self, rows: &[&R], write: Write) {
        if rows.is_empty() {
            return;
        }
        match &mut self.0 {
            Target::Postgres(statement) => statement.write(rows, write),
            Target::Memory(written) => {
                let rows = rows.iter().copied().cloned().collect();
                written.push(Box::new(Rewritten { rows, write }));
            }
        }
    }

    /// Writes everything.
    ///
    /// # Errors
    /// The statement failed, or a row to be changed was no longer there. (In memory it is written when the
    /// transaction commits, which fails then.)
    pub async fn run(self, tx: &mut Transaction) -> Result<(), BatchError> {
        match (self.0, tx) {
            (Target::Postgres(statement), Transaction::Postgres(tx)) => statement.run(tx).await,
            (Target::Memory(written), Transaction::Memory(session)) => {
                session.write(written);
                Ok(())
            }
            _ => unreachable!("changes run where they were made for"),
        }
    }
}

impl Statement {
    fn write<R: Record>(&mut self, rows: &[&R], write: Write) {
        let sql = match write {
            Write::New => insert_sql::<R>(self.arguments.len()),
            Write::Changed => update_sql::<R>(self.arguments.len()),
        };
        if let Err(error) = R::bind(rows, write, &mut self.arguments) {
            self.unbound.get_or_insert(error);
        }
        self.parts.push(Part { sql, table: R::TABLE, expected: rows.len() as u64 });
    }

    async fn run(self, tx: &mut sqlx::PgConnection) -> Result<(), BatchError> {
        if self.parts.is_empty() {
            return Ok(());
        }
        let sql = statement(&self.parts);
        if let Some(error) = self.unbound {
            return Err(sqlx::Error::Encode(error).into());
        }
        // Made of constants alone; values are bound.
        let counts = sqlx::query_with(AssertSqlSafe(sql), self.arguments).fetch_one(tx).await?;
        for (index, Part { table, expected, .. }) in self.parts.into_iter().enumerate() {
            let written: i64 = counts.try_get(index)?;
            let written = u64::try_from(written).unwrap_or_default();
            if written != expected {
                return Err(BatchError::RowCount { table, expected, written });
            }
        }
        Ok(())
    }
}

/// One statement of all parts, which says how many rows each has written.
fn statement(parts: &[Part]) -> String {
    let writes: Vec<String> =
        parts.iter().enumerate().map(|(i, part)| format!("w{i} AS ({} RETURNING 1)", part.sql)).collect();
    let counts: Vec<String> = (0..parts.len()).map(|i| format!("(SELECT count(*) FROM w{i})")).collect();
    format!("WITH {} SELECT {}", writes.join(", "), counts.join(", "))
}

/// The columns as a table `n` of array parameters, the first of which is number `bound + 1`. They are
/// unnested in a select list, side by side: as a function in FROM the rows would be stored first.
fn unnest<'a>(columns: impl Iterator<Item = &'a ColumnInfo>, bound: usize) -> String {
    let column =
        |(c, number): (&ColumnInfo, usize)| format!("unnest(${number}::{}[]) AS {}", c.sql_type, c.name);
    let columns: Vec<String> = columns.zip(bound + 1..).map(column).collect();
    format!("(SELECT {}) AS n", columns.join(", "))
}

fn insert_sql<R: Record>(bound: usize) -> String {
    let names: Vec<&str> = R::COLUMNS.iter().map(|c| c.name).collect();
    let values: Vec<String> = R::COLUMNS.iter().map(|c| format!("n.{}{}", c.name, c.write_cast)).collect();
    let from = unnest(R::COLUMNS.iter(), bound);
    format!("INSERT INTO {} ({}) SELECT {} FROM {from}", R::TABLE, names.join(", "), values.join(", "))
}

fn update_sql<R: Record>(bound: usize) -> String {
    let (key, others) = R::COLUMNS.split_first().expect("a record has its key");
    let changing = others.iter().filter(|c| Write::Changed.takes(c));
    let sets: Vec<String> =
        changing.clone().map(|c| format!("{0} = n.{0}{1}", c.name, c.write_cast)).collect();
    let from = unnest(std::iter::once(key).chain(changing), bound);
    format!("UPDATE {0} SET {1} FROM {from} WHERE {0}.{2} = n.{2}", R::TABLE, sets.join(", "), key.name)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::record;
    use crate::rows::Json;
    use uuid::Uuid;

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
             FROM (SELECT unnest($4::uuid[]) AS sample_id, unnest($5::text[]) AS note) AS n \
             WHERE samples.sample_id = n.sample_id RETURNING 1) \
             SELECT (SELECT count(*) FROM w0), (SELECT count(*) FROM w1)"
        );
        assert_eq!(changes.parts.iter().map(|part| part.expected).collect::<Vec<_>>(), [2, 1]);
        assert_eq!(changes.arguments.len(), 5);
    }

    #[test]
    fn rows_that_are_only_read_are_not_written() {
        assert!(saved(&Rows::of([sample(1)])).parts.is_empty());
    }
}
