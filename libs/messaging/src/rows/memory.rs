//! Tables in memory, with sessions that behave as the loop's transactions in PostgreSQL do: parents are locked
//! until the commit, children are read as last committed, and an insert under a key that is taken or an update
//! of a row that is not there aborts the batch. An optimistic one locks nothing, and an update of a row that
//! somebody has written since aborts it. For simulation.

use std::any::{Any, TypeId};
use std::collections::{BTreeMap, HashMap};
use std::fmt;
use std::future::poll_fn;
use std::marker::PhantomData;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::task::Poll;

use uuid::Uuid;

use super::{Hold, Record, Rows, Version, Write, Writing};
use crate::failure::BatchError;

/// A service's database. Cheap to clone; all clones are the same tables.
#[derive(Clone, Default)]
pub struct Database(Arc<Mutex<Shared>>);

#[derive(Default)]
struct Shared {
    tables: Tables,
    /// Which session holds a row.
    locks: HashMap<(TypeId, Uuid), u64>,
    sessions: u64,
}

/// What is committed.
#[derive(Default)]
pub struct Tables(HashMap<TypeId, Box<dyn Any + Send>>);

struct Table<R> {
    /// By key, and by number where a key has several rows.
    rows: BTreeMap<(Uuid, i64), Kept<R>>,
    watches: Vec<Watch<R>>,
}

struct Kept<R> {
    row: R,
    version: Version,
}

type Watch<R> = Box<dyn FnMut(Option<&R>, &R) + Send>;

/// A batch's transaction. Dropped without a commit, it has changed nothing.
pub struct Session {
    database: Database,
    id: u64,
    /// Statements until somebody else gets a turn, if anybody does.
    turn_after: Option<u32>,
    is_optimistic: bool,
    writes: Vec<Box<dyn Written>>,
}

/// Rows of one table that are written in one way, each with the version that it has to be of.
pub(super) struct Rewritten<R> {
    rows: Vec<(R, Option<Version>)>,
    write: Write,
}

/// Rows of one table that are not written, each with the version that it has to be of.
pub(super) struct Checked<R> {
    rows: Vec<((Uuid, i64), Version)>,
    record: PhantomData<fn() -> R>,
}

pub(super) trait Written: Send + Sync {
    /// Whether another session holds any of the rows.
    fn waits(&self, session: u64, locks: &HashMap<(TypeId, Uuid), u64>) -> bool;
    fn check(&self, tables: &Tables) -> Result<(), BatchError>;
    fn apply(self: Box<Self>, tables: &mut Tables, version: Version) -> Result<(), BatchError>;
}

impl Database {
    /// Begins a transaction. After so many statements it lets others have a turn once, if that is given: its
    /// future is pending then, and is to be polled again. So it is while it waits for a row.
    pub fn begin(&self, turn_after: Option<u32>) -> Session {
        let mut shared = self.lock();
        shared.sessions += 1;
        let (database, id) = (self.clone(), shared.sessions);
        Session { database, id, turn_after, is_optimistic: false, writes: Vec::new() }
    }

    /// Begins one that locks nothing.
    pub fn begin_optimistic(&self, turn_after: Option<u32>) -> Session {
        let mut session = self.begin(turn_after);
        session.is_optimistic = true;
        session
    }

    /// Looks at what is committed.
    pub fn look<T>(&self, at: impl FnOnce(&Tables) -> T) -> T {
        at(&self.lock().tables)
    }

    /// Shows every row of a table as it was before, if it was there, and as it is after each commit. What is
    /// shown must not look into this database.
    pub fn watch<R: Record>(&self, watch: impl FnMut(Option<&R>, &R) + Send + 'static) {
        self.lock().tables.table_mut::<R>().watches.push(Box::new(watch));
    }

    fn lock(&self) -> MutexGuard<'_, Shared> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Tables {
    /// The first row with this key.
    pub fn get<R: Record>(&self, key: Uuid) -> Option<&R> {
        self.with_key(key).next()
    }

    /// The rows with this key, by number.
    pub fn with_key<R: Record>(&self, key: Uuid) -> impl Iterator<Item = &R> {
        let rows = self
            .table()
            .into_iter()
            .flat_map(move |table: &Table<R>| table.rows.range((key, i64::MIN)..=(key, i64::MAX)));
        rows.map(|(_, kept)| &kept.row)
    }

    /// All rows, in the order of their keys.
    pub fn all<R: Record>(&self) -> impl Iterator<Item = &R> {
        self.table().into_iter().flat_map(|table: &Table<R>| table.rows.values().map(|kept| &kept.row))
    }

    fn table<R: Record>(&self) -> Option<&Table<R>> {
        self.0.get(&TypeId::of::<R>())?.downcast_ref()
    }

    fn table_mut<R: Record>(&mut self) -> &mut Table<R> {
        let made =
            || Box::new(Table::<R> { rows: BTreeMap::new(), watches: Vec::new() }) as Box<dyn Any + Send>;
        let table = self.0.entry(TypeId::of::<R>()).or_insert_with(made);
        table.downcast_mut().expect("a table lies under its record's type")
    }
}

