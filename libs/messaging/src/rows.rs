//! The working set of a batch: rows of one table in memory, loaded by key, changed by pure rules,
//! saved with one statement for the new and one for the changed.
//!
//! Inserts carry no `ON CONFLICT`: somebody else's row under the same key aborts the batch, which is
//! then loaded and decided again on what is really there.

use std::collections::BTreeMap;

use chrono::SecondsFormat;
use sea_orm::sea_query::ArrayType;
use sea_orm::{ConnectionTrait, DatabaseBackend, DatabaseTransaction, DbErr, QueryResult, Statement, Value};
use uuid::Uuid;

use crate::failure::BatchError;

/// A type that can be a column. `record!` asks it how to bind and how to read.
pub trait Column: Sized {
    /// The type of one element of the array parameter.
    const SQL_TYPE: &'static str;
    /// A cast from the parameter to the column, if they differ.
    const WRITE_CAST: &'static str = "";
    /// A cast from the column to what is read, if they differ.
    const READ_CAST: &'static str = "";
    /// Whether a value may be NULL.
    const NULLABLE: bool = false;
    /// The array that carries a column's values.
    fn array_type() -> ArrayType;
    /// One element.
    fn bind(&self) -> Value;
    /// From the column at this index.
    ///
    /// # Errors
    /// The column is not of this type.
    fn read(row: &QueryResult, index: usize) -> Result<Self, DbErr>;
}

macro_rules! plain_column {
    ($type:ty, $sql:literal, $array:ident) => {
        impl Column for $type {
            const SQL_TYPE: &'static str = $sql;
            fn array_type() -> ArrayType {
                ArrayType::$array
            }
            fn bind(&self) -> Value {
                self.clone().into()
            }
            fn read(row: &QueryResult, index: usize) -> Result<Self, DbErr> {
                row.try_get_by_index(index)
            }
        }
        impl Column for Option<$type> {
            const SQL_TYPE: &'static str = $sql;
            const NULLABLE: bool = true;
            fn array_type() -> ArrayType {
                ArrayType::$array
            }
            fn bind(&self) -> Value {
                self.clone().into()
            }
            fn read(row: &QueryResult, index: usize) -> Result<Self, DbErr> {
                row.try_get_by_index(index)
            }
        }
    };
}

plain_column!(Uuid, "uuid", Uuid);
plain_column!(i64, "bigint", BigInt);
plain_column!(i32, "integer", Int);
plain_column!(bool, "boolean", Bool);
plain_column!(String, "text", String);
plain_column!(contracts::Timestamp, "timestamptz", ChronoDateTimeUtc);

/// A `json` column. It travels as text: no tree is built for what nobody looks into.
#[derive(Debug, Clone, PartialEq)]
pub struct Json<T>(pub T);

impl<T: serde::Serialize + serde::de::DeserializeOwned> Column for Json<T> {
    const SQL_TYPE: &'static str = "text";
    const WRITE_CAST: &'static str = "::json";
    const READ_CAST: &'static str = "::text";
    fn array_type() -> ArrayType {
        ArrayType::String
    }
    fn bind(&self) -> Value {
        // A type of ours without a JSON form is a programming error; the column refuses the NULL and
        // the batch fails as a data error, so nothing wrong is stored.
        Value::String(serde_json::to_string(&self.0).ok())
    }
    fn read(row: &QueryResult, index: usize) -> Result<Self, DbErr> {
        let text: String = row.try_get_by_index(index)?;
        serde_json::from_str(&text).map(Self).map_err(|error| DbErr::Json(error.to_string()))
    }
}

/// A `uuid[]` column.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Uuids(pub Vec<Uuid>);

impl Column for Uuids {
    const SQL_TYPE: &'static str = "text";
    const WRITE_CAST: &'static str = "::uuid[]";
    fn array_type() -> ArrayType {
        ArrayType::String
    }
    fn bind(&self) -> Value {
        let list: Vec<String> = self.0.iter().map(Uuid::to_string).collect();
        format!("{{{}}}", list.join(",")).into()
    }
    fn read(row: &QueryResult, index: usize) -> Result<Self, DbErr> {
        row.try_get_by_index(index).map(Self)
    }
}

