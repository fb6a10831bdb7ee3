//! Rows as this process committed them last: an optimistic transaction need not read them again. Where
//! somebody else has written one since, its version is another one, and the batch is decided again, whether it
//! would have changed the row or left it as it is.

use std::fmt;
use std::sync::{Mutex, MutexGuard, PoisonError};

use hashlink::LruCache;
use sea_orm::sqlx;
use uuid::Uuid;

use super::{Hold, Record, Row, Rows, Transaction, Version};

/// The rows of one table that are known, those that were used last.
pub struct Known<R>(Mutex<LruCache<Uuid, (R, Version)>>);

impl<R: Record> Known<R> {
    /// Knows at most so many rows.
    pub fn new(rows_max: usize) -> Self {
        Self(Mutex::new(LruCache::new(rows_max)))
    }

    /// As [`Rows::load`] of rows to be locked. In an optimistic transaction those that are known are not read;
    /// they are forgotten until they are kept again.
    ///
    /// # Errors
    /// The statement failed, or a row is not of this type.
    pub async fn load(&self, tx: &mut Transaction, keys: &[Uuid]) -> Result<Rows<R>, sqlx::Error> {
        if tx.is_optimistic() {
            self.take(keys).and_read(tx, keys).await
        } else {
            Rows::load(tx, keys, Hold::Locked).await
        }
    }

    /// Those that are known, for an optimistic transaction; they are forgotten until they are kept again.
    pub fn take(&self, keys: &[Uuid]) -> Rows<R> {
        let mut cache = self.lock();
        let taken = keys.iter().filter_map(|key| Some((*key, cache.remove(key)?)));
        let row = |(key, (value, version))| (key, Row { is_unread: true, ..Row::read(value, Some(version)) });
        Rows { rows: taken.map(row).collect() }
    }

    /// Keeps what was committed as this version, of what is worth it; of the others nothing is known any more.
    pub fn keep(&self, rows: Rows<R>, version: Version, is_worth: impl Fn(&R) -> bool) {
        let mut cache = self.lock();
        for (key, row) in rows.rows {
            let version = if row.write.is_some() { Some(version) } else { row.version };
            match version {
                Some(version) if is_worth(&row.value) => drop(cache.insert(key, (row.value, version))),
                _ => drop(cache.remove(&key)),
            }
        }
    }

    fn lock(&self) -> MutexGuard<'_, LruCache<Uuid, (R, Version)>> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl<R: Record> Rows<R> {
    /// With those of the keys that are not among them, as an optimistic transaction reads them.
    ///
    /// # Errors
    /// The statement failed, or a row is not of this type.
    pub async fn and_read(mut self, tx: &mut Transaction, keys: &[Uuid]) -> Result<Self, sqlx::Error> {
        let missing: Vec<Uuid> = keys.iter().copied().filter(|key| !self.rows.contains_key(key)).collect();
        self.rows.extend(Self::load(tx, &missing, Hold::Locked).await?.rows);
        Ok(self)
    }
}

impl<R> fmt::Debug for Known<R> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Known").finish_non_exhaustive()
    }
}
