//! A struct that is a row: its columns by name, how its values are written and read. Written by
//! [`record!`](crate::record).

use sea_orm::sqlx;
use sqlx::error::BoxDynError;
use sqlx::postgres::{PgArguments, PgRow};
use uuid::Uuid;

use super::Column;

/// What `record!` knows of a column.
#[derive(Debug, Clone, Copy)]
pub struct ColumnInfo {
    /// Its name.
    pub name: &'static str,
    /// Whether a row may change it after it was inserted.
    pub changes: bool,
    /// See [`Column::SQL_TYPE`].
    pub sql_type: &'static str,
    /// See [`Column::WRITE_CAST`].
    pub write_cast: &'static str,
}

impl ColumnInfo {
    #[doc(hidden)]
    pub const fn of<C: Column>(name: &'static str, changes: bool) -> Self {
        Self { name, changes, sql_type: C::SQL_TYPE, write_cast: C::WRITE_CAST }
    }
}

/// Which columns of a row are written.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Write {
    /// All: the row is new.
    New,
    /// The key and those that change.
    Changed,
}

impl Write {
    /// Whether a column is written, beside the key.
    pub const fn takes(self, column: &ColumnInfo) -> bool {
        matches!(self, Self::New) || column.changes
    }
}

/// A row of a table whose key is one UUID, its first column. Written by `record!`.
pub trait Record: Clone + Send + Sync + 'static {
    /// The table.
    const TABLE: &'static str;
    /// Every column, the key first.
    const COLUMNS: &'static [ColumnInfo];
    /// The key: the value of the first column.
    fn row_key(&self) -> Uuid;
    /// What tells the rows of one key apart, in tables where a key has several.
    fn row_number(&self) -> i64 {
        0
    }
    /// This row after an update by `changed`, which writes those columns alone that change.
    ///
    /// # Errors
    /// What comes out contradicts itself.
    fn updated_to(&self, changed: &Self) -> Result<Self, sqlx::Error>;
    /// Adds the rows' values, an array a column, in the order of [`Record::COLUMNS`].
    ///
    /// # Errors
    /// A value is larger than the protocol allows.
    fn bind(rows: &[&Self], write: Write, to: &mut PgArguments) -> Result<(), BoxDynError>;
    /// From a row that has exactly these columns.
    ///
    /// # Errors
    /// The table and this type have parted.
    fn read(row: &PgRow) -> Result<Self, sqlx::Error>;
}

