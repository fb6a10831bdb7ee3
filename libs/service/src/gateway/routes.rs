//! The table: every method and path of the services' documents, and which service answers it.

use std::sync::Arc;

use axum::Router;
use axum::routing::{MethodFilter, MethodRouter, on};
use utoipa::openapi::{OpenApi, PathItem};
use utoipa_axum::router::OpenApiRouter;

use super::forward::{Upstream, forward};

/// Everything that the services serve, under the document of all of them.
pub(super) fn router(table: Vec<(Upstream, OpenApi)>) -> OpenApiRouter {
    let mut router = OpenApiRouter::default();
    for (upstream, api) in table {
        let upstream = Arc::new(upstream);
        let mut routes = Router::new();
        for (path, item) in &api.paths.paths {
            routes = routes.route(path, to(&upstream, item));
        }
        router = router.merge(OpenApiRouter::from(routes).merge(OpenApiRouter::with_openapi(api)));
    }
    router
}

fn to(upstream: &Arc<Upstream>, item: &PathItem) -> MethodRouter {
    let add =
        |router: MethodRouter, method| router.merge(on(method, forward).with_state(Arc::clone(upstream)));
    methods(item).fold(MethodRouter::new(), add)
}

fn methods(item: &PathItem) -> impl Iterator<Item = MethodFilter> {
    let known = [
        (MethodFilter::GET, &item.get),
        (MethodFilter::PUT, &item.put),
        (MethodFilter::POST, &item.post),
        (MethodFilter::DELETE, &item.delete),
        (MethodFilter::OPTIONS, &item.options),
        (MethodFilter::HEAD, &item.head),
        (MethodFilter::PATCH, &item.patch),
        (MethodFilter::TRACE, &item.trace),
    ];
    known.into_iter().filter_map(|(method, operation)| operation.is_some().then_some(method))
}
