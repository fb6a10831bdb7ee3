//! The browsable page of the API at `/docs/`: Swagger UI out of the binary. It loads nothing from
//! elsewhere, and its policy says so to the browser.

use std::sync::Arc;

use axum::Router;
use axum::extract::{Path, State};
use axum::http::HeaderName;
use axum::http::header::{CACHE_CONTROL, CONTENT_SECURITY_POLICY, CONTENT_TYPE, REFERRER_POLICY};
use axum::response::{IntoResponse, Redirect, Response};
use axum::routing::get;
use utoipa_swagger_ui::Config;

use crate::http::Problem;

/// Scripts and requests of our own only. The page writes styles into its elements and has icons in its
/// style sheet.
const POLICY: &str = "default-src 'none'; script-src 'self'; style-src 'self' 'unsafe-inline'; \
                      img-src 'self' data:; connect-src 'self'; base-uri 'none'; form-action 'none'; \
                      frame-ancestors 'none'";

/// Of every file of the page. They change with the binary only.
const HEADERS: [(HeaderName, &str); 3] = [
    (CONTENT_SECURITY_POLICY, POLICY),
    (REFERRER_POLICY, "no-referrer"),
    (CACHE_CONTROL, "public, max-age=3600"),
];

type Shared = Arc<Config<'static>>;

/// The page; it shows the document beside it.
pub(super) fn routes() -> Router {
    let config = Config::from("/openapi.json").try_it_out_enabled(true).use_base_layout();
    Router::new()
        .route("/docs", get(async || Redirect::permanent("/docs/")))
        .route("/docs/", get(async |State(config): State<Shared>| file("index.html", config)))
        .route(
            "/docs/{file}",
            get(async |State(config): State<Shared>, Path(name): Path<String>| file(&name, config)),
        )
        .with_state(Arc::new(config))
}

fn file(name: &str, config: Shared) -> Result<Response, Problem> {
    let found = utoipa_swagger_ui::serve(name, config).map_err(|error| Problem::internal(&error))?;
    let file = found.ok_or_else(Problem::not_found)?;
    let body = file.bytes.into_owned();
    Ok((HEADERS, [(CONTENT_TYPE, file.content_type)], body).into_response())
}
