//! Lists in pages, newest first: `?limit=&cursor=` in, `{items, next_cursor}` out.

use axum::extract::FromRequestParts;
use axum::http::request::Parts;
use serde::de::DeserializeOwned;
use serde::{Deserialize, Serialize};
use utoipa::{IntoParams, ToSchema};
use uuid::Uuid;

use super::{FieldErrors, Problem, Validate, query};

const LIMIT_DEFAULT: u32 = 50;
const LIMIT_MAX: u32 = 200;

/// Which page of a list, and of a list filtered how. Unknown parameters are 422.
#[derive(Debug, Clone)]
pub struct Page<F = NoFilter> {
    /// At most so many items: 1 to 200.
    pub limit: u32,
    /// Only items whose id is below this one: where the page before ended.
    pub before: Option<Uuid>,
    /// The list's own parameters; a struct with `#[serde(deny_unknown_fields)]`.
    pub filter: F,
}

/// A list without parameters of its own.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct NoFilter {}

impl Validate for NoFilter {
    fn validate(&self, _: &mut FieldErrors) {}
}

/// The parameters of every list, for the OpenAPI document.
#[derive(Debug, IntoParams)]
#[into_params(parameter_in = Query)]
pub struct PageParameters {
    /// At most so many items.
    #[param(minimum = 1, maximum = 200, default = 50)]
    pub limit: Option<u32>,
    /// `next_cursor` of the page before.
    #[param(pattern = "^[0-9a-f]{32}$")]
    pub cursor: Option<String>,
}

impl<F> Page<F> {
    /// How many rows to read, as SQL counts them: one more than fit, to learn whether there is a next page.
    pub fn rows(&self) -> i64 {
        i64::from(self.limit) + 1
    }

    /// What ids are compared with: they are below it.
    pub fn before_or_max(&self) -> Uuid {
        self.before.unwrap_or(Uuid::max())
    }
}

impl<F: DeserializeOwned + Validate, S: Send + Sync> FromRequestParts<S> for Page<F> {
    type Rejection = Problem;

    async fn from_request_parts(parts: &mut Parts, _: &S) -> Result<Self, Problem> {
        let pairs = query::pairs(&parts.uri)?;
        let of_the_list = |(name, _): &&(String, String)| name != "limit" && name != "cursor";
        let filter = query::read(&pairs.iter().filter(of_the_list).collect::<Vec<_>>())?;
        let mut errors = FieldErrors::default();
        let mut page = Self { limit: LIMIT_DEFAULT, before: None, filter };
        for (name, value) in &pairs {
            match name.as_str() {
                "limit" => match value.parse() {
                    Ok(limit) if (1..=LIMIT_MAX).contains(&limit) => page.limit = limit,
                    _ => errors.add("limit", "must be from 1 to 200"),
                },
                "cursor" => match Uuid::try_parse(value) {
                    Ok(id) => page.before = Some(id),
                    Err(_) => errors.add("cursor", "must be the next_cursor of an earlier page"),
                },
                _ => {}
            }
        }
        page.filter.validate(&mut errors);
        if errors.is_empty() { Ok(page) } else { Err(Problem::invalid(errors)) }
    }
}

/// A page of a list, newest first.
#[derive(Debug, Clone, Serialize, ToSchema)]
pub struct Listed<T> {
    /// The items of this page.
    pub items: Vec<T>,
    /// Where the next page begins; null on the last one.
    #[schema(required)]
    pub next_cursor: Option<String>,
}

impl<T> Listed<T> {
    /// Makes a page of `rows`, of which [`Page::rows`] were asked for; `id` is what they are sorted by.
    pub fn new<F>(page: &Page<F>, mut rows: Vec<T>, id: impl Fn(&T) -> Uuid) -> Self {
        let limit = page.limit as usize;
        let more = rows.len() > limit;
        rows.truncate(limit);
        let last = rows.last().filter(|_| more);
        Self { next_cursor: last.map(|last| id(last).simple().to_string()), items: rows }
    }
}

#[cfg(test)]
mod tests {
    use axum::http::Request;
    use axum::response::IntoResponse;

    use super::*;

    #[derive(Debug, Deserialize, PartialEq)]
    #[serde(deny_unknown_fields)]
    struct ByStatus {
        status: Option<Status>,
        age: Option<u32>,
    }

    #[derive(Debug, Deserialize, PartialEq)]
    #[serde(rename_all = "snake_case")]
    enum Status {
        Pending,
    }

    impl Validate for ByStatus {
        fn validate(&self, errors: &mut FieldErrors) {
            errors.check(self.age != Some(13), "age", "unlucky");
        }
    }

    async fn page<F: DeserializeOwned + Validate>(query: &str) -> Result<Page<F>, u16> {
        let request = Request::get(format!("/things{query}")).body(()).unwrap();
        let mut parts = request.into_parts().0;
        Page::from_request_parts(&mut parts, &()).await.map_err(|problem| problem.status().as_u16())
    }

    #[tokio::test]
    async fn limits_have_a_default_and_bounds() {
        assert_eq!(page::<NoFilter>("").await.unwrap().limit, 50);
        assert_eq!(page::<NoFilter>("?limit=200").await.unwrap().limit, 200);
        for bad in
            ["?limit=0", "?limit=201", "?limit=-1", "?limit=x", "?cursor=x", "?limt=5", "?limit=1&limit=2"]
        {
            assert_eq!(page::<NoFilter>(bad).await.unwrap_err(), 422, "{bad}");
        }
    }

    #[tokio::test]
    async fn a_list_has_parameters_of_its_own() {
        let page_of = page::<ByStatus>("?status=pending&limit=7&age=12").await.unwrap();
        assert_eq!(page_of.limit, 7);
        assert_eq!(page_of.filter, ByStatus { status: Some(Status::Pending), age: Some(12) });
        for bad in ["?status=lost", "?age=x", "?age=13", "?colour=red", "?age=1&age=1"] {
            assert_eq!(page::<ByStatus>(bad).await.unwrap_err(), 422, "{bad}");
        }
    }

    #[tokio::test]
    async fn the_parameter_that_is_wrong_is_named() {
        for (query, named) in [
            ("?age=1&status=lost", "status"),
            ("?status=pending&age=x", "age"),
            ("?colour=red", "colour"),
            ("?limit=1&limit=1&limit=1", "limit"),
        ] {
            let request = Request::get(format!("/things{query}")).body(()).unwrap();
            let mut parts = request.into_parts().0;
            let problem = Page::<ByStatus>::from_request_parts(&mut parts, &()).await.unwrap_err();
            let body = axum::body::to_bytes(problem.into_response().into_body(), 10_000).await.unwrap();
            let body: serde_json::Value = serde_json::from_slice(&body).unwrap();
            assert_eq!(body["errors"][0]["field"], named, "{body}");
        }
    }

    #[tokio::test]
    async fn a_cursor_leads_to_the_next_page_and_the_last_has_none() {
        let ids: Vec<Uuid> = (0..3).map(|_| Uuid::now_v7()).rev().collect();
        let first = page::<NoFilter>("?limit=2").await.unwrap();
        assert_eq!(first.rows(), 3);
        let listed = Listed::new(&first, ids.clone(), |id| *id);
        assert_eq!(listed.items, ids[..2]);
        let next =
            page::<NoFilter>(&format!("?limit=2&cursor={}", listed.next_cursor.unwrap())).await.unwrap();
        assert_eq!(next.before, Some(ids[1]));
        assert_eq!(Listed::new(&next, vec![ids[2]], |id| *id).next_cursor, None);
    }
}
