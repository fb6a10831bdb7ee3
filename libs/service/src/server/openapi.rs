//! The OpenAPI document of a listener, generated from its handlers.

use axum::Router;
use axum::http::header::CONTENT_TYPE;
use axum::routing::get;
use utoipa::openapi::security::{HttpAuthScheme, HttpBuilder, SecurityScheme};
use utoipa::openapi::{ComponentsBuilder, Info, OpenApiBuilder};
use utoipa_axum::router::OpenApiRouter;

use crate::http::FieldError;
use crate::http::documentation::ProblemBody;

/// An empty router whose document says what the parts' documents do not: title and security scheme.
pub(super) fn base() -> OpenApiRouter {
    let token = HttpBuilder::new().scheme(HttpAuthScheme::Bearer).bearer_format("JWT").build();
    let components = ComponentsBuilder::new()
        .security_scheme("bearer", SecurityScheme::Http(token))
        .schema_from::<ProblemBody>()
        .schema_from::<FieldError>()
        .build();
    let mut info = Info::new("Rondo", env!("CARGO_PKG_VERSION"));
    info.description = Some(
        "Orders as sagas. Amounts are integers in minor units; errors are problems (RFC 9457).".to_owned(),
    );
    OpenApiRouter::with_openapi(OpenApiBuilder::new().info(info).components(Some(components)).build())
}

/// The router, with its document at `/openapi.json`.
pub(super) fn served(router: OpenApiRouter) -> Router {
    let (router, document) = router.split_for_parts();
    // The document is made of strings and maps: it has a JSON form.
    let document = axum::body::Bytes::from(serde_json::to_vec(&document).unwrap_or_default());
    router.route("/openapi.json", get(async move || ([(CONTENT_TYPE, "application/json")], document)))
}
