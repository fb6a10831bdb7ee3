//! `GET /api/v1/order/{id}/events`: what happens to an order, as server-sent events, from the beginning or
//! from where the client stopped. It is read from the sagas' histories, so nothing has to be kept for it.

use std::convert::Infallible;
use std::time::Duration;

use axum::extract::State;
use axum::http::{HeaderMap, StatusCode};
use axum::response::sse::{Event, KeepAlive, Sse};
use axum::response::{IntoResponse, Response};
use futures::stream::{self, StreamExt};
use service::http::documentation::{Failures, NotFound, ProblemBody, Unauthenticated};
use service::http::{Caller, Path, Problem, Standing};
use uuid::Uuid;

use super::Orders;
use super::streams::Place;
use super::timeline::{Known, OrderEvent};
use super::told::Told;
use crate::manager::lines_from;
use crate::order::cancellation::Cancellation;
use crate::order::{CancellationWorkflow, OrderStatus, OrderWorkflow};

/// What a client hears of while nothing happens.
const HEARTBEAT: Duration = Duration::from_secs(15);
/// How often is looked for news, beside being woken.
const LOOK_EVERY: Duration = Duration::from_secs(1);

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
    let told = orders.told_before(order_id, &headers).await?;
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
        let known = self.orders.known_from(self.order_id, self.told).await?;
        self.is_over = known.is_over;
        let news = known.after(self.told);
        self.told = news.last().map_or(self.told, |(told, _)| *told);
        Ok(news.iter().map(shown).collect())
    }
}

fn shown((told, event): &(Told, OrderEvent)) -> Event {
    let data = serde_json::to_string(event).unwrap_or_default();
    Event::default().id(told.to_string()).event(event.name()).data(data)
}

impl Orders {
    /// What the client says it was told. An id that is none of ours, or of what has not happened, is no
    /// reason to miss anything: from the beginning.
    async fn told_before(&self, order_id: Uuid, headers: &HeaderMap) -> Result<Told, Problem> {
        let last = headers.get("last-event-id").and_then(|id| id.to_str().ok());
        let Some(told) = last.and_then(|id| id.parse().ok()) else { return Ok(Told::default()) };
        let known = self.known_from(order_id, Told::default()).await?;
        Ok(if known.has_told(told) { told } else { Told::default() })
    }

    /// What is known of an order, the histories from what was told on.
    async fn known_from(&self, order_id: Uuid, told: Told) -> Result<Known, Problem> {
        let reader = self.manager.reader();
        // Both before the histories: when they say that all is over, the histories say all.
        let saga = self.manager.status(order_id).await?;
        let row = self.find(order_id).await?.ok_or_else(Problem::not_found)?;
        let is_over = match row.status {
            OrderStatus::Rejected | OrderStatus::Cancelled | OrderStatus::Received => {
                saga.is_none_or(saga::Status::is_final)
            }
            OrderStatus::Pending => saga == Some(saga::Status::Abandoned),
            OrderStatus::Confirmed | OrderStatus::Sent => false,
        };
        let own = lines_from::<OrderWorkflow>(reader, order_id, told.order.seq).await?;
        let id = Cancellation::id_for(order_id);
        let cancelling = lines_from::<CancellationWorkflow>(reader, id, told.cancellation.seq).await?;
        Ok(Known { row, own, cancelling, is_old: saga.is_none(), is_over })
    }
}
