//! The working set of a batch: rows of one table in memory, loaded by key, changed by pure rules, and
//! written together with those of the other tables in one statement ([`Changes`]).
//!
//! Below `sea_orm`'s own rows on purpose: whole columns travel as typed arrays, with NULLs and without a
//! copy of every value, and an update names only what may change. Under load that is a third of
//! PostgreSQL's work (docs/performance.md).

mod changes;
mod column;
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
#[doc(hidden)]
pub use record::bind_column;
pub use record::{ColumnInfo, Record, Write};
use select::locked;
pub use select::{Select, select};
pub use transaction::Transaction;

#[derive(Debug, Clone)]
struct Row<R> {
    value: R,
    /// How it is to be written, if at all.
    write: Option<Write>,
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
        let rows = values.into_iter().map(|value| (value.row_key(), Row { value, write: None }));
        Self { rows: rows.collect() }
    }

    /// Loads the rows with these keys; a key without a row is simply absent.
    ///
    /// # Errors
    /// The statement failed, or a row is not of this type.
    pub async fn load(tx: &mut Transaction, keys: &[Uuid], hold: Hold) -> Result<Self, sqlx::Error> {
        if keys.is_empty() {
            return Ok(Self::default());
        }
        let tx = match tx {
            Transaction::Postgres(tx) => tx,
            Transaction::Memory(session) => return Ok(Self::of(session.read(|_| keys.to_vec(), hold).await)),
        };
        let wanted = match hold {
            Hold::Locked => {
                let mut keys = keys.to_vec();
                keys.sort_unstable();
                keys.dedup();
                locked("$1::uuid[]").bind(keys)
            }
            Hold::Unlocked => select(format!("{} = ANY($1)", R::COLUMNS[0].name)).bind(keys),
        };
        wanted.run(&mut **tx).await.map(Self::of)
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
        let tx = match tx {
            Transaction::Postgres(tx) => tx,
            Transaction::Memory(session) => {
                let parents = |tables: &Tables| {
                    let of_children = children.iter().flat_map(|child| parents_in(tables, *child));
                    keys.iter().copied().chain(of_children).collect()
                };
                return Ok(Self::of(session.read(parents, Hold::Locked).await));
            }
        };
        let wanted = locked(&format!("ARRAY(SELECT unnest($1::uuid[]) UNION {parents_of} ORDER BY 1)"));
        wanted.bind(keys).bind(children).run(&mut **tx).await.map(Self::of)
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
        let before = self.rows.insert(value.row_key(), Row { value, write: Some(Write::New) });
        debug_assert!(before.is_none(), "{}: a row is inserted once", R::TABLE);
    }

    /// Replaces a row that is known to be there without having been loaded: its parent is locked.
    pub fn put(&mut self, value: R) {
        let write = match self.rows.get(&value.row_key()) {
            Some(Row { write: Some(Write::New), .. }) => Write::New,
            _ => Write::Changed,
        };
        self.rows.insert(value.row_key(), Row { value, write: Some(write) });
    }

    /// All rows, in the order of their keys.
    pub fn iter(&self) -> impl Iterator<Item = &R> {
        self.rows.values().map(|row| &row.value)
    }

    fn written_as(&self, write: Write) -> Vec<&R> {
        self.rows.values().filter(|row| row.write == Some(write)).map(|row| &row.value).collect()
    }
}