impl Session {
    /// The rows that exist of the keys, which are those that the statement sees as it begins. Rows that are
    /// waited for are read after their holder has committed.
    pub(super) async fn read<R: Record>(
        &mut self,
        keys: impl FnOnce(&Tables) -> Vec<Uuid>,
        hold: Hold,
    ) -> Rows<R> {
        self.let_others_go().await;
        let mut keys = self.database.look(keys);
        keys.sort_unstable();
        keys.dedup();
        poll_fn(|_| {
            let mut shared = self.database.lock();
            let Shared { tables, locks, .. } = &mut *shared;
            let Some(table) = tables.table::<R>() else { return Poll::Ready(Rows::default()) };
            let found = || keys.iter().filter_map(|key| table.rows.get(&(*key, 0)));
            if hold == Hold::Locked && !self.is_optimistic {
                let held = |kept: &Kept<R>| (TypeId::of::<R>(), kept.row.row_key());
                let is_others = |kept| locks.get(&held(kept)).is_some_and(|session| *session != self.id);
                if found().any(is_others) {
                    return Poll::Pending;
                }
                locks.extend(found().map(|kept| (held(kept), self.id)));
            }
            let is_versioned = hold == Hold::Locked && self.is_optimistic;
            Poll::Ready(
                found().map(|kept| (kept.row.clone(), is_versioned.then_some(kept.version))).collect(),
            )
        })
        .await
    }

    async fn let_others_go(&mut self) {
        let is_now = self.turn_after == Some(0);
        self.turn_after = self.turn_after.and_then(|statements| statements.checked_sub(1));
        let mut has_gone = !is_now;
        poll_fn(|_| if std::mem::replace(&mut has_gone, true) { Poll::Ready(()) } else { Poll::Pending })
            .await;
    }

    pub(super) const fn is_optimistic(&self) -> bool {
        self.is_optimistic
    }

    /// What it writes is of this version: a transaction's number, as in PostgreSQL.
    pub(super) fn write(&mut self, writes: Vec<Box<dyn Written>>) -> Version {
        self.writes.extend(writes);
        self.version()
    }

    fn version(&self) -> Version {
        Version(self.id.cast_signed())
    }

    /// Writes all, or nothing.
    pub(super) async fn commit(mut self) -> Result<(), BatchError> {
        poll_fn(|_| {
            let shared = self.database.lock();
            let waits = self.writes.iter().any(|written| written.waits(self.id, &shared.locks));
            if waits { Poll::Pending } else { Poll::Ready(()) }
        })
        .await;
        let (version, writes) = (self.version(), std::mem::take(&mut self.writes));
        let mut shared = self.database.lock();
        for written in &writes {
            written.check(&shared.tables)?;
        }
        for written in writes {
            written.apply(&mut shared.tables, version)?;
        }
        Ok(())
    }
}

impl Drop for Session {
    fn drop(&mut self) {
        self.database.lock().locks.retain(|_, session| *session != self.id);
    }
}

impl<R: Record> Rewritten<R> {
    pub(super) fn of(rows: &[Writing<'_, R>], write: Write) -> Self {
        Self { rows: rows.iter().map(|row| (row.value.clone(), row.version)).collect(), write }
    }
}

impl<R: Record> Written for Rewritten<R> {
    fn waits(&self, session: u64, locks: &HashMap<(TypeId, Uuid), u64>) -> bool {
        let holder = |(row, _): &(R, _)| locks.get(&(TypeId::of::<R>(), row.row_key()));
        self.write == Write::Changed && self.rows.iter().filter_map(holder).any(|holder| *holder != session)
    }

    fn check(&self, tables: &Tables) -> Result<(), BatchError> {
        let is_free = |(row, version): &&(R, Option<Version>)| {
            let kept = tables.table::<R>().and_then(|table| table.rows.get(&place(row)));
            match (self.write, kept) {
                (Write::New, kept) => kept.is_none(),
                (Write::Changed, Some(kept)) => version.is_none_or(|version| version == kept.version),
                (Write::Changed, None) => false,
            }
        };
        let expected = self.rows.len() as u64;
        let written = self.rows.iter().filter(is_free).count() as u64;
        if written == expected {
            return Ok(());
        }
        Err(BatchError::Conflict(format!(
            "{}: {written} rows written where {expected} were expected",
            R::TABLE
        )))
    }

    fn apply(self: Box<Self>, tables: &mut Tables, version: Version) -> Result<(), BatchError> {
        let Table { rows, watches } = tables.table_mut::<R>();
        for (row, _) in self.rows {
            let place = place(&row);
            let before = rows.get(&place).map(|kept| &kept.row);
            let after = match before {
                Some(before) => before.updated_to(&row)?,
                None => row,
            };
            watches.iter_mut().for_each(|watch| watch(before, &after));
            rows.insert(place, Kept { row: after, version });
        }
        Ok(())
    }
}

impl<R: Record> Checked<R> {
    pub(super) fn of(rows: &[(&R, Version)]) -> Self {
        Self {
            rows: rows.iter().map(|(row, version)| (place(*row), *version)).collect(),
            record: PhantomData,
        }
    }
}

impl<R: Record> Written for Checked<R> {
    fn waits(&self, _: u64, _: &HashMap<(TypeId, Uuid), u64>) -> bool {
        false
    }

    fn check(&self, tables: &Tables) -> Result<(), BatchError> {
        let version = |place| Some(tables.table::<R>()?.rows.get(place)?.version);
        if self.rows.iter().all(|(place, known)| version(place) == Some(*known)) {
            return Ok(());
        }
        Err(BatchError::Conflict(format!("{}: rows are not what they were taken for", R::TABLE)))
    }

    fn apply(self: Box<Self>, _: &mut Tables, _: Version) -> Result<(), BatchError> {
        Ok(())
    }
}

fn place<R: Record>(row: &R) -> (Uuid, i64) {
    (row.row_key(), row.row_number())
}

impl fmt::Debug for Database {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Database").finish_non_exhaustive()
    }
}

impl fmt::Debug for Tables {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Tables").finish_non_exhaustive()
    }
}

impl fmt::Debug for Session {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Session").field("id", &self.id).finish_non_exhaustive()
    }
}

#[cfg(test)]
mod tests;
