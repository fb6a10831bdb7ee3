//! Rules of a request's fields, beyond their types.

use std::borrow::Cow;
use std::ops::RangeInclusive;

use serde::Serialize;
use utoipa::ToSchema;

/// A field that is not acceptable, and why.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, ToSchema)]
pub struct FieldError {
    /// Which, as a path: `items[2].quantity`.
    pub field: String,
    /// Why, for people.
    #[schema(value_type = String)]
    pub message: Cow<'static, str>,
}

/// The fields that are not acceptable.
#[derive(Debug, Clone, Default)]
pub struct FieldErrors(Vec<FieldError>);

/// A request knows the rules of its own fields.
pub trait Validate {
    /// Adds what is wrong to `errors`.
    fn validate(&self, errors: &mut FieldErrors);
}

impl FieldErrors {
    /// At most so many are told.
    const MAX: usize = 100;

    /// Adds an error.
    pub fn add(&mut self, field: impl Into<String>, message: impl Into<Cow<'static, str>>) {
        if self.0.len() < Self::MAX {
            self.0.push(FieldError { field: field.into(), message: message.into() });
        }
    }

    /// Adds an error unless `acceptable`.
    pub fn check(
        &mut self,
        acceptable: bool,
        field: impl Into<String>,
        message: impl Into<Cow<'static, str>>,
    ) {
        if !acceptable {
            self.add(field, message);
        }
    }

    /// A text of so many characters, without control characters (Postgres cannot store U+0000; line
    /// breaks and tabs are allowed).
    pub fn text(&mut self, field: &str, text: &str, characters: RangeInclusive<usize>) {
        // Bytes bound characters from above: the usual text is not counted.
        let fits = |length| characters.contains(&length);
        if !(text.is_ascii() && fits(text.len()) || fits(text.chars().count())) {
            let (least, most) = characters.into_inner();
            self.add(field, format!("must have {least} to {most} characters"));
        }
        let allowed = |character: char| matches!(character, '\n' | '\r' | '\t') || !character.is_control();
        self.check(text.chars().all(allowed), field, "must not have control characters");
    }

    /// [`FieldErrors::text`] on one line: what goes into a letter's first line, for example.
    pub fn line(&mut self, field: &str, text: &str, characters: RangeInclusive<usize>) {
        self.text(field, text, characters);
        self.check(!text.contains(['\n', '\r']), field, "must be one line");
    }

    /// [`FieldErrors::line`], if it is there.
    pub fn optional_line(&mut self, field: &str, text: Option<&str>, characters: RangeInclusive<usize>) {
        if let Some(text) = text {
            self.line(field, text, characters);
        }
    }

    /// [`FieldErrors::text`], if it is there.
    pub fn optional_text(&mut self, field: &str, text: Option<&str>, characters: RangeInclusive<usize>) {
        if let Some(text) = text {
            self.text(field, text, characters);
        }
    }

    /// A number between bounds.
    pub fn number(&mut self, field: impl Into<String>, number: i64, bounds: RangeInclusive<i64>) {
        if !bounds.contains(&number) {
            let (least, most) = bounds.into_inner();
            self.add(field, format!("must be from {least} to {most}"));
        }
    }

    /// Whether nothing is wrong.
    pub fn is_empty(&self) -> bool {
        self.0.is_empty()
    }

    /// How many fields are told.
    pub fn len(&self) -> usize {
        self.0.len()
    }

    pub(crate) fn into_vec(self) -> Vec<FieldError> {
        self.0
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn errors_of(check: impl FnOnce(&mut FieldErrors)) -> Vec<String> {
        let mut errors = FieldErrors::default();
        check(&mut errors);
        errors.into_vec().into_iter().map(|error| error.message.into_owned()).collect()
    }

    #[test]
    fn length_is_counted_in_characters() {
        assert!(errors_of(|errors| errors.text("name", &"ж".repeat(10), 1..=10)).is_empty());
        assert_eq!(errors_of(|errors| errors.text("name", &"ж".repeat(11), 1..=10)).len(), 1);
        assert_eq!(errors_of(|errors| errors.text("name", "", 1..=10)), ["must have 1 to 10 characters"]);
        assert_eq!(errors_of(|errors| errors.text("name", "жж", 3..=10)).len(), 1);
    }

    #[test]
    fn what_postgres_cannot_store_is_refused() {
        assert_eq!(errors_of(|errors| errors.text("name", "a\0b", 1..=10)).len(), 1);
        assert!(errors_of(|errors| errors.text("comment", "two\nlines", 1..=10)).is_empty());
        assert_eq!(errors_of(|errors| errors.line("name", "two\nlines", 1..=10)), ["must be one line"]);
    }

    #[test]
    fn the_number_of_errors_is_bounded() {
        let told = errors_of(|errors| (0..1000).for_each(|_| errors.add("items", "no")));
        assert_eq!(told.len(), FieldErrors::MAX);
    }
}