/// Makes an enum of words a text column.
#[macro_export]
macro_rules! word_column {
    ($type:ty { $($variant:ident => $word:literal),+ $(,)? }) => {
        impl $type {
            /// The word in the database and in the API.
            pub const fn as_str(self) -> &'static str {
                match self { $(Self::$variant => $word),+ }
            }
        }
        impl $crate::rows::Column for $type {
            const SQL_TYPE: &'static str = "text";
            fn array_type() -> $crate::rows::sea_query::ArrayType {
                $crate::rows::sea_query::ArrayType::String
            }
            fn bind(&self) -> $crate::rows::sea_query::Value {
                self.as_str().into()
            }
            fn read(row: &$crate::rows::QueryRow, index: usize) -> Result<Self, $crate::rows::DbError> {
                let word: String = row.try_get_by_index(index)?;
                match word.as_str() {
                    $($word => Ok(Self::$variant),)+
                    other => Err($crate::rows::DbError::Type(format!("unknown word {other:?}"))),
                }
            }
        }
    };
}

#[doc(hidden)]
pub use sea_orm::{DbErr as DbError, QueryResult as QueryRow, sea_query};

/// What `record!` knows of a column.
#[derive(Debug, Clone)]
pub struct ColumnInfo {
    /// Its name.
    pub name: &'static str,
    /// See [`Column::SQL_TYPE`].
    pub sql_type: &'static str,
    /// See [`Column::WRITE_CAST`].
    pub write_cast: &'static str,
    /// See [`Column::READ_CAST`].
    pub read_cast: &'static str,
    /// See [`Column::NULLABLE`].
    pub nullable: bool,
    /// See [`Column::array_type`].
    pub array_type: ArrayType,
}

/// A row of a table whose key is one UUID, its first column. Written by `record!`.
pub trait Record: Sized + Send + Sync {
    /// The table.
    const TABLE: &'static str;
    /// Every column, the key first.
    fn columns() -> Vec<ColumnInfo>;
    /// The key: the value of the first column.
    fn row_key(&self) -> Uuid;
    /// The values in the order of [`Record::columns`].
    fn values(&self) -> Vec<Value>;
    /// From a row that has exactly these columns.
    ///
    /// # Errors
    /// The table and this type have parted.
    fn read(row: &QueryResult) -> Result<Self, DbErr>;
}

