//! The internal listener of a process that starts: it answers that the process is alive, and not ready, while services
//! wait for their databases. Else whoever looks after processes would kill it for what is not its fault.

use std::sync::{Arc, OnceLock};

use axum::Router;
use axum::extract::{Request, State};
use axum::http::StatusCode;
use axum::response::{IntoResponse, Response};
use tower::ServiceExt;

use super::internal;

/// What takes over when the process has started. Cheap to clone.
#[derive(Debug, Clone, Default)]
pub(super) struct Later(Arc<OnceLock<Router>>);

impl Later {
    /// From now on this answers.
    pub(super) fn is_here(&self, router: Router) {
        // Nobody starts twice.
        let _ = self.0.set(router);
    }

    /// Everything that the listener is asked.
    pub(super) fn router(&self) -> Router {
        Router::new().fallback(answer).with_state(self.clone())
    }
}

async fn answer(State(later): State<Later>, request: Request) -> Response {
    match later.0.get() {
        Some(router) => match router.clone().oneshot(request).await {
            Ok(response) => response,
            Err(never) => match never {},
        },
        None if request.uri().path() == internal::ALIVE_PATH => internal::ALIVE.into_response(),
        None => {
            internal::readiness_told(StatusCode::SERVICE_UNAVAILABLE, "starting", &serde_json::Map::new())
        }
    }
}