#[doc(hidden)]
pub fn bind_column<'r, R: 'r, C: Column + 'r>(
    rows: &[&'r R],
    field: impl Fn(&'r R) -> &'r C,
    to: &mut PgArguments,
) -> Result<(), BoxDynError> {
    let elements: Vec<C::Element<'r>> = rows.iter().map(|row| field(row).element()).collect();
    sqlx::Arguments::add(to, elements)
}

/// Makes a type a row that is one by another type: `record_as!(Hold { order_id } as HoldRow)`, where `order_id`
/// is the key in both, and there is `From<&Hold> for HoldRow` and `TryFrom<HoldRow, Error = sqlx::Error> for Hold`.
#[macro_export]
macro_rules! record_as {
    ($type:ident { $key:ident } as $row:ty) => {
        impl $crate::rows::Record for $type {
            const TABLE: &'static str = <$row as $crate::rows::Record>::TABLE;
            const COLUMNS: &'static [$crate::rows::ColumnInfo] = <$row as $crate::rows::Record>::COLUMNS;
            fn row_key(&self) -> uuid::Uuid {
                self.$key
            }
            fn updated_to(&self, changed: &Self) -> Result<Self, $crate::rows::sqlx::Error> {
                let (row, changed) = (<$row>::from(self), <$row>::from(changed));
                $crate::rows::Record::updated_to(&row, &changed)?.try_into()
            }
            fn bind(
                values: &[&Self],
                write: $crate::rows::Write,
                to: &mut $crate::rows::sqlx::postgres::PgArguments,
            ) -> Result<(), $crate::rows::sqlx::error::BoxDynError> {
                let rows: Vec<$row> = values.iter().map(|value| <$row>::from(*value)).collect();
                $crate::rows::Record::bind(&rows.iter().collect::<Vec<_>>(), write, to)
            }
            fn read(row: &$crate::rows::sqlx::postgres::PgRow) -> Result<Self, $crate::rows::sqlx::Error> {
                <$row as $crate::rows::Record>::read(row)?.try_into()
            }
        }
    };
}

/// Declares a struct that is a row. The first field is the key; then come the columns that stay as they
/// were inserted, and those that may change, which are all that an update writes:
///
/// ```text
/// record! {
///     pub struct Account in "accounts" {
///         user_id: Uuid,
///         fixed { opened_at: Timestamp }
///         changing { balance: i64 }
///     }
/// }
/// ```
///
/// Where a key has several rows, `in "table" by column` names the column that tells them apart.
#[macro_export]
macro_rules! record {
    ($(#[$meta:meta])* $vis:vis struct $name:ident in $table:literal $(by $number:ident)? {
        $(#[$key_meta:meta])* $key:ident : Uuid,
        $(fixed { $($(#[$fixed_meta:meta])* $fixed:ident : $fixed_type:ty),* $(,)? })?
        $(changing { $($(#[$changing_meta:meta])* $changing:ident : $changing_type:ty),* $(,)? })?
    }) => {
        $(#[$meta])*
        #[derive(Debug, Clone)]
        $vis struct $name {
            $(#[$key_meta])* pub $key: uuid::Uuid,
            $($($(#[$fixed_meta])* pub $fixed: $fixed_type,)*)?
            $($($(#[$changing_meta])* pub $changing: $changing_type,)*)?
        }
        impl $crate::rows::Record for $name {
            const TABLE: &'static str = $table;
            const COLUMNS: &'static [$crate::rows::ColumnInfo] = &[
                $crate::rows::ColumnInfo::of::<uuid::Uuid>(stringify!($key), false),
                $($($crate::rows::ColumnInfo::of::<$fixed_type>(stringify!($fixed), false),)*)?
                $($($crate::rows::ColumnInfo::of::<$changing_type>(stringify!($changing), true),)*)?
            ];
            fn row_key(&self) -> uuid::Uuid {
                self.$key
            }
            $(fn row_number(&self) -> i64 {
                i64::from(self.$number)
            })?
            fn updated_to(&self, changed: &Self) -> Result<Self, $crate::rows::sqlx::Error> {
                Ok(Self {
                    $key: changed.$key,
                    $($($fixed: self.$fixed.clone(),)*)?
                    $($($changing: changed.$changing.clone(),)*)?
                })
            }
            fn bind(
                rows: &[&Self],
                write: $crate::rows::Write,
                to: &mut $crate::rows::sqlx::postgres::PgArguments,
            ) -> Result<(), $crate::rows::sqlx::error::BoxDynError> {
                $crate::rows::bind_column(rows, |row| &row.$key, to)?;
                if write == $crate::rows::Write::New {
                    $($($crate::rows::bind_column(rows, |row| &row.$fixed, to)?;)*)?
                }
                $($($crate::rows::bind_column(rows, |row| &row.$changing, to)?;)*)?
                Ok(())
            }
            fn read(
                row: &$crate::rows::sqlx::postgres::PgRow,
            ) -> Result<Self, $crate::rows::sqlx::Error> {
                let mut index = 0..;
                // The range never ends: an index is always there.
                let mut next = || index.next().unwrap_or_default();
                Ok(Self {
                    $key: $crate::rows::Column::read(row, next())?,
                    $($($fixed: $crate::rows::Column::read(row, next())?,)*)?
                    $($($changing: $crate::rows::Column::read(row, next())?,)*)?
                })
            }
        }
    };
}
