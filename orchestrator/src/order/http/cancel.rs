//! `POST /api/v1/order/{id}/cancel`: before the pivot the order's own saga turns back; a confirmed order
//! is cancelled by a saga of its own.

use axum::extract::State;
use axum::http::StatusCode;
use axum::http::header::RETRY_AFTER;
use axum::response::{IntoResponse, Response};
use service::http::documentation::{Failures, NotFound, ProblemBody, Unauthenticated};
use service::http::{Caller, Json, Path, PreferWait, Problem, TraceContext};
use tokio::time::Instant;
use uuid::Uuid;

use super::Orders;
use super::answer::{LOOK_AGAIN_SECONDS, OrderOut};
use crate::manager::{ActError, ActRefused, Actor, NewSaga, Wanted};
use crate::order::cancellation::Cancellation;
use crate::order::{OrderRow, OrderStatus};

/// What becomes of a wish to cancel.
enum Cancelling {
    /// It is being done, by the order's own saga or by a cancellation.
    Going,
    /// The order is on its way, or there is nothing left to cancel.
    TooLate(&'static str),
    /// The order was confirmed a moment ago and is not ready for it.
    TryAgain,
}

/// Cancel an order.
///
/// Answers when everything is undone, or after `Prefer: wait` seconds with 202.
#[utoipa::path(
    post, path = "/api/v1/order/{id}/cancel", operation_id = "cancel_order", tag = "orders",
    security(("bearer" = [])),
    params(
        ("id" = Uuid, Path, description = "The order"),
        ("Prefer" = Option<String>, Header, description = "`wait=N` seconds (default 5, at most 30) or `respond-async`"),
    ),
    responses(
        (status = 200, description = "Cancelled; everything is undone", body = OrderOut),
        (status = 202, description = "Being undone; see Retry-After", body = OrderOut),
        (status = 409, description = "`too_late`: sent, rejected or left to operators; `try_again`: confirmed a moment ago, see Retry-After",
         body = ProblemBody, content_type = "application/problem+json"),
        Unauthenticated, NotFound, Failures,
    ),
)]
pub(super) async fn cancel(
    State(orders): State<Orders>,
    caller: Caller,
    prefer: PreferWait,
    Path(order_id): Path<Uuid>,
) -> Result<Response, Problem> {
    let until = Instant::now() + prefer.wait();
    let row = orders.find_visible(&caller, order_id).await?;
    let is_own = row.user_id == caller.user_id;
    let by = if is_own { Actor::User(caller.user_id) } else { Actor::Operator(caller.user_id) };
    match orders.begin_to_cancel(by, row).await? {
        Cancelling::Going => orders.cancelled_until(order_id, until).await,
        Cancelling::TooLate(why) => Err(Problem::conflict("too_late", why).with("order_id", order_id)),
        Cancelling::TryAgain => Err(try_again(order_id)),
    }
}

/// What the audit trail says why.
fn reason(by: &Actor) -> String {
    let why = match by {
        Actor::User(_) => "cancelled by its user",
        Actor::Operator(_) => "cancelled by an operator, for its user",
    };
    why.to_owned()
}

fn try_again(order_id: Uuid) -> Problem {
    Problem::conflict("try_again", "the order was confirmed a moment ago, its saga is not finished yet")
        .with("order_id", order_id)
        .retry_after(LOOK_AGAIN_SECONDS)
}

impl Orders {
    async fn begin_to_cancel(&self, by: Actor, row: OrderRow) -> Result<Cancelling, Problem> {
        match row.status {
            OrderStatus::Cancelled => Ok(Cancelling::Going),
            OrderStatus::Rejected => Ok(Cancelling::TooLate("the order was rejected")),
            OrderStatus::Sent => Ok(Cancelling::TooLate("the order is on its way")),
            OrderStatus::Received => Ok(Cancelling::TooLate("the order was received")),
            _ if self.is_abandoned(row.order_id).await? => Ok(Cancelling::TooLate(
                "an operator has taken the order out of the process, and settles it by hand",
            )),
            OrderStatus::Confirmed => self.cancel_confirmed(by, row.order_id).await,
            OrderStatus::Pending => self.turn_back(by, row.order_id).await,
        }
    }

