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
        let mut known = Rows::default();
        let mut unknown = keys.to_vec();
        {
            let mut cache = self.lock();
            let taken = keys.iter().filter_map(|key| Some((*key, cache.remove(key)?)));
            let row =
                |(key, (value, version))| (key, Row { is_unread: true, ..Row::read(value, Some(version)) });
            known.rows.extend(taken.map(row));
        }
        if tx.is_optimistic() {
            unknown.retain(|key| !known.rows.contains_key(key));
        } else {
            known.rows.clear();
        }
        known.rows.extend(Rows::load(tx, &unknown, Hold::Locked).await?.rows);
        Ok(known)
    }

    /// Keeps what was committed as this version, of what is worth it.
    pub fn keep(&self, rows: Rows<R>, version: Version, is_worth: impl Fn(&R) -> bool) {
        let mut cache = self.lock();
        for (key, row) in rows.rows {
            let version = if row.write.is_some() { Some(version) } else { row.version };
            if let Some(version) = version.filter(|_| is_worth(&row.value)) {
                cache.insert(key, (row.value, version));
            }
        }
    }

    fn lock(&self) -> MutexGuard<'_, LruCache<Uuid, (R, Version)>> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl<R> fmt::Debug for Known<R> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Known").finish_non_exhaustive()
    }
}
