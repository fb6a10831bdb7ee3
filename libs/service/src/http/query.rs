//! Parameters after the question mark: each known, and given once.

use std::collections::HashMap;

use axum::extract::{FromRequestParts, Query as AxumQuery};
use axum::http::Uri;
use axum::http::request::Parts;
use serde::de::DeserializeOwned;

use super::plain_words::in_plain_words;
use super::{FieldErrors, Problem, Validate};

/// Parameters after the question mark: 422 for wrong types, unknown names (with
/// `#[serde(deny_unknown_fields)]`), names that come twice and broken rules. Lists use [`super::Page`].
#[derive(Debug, Clone, Copy)]
pub struct Query<T>(pub T);

impl<T: DeserializeOwned + Validate, S: Send + Sync> FromRequestParts<S> for Query<T> {
    type Rejection = Problem;

    async fn from_request_parts(parts: &mut Parts, _: &S) -> Result<Self, Problem> {
        let pairs = pairs(&parts.uri)?;
        let value: T = read(&pairs.iter().collect::<Vec<_>>())?;
        let mut errors = FieldErrors::default();
        value.validate(&mut errors);
        if errors.is_empty() { Ok(Self(value)) } else { Err(Problem::invalid(errors)) }
    }
}

/// All parameters; which of two with the same name is meant, nobody knows.
pub(super) fn pairs(uri: &Uri) -> Result<Vec<(String, String)>, Problem> {
    let AxumQuery(pairs) = AxumQuery::<Vec<(String, String)>>::try_from_uri(uri)
        .map_err(|rejection| Problem::invalid_field("query", rejection.body_text()))?;
    let (mut errors, mut names) = (FieldErrors::default(), HashMap::new());
    for (name, _) in &pairs {
        let times = names.entry(name.as_str()).or_insert(0);
        *times += 1;
        errors.check(*times != 2, name, "must be given once");
    }
    if errors.is_empty() { Ok(pairs) } else { Err(Problem::invalid(errors)) }
}

/// Parameters as a struct all of whose fields may be left out; the one to blame is named.
pub(super) fn read<T: DeserializeOwned>(pairs: &[&(String, String)]) -> Result<T, Problem> {
    let encoded = serde_urlencoded::to_string(pairs).map_err(|error| Problem::internal(&error))?;
    serde_urlencoded::from_str(&encoded).map_err(|error| {
        // Every parameter may be left out, so the one to blame cannot be read even alone.
        let is_bad = |pair: &&&(String, String)| {
            serde_urlencoded::to_string([*pair])
                .is_ok_and(|alone| serde_urlencoded::from_str::<T>(&alone).is_err())
        };
        let name = pairs.iter().find(is_bad).map_or("query", |(name, _)| name.as_str());
        Problem::invalid_field(name, in_plain_words(&error.to_string()))
    })
}
