//! The working set of a batch: rows of one table in memory, loaded by key, changed by pure rules, and
//! written together with those of the other tables in one statement ([`Changes`]).
//!
//! Below `sea_orm`'s own rows on purpose: whole columns travel as typed arrays, with NULLs and without a
//! copy of every value, and an update names only what may change. Under load that is a third of
//! PostgreSQL's work (docs/performance.md).

mod changes;
mod column;
mod known;
pub mod memory;
mod record;
mod select;
mod transaction;

use std::collections::BTreeMap;

use uuid::Uuid;

use memory::Tables;

#[doc(hidden)]
pub use sea_orm::sqlx;

pub use changes::Changes;
pub use column::{Column, Json, JsonElement, Uuids};
pub use known::Known;
#[doc(hidden)]
pub use record::bind_column;
pub use record::{ColumnInfo, Record, Write};
use select::locked;
pub use select::{Select, select};
pub use transaction::Transaction;

/// Which commit wrote a row: another one, another version.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Version(i64);

impl Version {
    /// As PostgreSQL's type `xid` is written.
    fn text(self) -> String {
        self.0.to_string()
    }
}

#[derive(Debug, Clone)]
struct Row<R> {
    value: R,
    /// How it is to be written, if at all.
    write: Option<Write>,
    /// As which it was read without a lock, or is known: it is written only if it is still that.
    version: Option<Version>,
    /// It was not read now. Whoever changes nothing because of it has to be right about it, too.
    is_unread: bool,
}

/// A row that is to be written.
#[derive(Debug)]
pub(crate) struct Writing<'a, R> {
    value: &'a R,
    version: Option<Version>,
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
    /// Locked until the batch commits, in the order of their keys: parents. An optimistic transaction locks
    /// nothing, but writes such a row only if nobody has written it since.
    Locked,
    /// Read only: rows whose parent is locked already.
    Unlocked,
}

impl<R: Record> Rows<R> {
    /// Rows that are already there: for tests and simulation.
    pub fn of(values: impl IntoIterator<Item = R>) -> Self {
        values.into_iter().map(|value| (value, None)).collect()
    }

    /// Loads the rows with these keys; a key without a row is simply absent.
    ///
    /// # Errors
    /// The statement failed, or a row is not of this type.
    pub async fn load(tx: &mut Transaction, keys: &[Uuid], hold: Hold) -> Result<Self, sqlx::Error> {
        if keys.is_empty() {
            return Ok(Self::default());
        }
        let with_keys = || select(format!("{} = ANY($1)", R::COLUMNS[0].name)).bind(keys);
        match (tx, hold) {
            (Transaction::Postgres(tx), Hold::Locked) => {
                let mut keys = keys.to_vec();
                keys.sort_unstable();
                keys.dedup();
                locked("$1::uuid[]").bind(keys).run(&mut **tx).await.map(Self::of)
            }
            (Transaction::Postgres(tx), Hold::Unlocked) => with_keys().run(&mut **tx).await.map(Self::of),
            (Transaction::Optimistic(db), Hold::Locked) => with_keys().run_versioned(&*db).await,
            (Transaction::Optimistic(db), Hold::Unlocked) => with_keys().run(&*db).await.map(Self::of),
            (Transaction::Memory(session), _) => Ok(session.read(|_| keys.to_vec(), hold).await),
        }
    }

    /// Locks the rows with these keys, and those that children name: `parents_of` selects their keys by the
    /// `children` in `$2`, like `SELECT user_id FROM holds WHERE order_id = ANY($2)`.
    /// In memory, `parents_in` gives the same keys of each child.
    ///
    /// # Errors
    /// The statement failed, or a row is not of this type.
    pub async fn lock_with_parents_of(
        tx: &mut Transaction,
        keys: &[Uuid],
        parents_of: &str,
        children: &[Uuid],
        parents_in: impl Fn(&Tables, Uuid) -> Vec<Uuid>,
    ) -> Result<Self, sqlx::Error> {
        if children.is_empty() {
            return Self::load(tx, keys, Hold::Locked).await;
        }
        let wanted = format!("ARRAY(SELECT unnest($1::uuid[]) UNION {parents_of} ORDER BY 1)");
        match tx {
            Transaction::Postgres(tx) => {
                locked(&wanted).bind(keys).bind(children).run(&mut **tx).await.map(Self::of)
            }
            Transaction::Optimistic(db) => {
                let wanted = select(format!("{} = ANY({wanted})", R::COLUMNS[0].name));
                wanted.bind(keys).bind(children).run_versioned(&*db).await
            }
            Transaction::Memory(session) => {
                let parents = |tables: &Tables| {
                    let of_children = children.iter().flat_map(|child| parents_in(tables, *child));
                    keys.iter().copied().chain(of_children).collect()
                };
                Ok(session.read(parents, Hold::Locked).await)
            }
        }
    }

    /// The row, if it was found or made.
    pub fn get(&self, key: Uuid) -> Option<&R> {
        self.rows.get(&key).map(|row| &row.value)
    }

    /// The row to change: it will be saved.
    pub fn get_mut(&mut self, key: Uuid) -> Option<&mut R> {
        let row = self.rows.get_mut(&key)?;
        row.write.get_or_insert(Write::Changed);
        Some(&mut row.value)
    }

    /// Adds a row that is not there yet.
    pub fn insert(&mut self, value: R) {
        let before =
            self.rows.insert(value.row_key(), Row { write: Some(Write::New), ..Row::read(value, None) });
        debug_assert!(before.is_none(), "{}: a row is inserted once", R::TABLE);
    }

    /// Replaces a row that is known to be there without having been loaded: its parent is locked.
    pub fn put(&mut self, value: R) {
        let row = self.rows.entry(value.row_key()).or_insert_with(|| Row::read(value.clone(), None));
        row.value = value;
        row.write.get_or_insert(Write::Changed);
    }

    /// All rows, in the order of their keys.
    pub fn iter(&self) -> impl Iterator<Item = &R> {
        self.rows.values().map(|row| &row.value)
    }

    fn written_as(&self, write: Write) -> Vec<Writing<'_, R>> {
        let written = self.rows.values().filter(|row| row.write == Some(write));
        written.map(|row| Writing { value: &row.value, version: row.version }).collect()
    }

    /// Those that were taken for known and led to nothing.
    fn unread(&self) -> impl Iterator<Item = (&R, Version)> {
        let unread = self.rows.values().filter(|row| row.is_unread && row.write.is_none());
        unread.filter_map(|row| Some((&row.value, row.version?)))
    }
}

impl<R> Row<R> {
    const fn read(value: R, version: Option<Version>) -> Self {
        Self { value, write: None, version, is_unread: false }
    }
}

impl<R: Record> FromIterator<(R, Option<Version>)> for Rows<R> {
    fn from_iter<I: IntoIterator<Item = (R, Option<Version>)>>(rows: I) -> Self {
        let row = |(value, version): (R, _)| (value.row_key(), Row::read(value, version));
        Self { rows: rows.into_iter().map(row).collect() }
    }
}
