//! `GET /api/v1/order/{id}/events`: what happens to an order, as server-sent events, from the beginning or
//! from where the client stopped. It is read from the sagas' histories, so nothing has to be kept for it.

use std::convert::Infallible;
use std::time::Duration;

use axum::extract::State;
use axum::http::{HeaderMap, StatusCode};
use axum::response::sse::{Event, KeepAlive, Sse};
use axum::response::{IntoResponse, Response};
use chrono::{DateTime, Utc};
use futures::stream::{self, StreamExt};
use serde::Serialize;
use service::http::documentation::{Failures, NotFound, ProblemBody, Unauthenticated};
use service::http::{Caller, Path, Problem, Standing};
use utoipa::ToSchema;
use uuid::Uuid;

use super::Orders;
use super::streams::Place;
use super::told::{Position, Told};
use crate::manager::{SagaLine, lines_from};
use crate::order::cancellation::Cancellation;
use crate::order::{CancellationWorkflow, OrderRow, OrderStatus, OrderWorkflow};

/// What a client hears of while nothing happens.
const HEARTBEAT: Duration = Duration::from_secs(15);
/// How often is looked for news, beside being woken.
const LOOK_EVERY: Duration = Duration::from_secs(1);

/// Something that happened to an order. `status` events tell its new status, `step` events what was done.
#[derive(Debug, Serialize, ToSchema)]
struct OrderEvent {
    /// When.
    at: DateTime<Utc>,
    /// The order's status, or what happened: `begun`, `done`, `refused`, `confirmed`, `turning_back`,
    /// `undone`, `cancel_asked`, `finished`.
    what: &'static str,
    /// Which step.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schema(nullable = false)]
    step: Option<String>,
    /// Why.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schema(nullable = false)]
    reason: Option<String>,
}

/// The timeline of an order.
///
/// `Last-Event-ID` resumes after an event that was received. The stream ends when nothing can happen to the
/// order any more; resumed there, it answers 204.
#[utoipa::path(
    get, path = "/api/v1/order/{id}/events", operation_id = "read_order_events", tag = "orders",
    security(("bearer" = [])),
    params(
        ("id" = Uuid, Path, description = "The order"),
        ("Last-Event-ID" = Option<String>, Header, description = "The `id` of the last event that was received"),
    ),
    responses(
        (status = 200, description = "Events `step` and `status`, each with an `OrderEvent` as its data",
         body = OrderEvent, content_type = "text/event-stream"),
        (status = 204, description = "Everything was received"),
        (status = 429, description = "`too_many_streams`; see Retry-After", body = ProblemBody,
         content_type = "application/problem+json"),
        Unauthenticated, NotFound, Failures,
    ),
)]
pub(super) async fn events(
    State(orders): State<Orders>,
    caller: Caller,
    standing: Standing,
    Path(order_id): Path<Uuid>,
    headers: HeaderMap,
) -> Result<Response, Problem> {
    orders.find_visible(&caller, order_id).await?;
    let place = orders.streams.enter(caller.user_id)?;
    let last = headers.get("last-event-id").and_then(|id| id.to_str().ok());
    let told = last.and_then(|id| id.parse().ok()).unwrap_or_default();
    let mut timeline = Timeline { orders, order_id, standing, told, is_over: false, _place: place };
    let first = timeline.news().await?;
    if first.is_empty() && timeline.is_over {
        return Ok(StatusCode::NO_CONTENT.into_response());
    }
    let rest = stream::unfold(timeline, |mut timeline| async { Some((timeline.next().await?, timeline)) });
    let events = stream::iter(first).chain(rest.flat_map(stream::iter)).map(Ok::<_, Infallible>);
    Ok(Sse::new(events).keep_alive(KeepAlive::new().interval(HEARTBEAT)).into_response())
}

/// One client's stream.
struct Timeline {
    orders: Orders,
    order_id: Uuid,
    standing: Standing,
    told: Told,
    is_over: bool,
    _place: Place,
}

impl Timeline {
    /// Waits for news. `None`: nothing can come any more; or the session has ended, the token is over, the
    /// process stops or the database is away, and the client will ask again from where it is.
    async fn next(&mut self) -> Option<Vec<Event>> {
        while !self.is_over && self.standing.is_good().await {
            let (orders, id) = (&self.orders, self.order_id);
            // Before the look: what happens after it wakes us.
            let (own, cancellation) = (orders.manager.wait_for(id), orders.cancellations.wait_for(id));
            let news = self.news().await.ok()?;
            if !news.is_empty() {
                return Some(news);
            }
            let woken = async {
                tokio::select! {
                    _ = own.within(LOOK_EVERY) => {}
                    _ = cancellation.within(LOOK_EVERY) => {}
                }
            };
            self.orders.draining.run_until_cancelled(woken).await?;
        }
        None
    }

    /// What was not told yet.
    async fn news(&mut self) -> Result<Vec<Event>, Problem> {
        let reader = self.orders.manager.reader();
        // The row first: what it says has its lines in the histories already.
        let row = self.orders.find(self.order_id).await?.ok_or_else(Problem::not_found)?;
        let own = lines_from::<OrderWorkflow>(reader, self.order_id, self.told.order.seq).await?;
        let id = Cancellation::id_for(self.order_id);
        let cancelling = lines_from::<CancellationWorkflow>(reader, id, self.told.cancellation.seq).await?;
        let mut news = Vec::new();
        for (position, event) in steps_after(self.told.order, &own) {
            self.told.order = position;
            news.push(self.event("step", &event));
        }
        for (position, event) in steps_after(self.told.cancellation, &cancelling) {
            self.told.cancellation = position;
            news.push(self.event("step", &event));
        }
        if self.told.status != Some(row.status) {
            self.told.status = Some(row.status);
            news.push(self.event("status", &status(row.clone())));
        }
        self.is_over = self.orders.is_over(&row).await?;
        Ok(news)
    }

    fn event(&self, name: &'static str, event: &OrderEvent) -> Event {
        let data = serde_json::to_string(event).unwrap_or_default();
        Event::default().id(self.told.to_string()).event(name).data(data)
    }
}

impl Orders {
    /// Whether nothing can happen to an order any more.
    async fn is_over(&self, row: &OrderRow) -> Result<bool, Problem> {
        let is_final =
            matches!(row.status, OrderStatus::Rejected | OrderStatus::Cancelled | OrderStatus::Received);
        Ok(is_final && self.manager.status(row.order_id).await?.is_none_or(saga::Status::is_final))
    }
}

fn status(row: OrderRow) -> OrderEvent {
    OrderEvent { at: row.updated_at, what: row.status.as_str(), step: None, reason: row.reason }
}

/// The events for customers in these lines that come after one that was told; whole records.
fn steps_after(told: Position, lines: &[SagaLine]) -> impl Iterator<Item = (Position, OrderEvent)> {
    let mut position = Position::default();
    let events = lines.iter().filter_map(|line| Some((line.seq, step(line)?)));
    let numbered = events.map(move |(seq, event)| {
        position = position.next(seq);
        (position, event)
    });
    numbered.filter(move |(position, _)| *position > told)
}

/// What customers are told of a line of history; the engine's own troubles and operators are not theirs.
fn step(line: &SagaLine) -> Option<OrderEvent> {
    let what =
        ["begun", "done", "refused", "confirmed", "turning_back", "undone", "cancel_asked", "finished"]
            .into_iter()
            .find(|known| *known == line.event)?;
    Some(OrderEvent { at: line.at, what, step: line.step.clone(), reason: line.detail.clone() })
}
