//! How values of our types become columns: a whole column of a batch travels as one array.

use contracts::Timestamp;
use sea_orm::sqlx;
use serde::Serialize;
use serde::de::DeserializeOwned;
use sqlx::encode::IsNull;
use sqlx::error::BoxDynError;
use sqlx::postgres::{PgArgumentBuffer, PgHasArrayType, PgRow, PgTypeInfo};
use sqlx::{Encode, Postgres, Row as _, Type, ValueRef as _};
use uuid::Uuid;

/// A type that can be a column. `record!` asks it how to write and how to read.
pub trait Column: Sized {
    /// The type of one element of the array parameter.
    const SQL_TYPE: &'static str;
    /// A cast from the parameter to the column, if they differ.
    const WRITE_CAST: &'static str = "";
    /// One element on its way into the array: borrowed where it can be.
    type Element<'a>: PgHasArrayType + Type<Postgres> + Encode<'a, Postgres> + 'a
    where
        Self: 'a;
    /// This value as an element.
    fn element(&self) -> Self::Element<'_>;
    /// From the column at this index.
    ///
    /// # Errors
    /// The column is not of this type.
    fn read(row: &PgRow, index: usize) -> Result<Self, sqlx::Error>;
}

macro_rules! plain_column {
    ($type:ty, $sql:literal) => {
        impl Column for $type {
            const SQL_TYPE: &'static str = $sql;
            type Element<'a> = $type;
            fn element(&self) -> $type {
                *self
            }
            fn read(row: &PgRow, index: usize) -> Result<Self, sqlx::Error> {
                row.try_get(index)
            }
        }
    };
}

plain_column!(Uuid, "uuid");
plain_column!(i64, "bigint");
plain_column!(i32, "integer");
plain_column!(bool, "boolean");
plain_column!(Timestamp, "timestamptz");

impl Column for String {
    const SQL_TYPE: &'static str = "text";
    type Element<'a> = &'a str;
    fn element(&self) -> &str {
        self
    }
    fn read(row: &PgRow, index: usize) -> Result<Self, sqlx::Error> {
        row.try_get(index)
    }
}

/// A column that may be NULL.
impl<C: Column> Column for Option<C> {
    const SQL_TYPE: &'static str = C::SQL_TYPE;
    const WRITE_CAST: &'static str = C::WRITE_CAST;
    type Element<'a>
        = Option<C::Element<'a>>
    where
        Self: 'a;
    fn element(&self) -> Self::Element<'_> {
        self.as_ref().map(C::element)
    }
    fn read(row: &PgRow, index: usize) -> Result<Self, sqlx::Error> {
        if row.try_get_raw(index)?.is_null() { Ok(None) } else { C::read(row, index).map(Some) }
    }
}

/// A value of ours as JSON in a `text` column: PostgreSQL is not asked to parse what only this type
/// reads.
#[derive(Debug, Clone, PartialEq)]
pub struct Json<T>(pub T);

/// Encoded straight into the message: no text of its own.
#[derive(Debug)]
pub struct JsonElement<'a, T>(&'a T);

impl<T> Type<Postgres> for JsonElement<'_, T> {
    fn type_info() -> PgTypeInfo {
        <str as Type<Postgres>>::type_info()
    }
}

impl<T> PgHasArrayType for JsonElement<'_, T> {
    fn array_type_info() -> PgTypeInfo {
        <&str as PgHasArrayType>::array_type_info()
    }
}

impl<T: Serialize> Encode<'_, Postgres> for JsonElement<'_, T> {
    fn encode_by_ref(&self, to: &mut PgArgumentBuffer) -> Result<IsNull, BoxDynError> {
        serde_json::to_writer(&mut **to, self.0)?;
        Ok(IsNull::No)
    }
}

impl<T: Serialize + DeserializeOwned> Column for Json<T> {
    const SQL_TYPE: &'static str = "text";
    type Element<'a>
        = JsonElement<'a, T>
    where
        Self: 'a;
    fn element(&self) -> JsonElement<'_, T> {
        JsonElement(&self.0)
    }
    fn read(row: &PgRow, index: usize) -> Result<Self, sqlx::Error> {
        let text: &str = row.try_get(index)?;
        serde_json::from_str(text).map(Self).map_err(|error| sqlx::Error::Decode(error.into()))
    }
}

/// A `uuid[]` column. Arrays of arrays have one length for all, so each travels as text.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Uuids(pub Vec<Uuid>);

impl Column for Uuids {
    const SQL_TYPE: &'static str = "text";
    const WRITE_CAST: &'static str = "::uuid[]";
    type Element<'a> = String;
    fn element(&self) -> String {
        let list: Vec<String> = self.0.iter().map(Uuid::to_string).collect();
        format!("{{{}}}", list.join(","))
    }
    fn read(row: &PgRow, index: usize) -> Result<Self, sqlx::Error> {
        row.try_get(index).map(Self)
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

            /// The value of a word.
            pub fn from_word(word: &str) -> Option<Self> {
                match word { $($word => Some(Self::$variant),)+ _ => None }
            }
        }
        impl $crate::rows::Column for $type {
            const SQL_TYPE: &'static str = "text";
            type Element<'a> = &'static str;
            fn element(&self) -> &'static str {
                self.as_str()
            }
            fn read(
                row: &$crate::rows::sqlx::postgres::PgRow,
                index: usize,
            ) -> Result<Self, $crate::rows::sqlx::Error> {
                let word: &str = $crate::rows::sqlx::Row::try_get(row, index)?;
                Self::from_word(word)
                    .ok_or_else(|| $crate::rows::sqlx::Error::Decode(format!("unknown word {word:?}").into()))
            }
        }
    };
}