/// Declares a struct that is a row: `record! { pub struct Account in "accounts" { user_id: Uuid, ... } }`.
/// The first field is the key.
#[macro_export]
macro_rules! record {
    ($(#[$meta:meta])* $vis:vis struct $name:ident in $table:literal {
        $(#[$key_meta:meta])* $key:ident : Uuid,
        $($(#[$field_meta:meta])* $field:ident : $type:ty),* $(,)?
    }) => {
        $(#[$meta])*
        #[derive(Debug, Clone)]
        $vis struct $name {
            $(#[$key_meta])* pub $key: uuid::Uuid,
            $($(#[$field_meta])* pub $field: $type,)*
        }
        impl $crate::rows::Record for $name {
            const TABLE: &'static str = $table;
            fn columns() -> Vec<$crate::rows::ColumnInfo> {
                vec![
                    $crate::rows::column::<uuid::Uuid>(stringify!($key)),
                    $($crate::rows::column::<$type>(stringify!($field)),)*
                ]
            }
            fn row_key(&self) -> uuid::Uuid {
                self.$key
            }
            fn values(&self) -> Vec<$crate::rows::sea_query::Value> {
                vec![
                    $crate::rows::Column::bind(&self.$key),
                    $($crate::rows::Column::bind(&self.$field),)*
                ]
            }
            fn read(row: &$crate::rows::QueryRow) -> Result<Self, $crate::rows::DbError> {
                let mut index = 0..;
                // The range never ends: an index is always there.
                let mut next = || index.next().unwrap_or_default();
                Ok(Self {
                    $key: $crate::rows::Column::read(row, next())?,
                    $($field: $crate::rows::Column::read(row, next())?,)*
                })
            }
        }
    };
}

#[doc(hidden)]
pub fn column<C: Column>(name: &'static str) -> ColumnInfo {
    ColumnInfo {
        name,
        sql_type: C::SQL_TYPE,
        write_cast: C::WRITE_CAST,
        read_cast: C::READ_CAST,
        nullable: C::NULLABLE,
        array_type: C::array_type(),
    }
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Change {
    None,
    Changed,
    New,
}

#[derive(Debug, Clone)]
struct Row<R> {
    value: R,
    change: Change,
}

/// Rows of one table by key: what was found, what is new, what changed.
#[derive(Debug, Clone)]
pub struct Rows<R> {
    rows: BTreeMap<Uuid, Row<R>>,
}

impl<R> Default for Rows<R> {
    fn default() -> Self {
        Self { rows: BTreeMap::new() }
    }
}

/// How rows are loaded.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Hold {
    /// Locked until the batch commits, in the order of their keys: parents.
    Locked,
    /// Read only: rows whose parent is locked already.
    Unlocked,
}

impl<R: Record> Rows<R> {
    /// Rows that are already there: for tests and simulation.
    pub fn of(values: impl IntoIterator<Item = R>) -> Self {
        let rows = values.into_iter().map(|value| (value.row_key(), Row { value, change: Change::None }));
        Self { rows: rows.collect() }
    }

    /// Loads the rows with these keys; a key without a row is simply absent.
    ///
    /// # Errors
    /// The statement failed, or a row is not of this type.
    pub async fn load(tx: &DatabaseTransaction, keys: &[Uuid], hold: Hold) -> Result<Self, DbErr> {
        if keys.is_empty() {
            return Ok(Self::default());
        }
        let key = R::columns()[0].name;
        Self::load_where(tx, &format!("{key} = ANY($1)"), [uuid_array(keys)], hold).await
    }

    /// Loads the rows that fulfil a condition over the table's columns.
    ///
    /// # Errors
    /// The statement failed, or a row is not of this type.
    pub async fn load_where(
        db: &impl ConnectionTrait,
        condition: &str,
        values: impl IntoIterator<Item = Value>,
        hold: Hold,
    ) -> Result<Self, DbErr> {
        let columns = R::columns();
        let list: Vec<String> = columns.iter().map(|c| format!("{}{}", c.name, c.read_cast)).collect();
        let lock = match hold {
            Hold::Locked => format!(" ORDER BY {} FOR NO KEY UPDATE", columns[0].name),
            Hold::Unlocked => String::new(),
        };
        let sql = format!("SELECT {} FROM {} WHERE {condition}{lock}", list.join(", "), R::TABLE);
        let statement = Statement::from_sql_and_values(DatabaseBackend::Postgres, sql, values);
        let found = db.query_all_raw(statement).await?;
        let values: Result<Vec<R>, DbErr> = found.iter().map(R::read).collect();
        Ok(Self::of(values?))
    }

    /// The row, if it was found or made.
    pub fn get(&self, key: Uuid) -> Option<&R> {
        self.rows.get(&key).map(|row| &row.value)
    }

    /// The row to change: it will be saved.
    pub fn get_mut(&mut self, key: Uuid) -> Option<&mut R> {
        let row = self.rows.get_mut(&key)?;
        if row.change == Change::None {
            row.change = Change::Changed;
        }
        Some(&mut row.value)
    }

    /// Adds a row that is not there yet.
    pub fn insert(&mut self, value: R) {
        let before = self.rows.insert(value.row_key(), Row { value, change: Change::New });
        debug_assert!(before.is_none(), "{}: a row is inserted once", R::TABLE);
    }

    /// Replaces a row that is known to be there without having been loaded: its parent is locked.
    pub fn put(&mut self, value: R) {
        let change = match self.rows.get(&value.row_key()) {
            Some(Row { change: Change::New, .. }) => Change::New,
            _ => Change::Changed,
        };
        self.rows.insert(value.row_key(), Row { value, change });
    }

    /// All rows, in the order of their keys.
    pub fn iter(&self) -> impl Iterator<Item = &R> {
        self.rows.values().map(|row| &row.value)
    }

    /// Inserts what is new and updates what changed: at most two statements.
    ///
    /// # Errors
    /// A statement failed, or a row to be changed was no longer there.
    pub async fn save(&self, tx: &DatabaseTransaction) -> Result<(), BatchError> {
        self.write(tx, Change::New, insert_sql::<R>).await?;
        self.write(tx, Change::Changed, update_sql::<R>).await
    }

    async fn write(
        &self,
        tx: &DatabaseTransaction,
        change: Change,
        sql: fn() -> String,
    ) -> Result<(), BatchError> {
        let rows: Vec<&R> =
            self.rows.values().filter(|row| row.change == change).map(|row| &row.value).collect();
        write(tx, &rows, sql).await
    }
}

/// Appends rows that nobody changes later, whatever their key: one statement.
///
/// # Errors
/// The statement failed.
pub async fn append<R: Record>(tx: &DatabaseTransaction, rows: &[R]) -> Result<(), BatchError> {
    let rows: Vec<&R> = rows.iter().collect();
    write(tx, &rows, insert_sql::<R>).await
}

async fn write<R: Record>(
    tx: &DatabaseTransaction,
    rows: &[&R],
    sql: fn() -> String,
) -> Result<(), BatchError> {
    if rows.is_empty() {
        return Ok(());
    }
    let expected = rows.len() as u64;
    let statement = Statement::from_sql_and_values(DatabaseBackend::Postgres, sql(), columns_of(rows));
    let written = tx.execute_raw(statement).await?.rows_affected();
    if written == expected {
        Ok(())
    } else {
        Err(BatchError::RowCount { table: R::TABLE, expected, written })
    }
}

/// An array parameter of keys.
pub fn uuid_array(keys: &[Uuid]) -> Value {
    let values = keys.iter().map(|key| Value::Uuid(Some(*key))).collect();
    Value::Array(ArrayType::Uuid, Some(Box::new(values)))
}

/// An array parameter of words.
pub fn text_array<'a>(words: impl IntoIterator<Item = &'a str>) -> Value {
    let values = words.into_iter().map(Value::from).collect();
    Value::Array(ArrayType::String, Some(Box::new(values)))
}

/// The rows turned into one array parameter a column.
fn columns_of<R: Record>(rows: &[&R]) -> Vec<Value> {
    let columns = R::columns();
    let mut arrays: Vec<Vec<Value>> = columns.iter().map(|_| Vec::with_capacity(rows.len())).collect();
    for row in rows {
        for (array, value) in arrays.iter_mut().zip(row.values()) {
            array.push(value);
        }
    }
    let typed = columns.into_iter().zip(arrays);
    typed
        .map(|(column, array)| match column.nullable {
            true => array_literal(&array).into(),
            false => Value::Array(column.array_type, Some(Box::new(array))),
        })
        .collect()
}

/// An array in PostgreSQL's text form: typed array parameters cannot carry NULL (sea-query-sqlx panics).
fn array_literal(values: &[Value]) -> String {
    let elements: Vec<String> =
        values.iter().map(|value| text_of(value).map_or("NULL".to_owned(), |text| quoted(&text))).collect();
    format!("{{{}}}", elements.join(","))
}

/// A value of one of the nullable columns as PostgreSQL reads it.
fn text_of(value: &Value) -> Option<String> {
    match value {
        Value::Uuid(id) => id.map(|id| id.to_string()),
        Value::BigInt(number) => number.map(|number| number.to_string()),
        Value::Int(number) => number.map(|number| number.to_string()),
        Value::Bool(truth) => truth.map(|truth| truth.to_string()),
        Value::String(text) => text.clone(),
        // Cut to microseconds, as in a typed parameter; PostgreSQL would round.
        Value::ChronoDateTimeUtc(time) => time.map(|time| time.to_rfc3339_opts(SecondsFormat::Micros, true)),
        // No other type is a nullable column: see `plain_column!`.
        _ => None,
    }
}

fn quoted(text: &str) -> String {
    format!("\"{}\"", text.replace('\\', "\\\\").replace('"', "\\\""))
}

fn unnest(columns: &[ColumnInfo]) -> String {
    let parameter = |(i, c): (usize, &ColumnInfo)| {
        let text = if c.nullable { "::text" } else { "" };
        format!("${}{text}::{}[]", i + 1, c.sql_type)
    };
    let parameters: Vec<String> = columns.iter().enumerate().map(parameter).collect();
    let names: Vec<&str> = columns.iter().map(|c| c.name).collect();
    format!("UNNEST({}) AS n({})", parameters.join(", "), names.join(", "))
}

fn insert_sql<R: Record>() -> String {
    let columns = R::columns();
    let names: Vec<&str> = columns.iter().map(|c| c.name).collect();
    let values: Vec<String> = columns.iter().map(|c| format!("n.{}{}", c.name, c.write_cast)).collect();
    let from = unnest(&columns);
    format!("INSERT INTO {} ({}) SELECT {} FROM {from}", R::TABLE, names.join(", "), values.join(", "))
}

fn update_sql<R: Record>() -> String {
    let columns = R::columns();
    let key = columns[0].name;
    let sets: Vec<String> =
        columns[1..].iter().map(|c| format!("{0} = n.{0}{1}", c.name, c.write_cast)).collect();
    let from = unnest(&columns);
    format!("UPDATE {0} SET {1} FROM {from} WHERE {0}.{key} = n.{key}", R::TABLE, sets.join(", "))
}

#[cfg(test)]
mod tests {
    use super::*;

    record! {
        struct Sample in "samples" {
            sample_id: Uuid,
            size: i64,
            note: Json<Option<String>>,
        }
    }

    #[test]
    fn one_statement_saves_any_number_of_new_rows() {
        assert_eq!(
            insert_sql::<Sample>(),
            "INSERT INTO samples (sample_id, size, note) SELECT n.sample_id, n.size, n.note::json \
             FROM UNNEST($1::uuid[], $2::bigint[], $3::text[]) AS n(sample_id, size, note)"
        );
    }

    #[test]
    fn one_statement_saves_any_number_of_changed_rows() {
        assert_eq!(
            update_sql::<Sample>(),
            "UPDATE samples SET size = n.size, note = n.note::json \
             FROM UNNEST($1::uuid[], $2::bigint[], $3::text[]) AS n(sample_id, size, note) \
             WHERE samples.sample_id = n.sample_id"
        );
    }

    #[test]
    fn what_may_be_null_travels_as_the_text_of_an_array() {
        record! {
            struct Nullable in "nullables" {
                nullable_id: Uuid,
                size: Option<i64>,
                note: Option<String>,
            }
        }
        let row = |size, note: Option<&str>| Nullable {
            nullable_id: Uuid::nil(),
            size,
            note: note.map(str::to_owned),
        };
        let rows = [row(Some(7), None), row(None, Some(r#"a "b", \ {c}"#)), row(None, Some("NULL"))];
        let values = columns_of(&rows.iter().collect::<Vec<_>>());
        assert_eq!(values[1], r#"{"7",NULL,NULL}"#.into());
        assert_eq!(values[2], r#"{NULL,"a \"b\", \\ {c}","NULL"}"#.into());
        assert!(insert_sql::<Nullable>().contains("$1::uuid[], $2::text::bigint[], $3::text::text[]"));
    }

    #[test]
    fn only_rows_taken_for_change_are_saved() {
        let sample = |sample_id| Sample { sample_id, size: 1, note: Json(None) };
        let (kept, changed) = (Uuid::from_u128(1), Uuid::from_u128(2));
        let mut rows = Rows::of([sample(kept), sample(changed)]);
        rows.get_mut(changed).unwrap().size = 2;
        rows.insert(sample(Uuid::from_u128(3)));
        let changes: Vec<Change> = rows.rows.values().map(|row| row.change).collect();
        assert_eq!(changes, [Change::None, Change::Changed, Change::New]);
    }
}
