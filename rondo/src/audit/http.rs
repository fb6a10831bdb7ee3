//! `GET /internal/api/v1/audit/money`: for operators, over the databases of the services that have money,
//! goods, deliveries, orders and letters.

use std::sync::Arc;

use ::audit::{AuditError, DatabaseUrls, Report};
use axum::extract::State;
use service::Part;
use service::http::documentation::{Failures, Forbidden, Unauthenticated};
use service::http::{InternalCaller, Json, Problem};
use tokio::sync::Semaphore;
use utoipa_axum::router::OpenApiRouter;
use utoipa_axum::routes;

/// An audit reads everything: one at a time.
const AT_ONCE: usize = 1;
/// When to ask again while another audit runs, in seconds.
const RETRY_AFTER: u32 = 5;

struct Auditor {
    urls: DatabaseUrls,
    quiet_seconds: u32,
    turn: Semaphore,
}

type Shared = Arc<Auditor>;

pub(super) fn part(urls: DatabaseUrls, quiet_seconds: u32) -> Part {
    let auditor = Arc::new(Auditor { urls, quiet_seconds, turn: Semaphore::new(AT_ONCE) });
    let internal = OpenApiRouter::default().routes(routes!(money)).with_state(auditor);
    Part { internal, ..Part::new("audit") }
}

/// Check that money, stock and deliveries add up.
///
/// Compares ledger, holds, stock, reservations, deliveries, letters and sagas. Between services only orders are
/// compared that nothing has happened to for a while.
#[utoipa::path(
    get,
    path = "/internal/api/v1/audit/money",
    operation_id = "audit_money",
    tag = "audit",
    security(("bearer" = [])),
    responses(
        (status = 200, description = "What was found; without findings everything adds up", body = Report),
        Unauthenticated,
        Forbidden,
        Failures,
    )
)]
async fn money(caller: InternalCaller, State(auditor): State<Shared>) -> Result<Json<Report>, Problem> {
    if let InternalCaller::Service(_) = caller {
        return Err(Problem::forbidden("this needs the role operator"));
    }
    let turn = auditor.turn.try_acquire();
    let busy = |_| Problem::unavailable("audit_running", "another audit is running", RETRY_AFTER);
    let _turn = turn.map_err(busy)?;
    let audited = ::audit::audit_quiet(&auditor.urls, auditor.quiet_seconds).await;
    Ok(Json(audited.map_err(|AuditError { source, .. }| Problem::from(source))?))
}