    /// Whether its saga, or that of its cancellation, was stopped for good where it was.
    async fn is_abandoned(&self, order_id: Uuid) -> Result<bool, Problem> {
        let own = self.manager.status(order_id).await?;
        let cancellation = self.cancellations.status(Cancellation::id_for(order_id)).await?;
        Ok([own, cancellation].contains(&Some(saga::Status::Abandoned)))
    }

    /// Before the pivot: whoever locks the saga first wins, the cancel or what would confirm the order.
    async fn turn_back(&self, by: Actor, order_id: Uuid) -> Result<Cancelling, Problem> {
        let reason = reason(&by);
        let acted = self.manager.act(order_id, saga::Input::Cancel, by, reason).await;
        match acted {
            Ok(_) => Ok(Cancelling::Going),
            Err(ActError::Refused(ActRefused::NotAllowed(_))) => {
                let row = self.find(order_id).await?.ok_or_else(Problem::not_found)?;
                match row.status {
                    // Asked for earlier: it is being undone.
                    OrderStatus::Pending | OrderStatus::Cancelled => Ok(Cancelling::Going),
                    OrderStatus::Rejected => Ok(Cancelling::TooLate("the order was rejected")),
                    _ => Ok(Cancelling::TryAgain),
                }
            }
            Err(error) => Err(error.into()),
        }
    }

    async fn cancel_confirmed(&self, by: Actor, order_id: Uuid) -> Result<Cancelling, Problem> {
        let Some(order) = self.manager.data_in(order_id, saga::Status::Completed).await? else {
            let is_known = self.manager.status(order_id).await?.is_some();
            return Ok(if is_known {
                Cancelling::TryAgain
            } else {
                Cancelling::TooLate("the order is too old")
            });
        };
        let new = NewSaga {
            saga_id: Cancellation::id_for(order_id),
            data: Cancellation(order),
            traceparent: TraceContext::current().to_string(),
            idempotency: None,
            wanted: Some(Wanted { action_id: Uuid::now_v7(), action: "cancel", reason: reason(&by), by }),
        };
        self.cancellations.begin(new).await?;
        Ok(Cancelling::Going)
    }

    /// Waits until the order is cancelled or cannot be, but not while the process stops.
    async fn cancelled_until(&self, order_id: Uuid, until: Instant) -> Result<Response, Problem> {
        loop {
            // Both before the look: what happens after it wakes us.
            let (own, cancellation) =
                (self.manager.wait_for(order_id), self.cancellations.wait_for(order_id));
            let row = self.find(order_id).await?.ok_or_else(Problem::not_found)?;
            let shown = Json(OrderOut::of(&row, &self.currency));
            if row.status == OrderStatus::Cancelled {
                return Ok((StatusCode::OK, shown).into_response());
            }
            if self.was_refused(order_id).await? {
                let problem = Problem::conflict("too_late", "the order is on its way");
                return Err(problem.with("order_id", order_id));
            }
            let left = until.saturating_duration_since(Instant::now());
            if left.is_zero() || self.draining.is_cancelled() {
                return Ok((StatusCode::ACCEPTED, [(RETRY_AFTER, LOOK_AGAIN_SECONDS)], shown).into_response());
            }
            let woken = async {
                tokio::select! {
                    _ = own.within(left) => {}
                    _ = cancellation.within(left) => {}
                }
            };
            let _ = self.draining.run_until_cancelled(woken).await;
        }
    }

    /// Whether the courier was quicker.
    async fn was_refused(&self, order_id: Uuid) -> Result<bool, Problem> {
        let id = Cancellation::id_for(order_id);
        Ok(self.cancellations.status(id).await? == Some(saga::Status::Rejected))
    }
}
