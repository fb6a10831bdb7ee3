//! Parameters in the path and after the question mark.

use axum::extract::{FromRequestParts, Path as AxumPath, Query as AxumQuery};
use axum::http::request::Parts;
use serde::de::DeserializeOwned;

use super::{FieldErrors, Problem, Validate};

/// Parameters in the path. What cannot be an id is the address of nothing: 404.
#[derive(Debug, Clone, Copy)]
pub struct Path<T>(pub T);

impl<T: DeserializeOwned + Send, S: Send + Sync> FromRequestParts<S> for Path<T> {
    type Rejection = Problem;

    async fn from_request_parts(parts: &mut Parts, state: &S) -> Result<Self, Problem> {
        let path = AxumPath::<T>::from_request_parts(parts, state).await;
        path.map(|AxumPath(value)| Self(value)).map_err(|_| Problem::not_found())
    }
}

/// Parameters after the question mark: 422 for wrong types, unknown names (with
/// `#[serde(deny_unknown_fields)]`) and broken rules. Lists use [`super::Page`].
#[derive(Debug, Clone, Copy)]
pub struct Query<T>(pub T);

impl<T: DeserializeOwned + Validate, S: Send + Sync> FromRequestParts<S> for Query<T> {
    type Rejection = Problem;

    async fn from_request_parts(parts: &mut Parts, _: &S) -> Result<Self, Problem> {
        let AxumQuery(value) = AxumQuery::<T>::try_from_uri(&parts.uri)
            .map_err(|rejection| Problem::invalid_field("query", rejection.body_text()))?;
        let mut errors = FieldErrors::default();
        value.validate(&mut errors);
        if errors.is_empty() { Ok(Self(value)) } else { Err(Problem::invalid(errors)) }
    }
}
