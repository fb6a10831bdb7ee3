//! `GET /internal/api/v1/audit/money`: for operators, over the databases of the services that have money,
//! goods, deliveries, orders and letters.

use std::sync::Arc;
use std::time::Duration;

use ::audit::{AuditError, DatabaseUrls, Report};
use axum::extract::State;
use metrics::{counter, gauge};
use service::http::documentation::{Failures, Forbidden, Unauthenticated};
use service::http::{InternalCaller, Json, Problem};
use service::{House, Part};
use tokio::sync::Semaphore;
use tokio::time::{Instant, MissedTickBehavior};
use utoipa_axum::router::OpenApiRouter;
use utoipa_axum::routes;

use super::metric_names as names;

/// The first audit comes so long after the start, or earlier: who starts again and again audits too.
const FIRST_AFTER: Duration = Duration::from_secs(60);
/// An audit reads everything: one at a time.
const AT_ONCE: usize = 1;
/// When to ask again while another audit runs, in seconds.
const RETRY_AFTER: u32 = 5;

struct Auditor {
    urls: DatabaseUrls,
    quiet_seconds: u32,
    turn: Semaphore,
}

impl Auditor {
    /// Audits, if nobody else does at the moment, and shows in metrics what was found.
    async fn audit(&self) -> Option<Result<Report, AuditError>> {
        let _turn = self.turn.try_acquire().ok()?;
        let audited = ::audit::audit_quiet(&self.urls, self.quiet_seconds).await;
        let result = match &audited {
            Ok(report) if report.is_clean() => "clean",
            Ok(_) => "differences",
            Err(_) => "failed",
        };
        counter!(names::AUDITS, "result" => result).increment(1);
        if let Ok(report) = &audited {
            show(report);
        }
        Some(audited)
    }

    /// Audits again and again, so that a difference is found before somebody asks.
    async fn audit_every(self: Arc<Self>, period: Duration) {
        let mut ticks = tokio::time::interval_at(Instant::now() + period.min(FIRST_AFTER), period);
        ticks.set_missed_tick_behavior(MissedTickBehavior::Delay);
        loop {
            ticks.tick().await;
            match self.audit().await {
                Some(Ok(report)) if !report.is_clean() => {
                    tracing::error!(
                        rules = report.findings.len(),
                        orders = report.orders.len(),
                        "the audit found differences"
                    );
                }
                Some(Err(error)) => tracing::warn!(%error, "the audit failed; again the next time"),
                Some(Ok(_)) | None => {}
            }
        }
    }
}

fn show(report: &Report) {
    let found = |what| gauge!(names::AUDIT_DIFFERENCES, "what" => what);
    found("rules").set(report.findings.len() as f64);
    found("orders").set(report.orders.len() as f64);
    gauge!(names::AUDITED_AT).set(chrono::Utc::now().timestamp() as f64);
}

type Shared = Arc<Auditor>;

/// The route; and an audit every so often, unless that is zero.
pub(super) fn part(urls: DatabaseUrls, quiet_seconds: u32, every: Duration, house: &House) -> Part {
    messaging::describe(names::ALL);
    for result in ["clean", "differences", "failed"] {
        counter!(names::AUDITS, "result" => result).increment(0);
    }
    let auditor = Arc::new(Auditor { urls, quiet_seconds, turn: Semaphore::new(AT_ONCE) });
    if !every.is_zero() {
        let auditing = Arc::clone(&auditor).audit_every(every);
        let stopped = house.shutdown.clone();
        house.tasks.spawn(async move { stopped.run_until_cancelled(auditing).await });
    }
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
    let busy = || Problem::unavailable("audit_running", "another audit is running", RETRY_AFTER);
    let audited = auditor.audit().await.ok_or_else(busy)?;
    Ok(Json(audited.map_err(|AuditError { source, .. }| Problem::from(source))?))
}
