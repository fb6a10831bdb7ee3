//! Orders over HTTP: create one and wait for its decision, look at one, list one's own.

mod answer;
mod cancel;
mod events;
mod request;
mod streams;
mod timeline;
mod told;

use std::sync::Arc;
use std::time::Duration;

use axum::extract::State;
use axum::middleware::from_fn_with_state;
use axum::response::Response;
use messaging::idempotency::Key;
use messaging::rows::select;
use serde::Deserialize;
use service::http::documentation::{
    BodyProblems, Failures, IdempotencyKeyHeader, NotFound, ProblemBody, Unauthenticated, Unprocessable,
};
use service::http::{
    Caller, FieldErrors, Json, Keyed, Listed, Page, PageParameters, Path, PreferWait, Problem, TraceContext,
    Validate,
};
use service::token::Role;
use tokio_util::sync::CancellationToken;
use utoipa::IntoParams;
use utoipa_axum::router::OpenApiRouter;
use utoipa_axum::routes;
use uuid::Uuid;

use super::{
    CancellationWorkflowManager, Goods, Order, OrderRow, OrderStatus, OrderWorkflow, OrderWorkflowManager,
};
use crate::manager::{Admission, Answer, NewSaga, SagaStatus, admit, now, saga_status};
use answer::{OrderOut, respond};
use request::NewOrder;
use streams::Streams;

/// The scope of this route's idempotency keys.
const ROUTE: &str = "POST /api/v1/order";

/// What the handlers share.
#[derive(Clone)]
pub(crate) struct Orders {
    manager: OrderWorkflowManager,
    cancellations: CancellationWorkflowManager,
    streams: Streams,
    currency: Arc<str>,
    draining: CancellationToken,
}

/// The public routes of orders.
pub(crate) fn routes(
    manager: OrderWorkflowManager,
    cancellations: CancellationWorkflowManager,
    admission: Arc<Admission>,
    currency: String,
    draining: CancellationToken,
) -> OpenApiRouter {
    let streams = Streams::default();
    let orders = Orders { manager, cancellations, streams, currency: currency.into(), draining };
    creating().layer(from_fn_with_state(admission, admit)).merge(existing()).with_state(orders)
}

/// All of them, without what they need to answer.
pub(crate) fn public() -> OpenApiRouter<Orders> {
    creating().merge(existing())
}

fn creating() -> OpenApiRouter<Orders> {
    OpenApiRouter::new().routes(routes!(create))
}

/// What concerns orders that are there.
fn existing() -> OpenApiRouter<Orders> {
    let looking = OpenApiRouter::new().routes(routes!(list)).routes(routes!(get)).routes(routes!(saga));
    looking.routes(routes!(cancel::cancel)).routes(routes!(events::events))
}

/// Create an order.
///
/// Answers when its saga has decided, or after `Prefer: wait` seconds with 202.
#[utoipa::path(
    post, path = "/api/v1/order", operation_id = "create_order", tag = "orders",
    security(("bearer" = [])),
    params(
        ("Prefer" = Option<String>, Header, description = "`wait=N` seconds (default 5, at most 30) or `respond-async`"),
        IdempotencyKeyHeader,
    ),
    request_body = NewOrder,
    responses(
        (status = 201, description = "Confirmed", body = OrderOut),
        (status = 202, description = "Not decided yet; see Location and Retry-After", body = OrderOut),
        (status = 402, description = "`insufficient_funds`, with `order_id`, `available`, `required`",
         body = ProblemBody, content_type = "application/problem+json"),
        (status = 409, description = "`out_of_stock`, `price_changed`, `slot_taken`, `timed_out`, `cancelled`, with `order_id`",
         body = ProblemBody, content_type = "application/problem+json"),
        Unauthenticated, BodyProblems, Failures,
    ),
)]
async fn create(
    State(orders): State<Orders>,
    caller: Caller,
    prefer: PreferWait,
    request: Keyed<NewOrder>,
) -> Result<Response, Problem> {
    let order_id = Uuid::now_v7();
    let waiting = orders.manager.wait_for(order_id);
    match orders.manager.begin(new_saga(order_id, &caller, request)).await? {
        Answer::Begun(row) => {
            let row = row.ok_or_else(|| Problem::internal("a new order has a row"))?;
            let row = orders.decided_within(row, waiting, prefer.wait()).await;
            Ok(respond(row, &orders.currency, false))
        }
        Answer::Earlier(earlier_id) => {
            let waiting = orders.manager.wait_for(earlier_id);
            let row = orders.find(earlier_id).await?.ok_or_else(Problem::not_found)?;
            let row = orders.decided_within(row, waiting, prefer.wait()).await;
            Ok(respond(row, &orders.currency, earlier_id != order_id))
        }
        Answer::KeyReused => Err(Problem::idempotency_key_reused()),
    }
}

fn new_saga(order_id: Uuid, caller: &Caller, request: Keyed<NewOrder>) -> NewSaga<Order> {
    let Keyed { body, key } = request;
    let order = Order {
        order_id,
        user_id: caller.user_id,
        goods: Goods::Asked(body.items()),
        price: body.price(),
        delivery: body.delivery(),
        comment: body.comment,
        created_at: now(),
        held_until: None,
    };
    let idempotency = key.map(|key| Key::new(caller.user_id, ROUTE, &key.key, key.body_hash));
    let traceparent = TraceContext::current().to_string();
    NewSaga { saga_id: order_id, data: order, traceparent, idempotency, wanted: None }
}

impl Orders {
    async fn find(&self, order_id: Uuid) -> Result<Option<OrderRow>, Problem> {
        Ok(select("order_id = $1").bind(order_id).read(self.manager.reader()).await?.pop())
    }

    /// Another user's order is none.
    async fn find_visible(&self, caller: &Caller, order_id: Uuid) -> Result<OrderRow, Problem> {
        let found = self.find(order_id).await?;
        let visible = |row: &OrderRow| row.user_id == caller.user_id || caller.roles.has(Role::Operator);
        found.filter(visible).ok_or_else(Problem::not_found)
    }

    /// Waits for the decision, but not while the process stops: whoever waits then is told where to look.
    /// At the end of the wait the row is read once more; where that fails, what is known stands: the order is
    /// accepted, and who is told of a failure places another one.
    async fn decided_within(
        &self,
        row: OrderRow,
        waiting: crate::manager::Waiting<OrderRow>,
        wait: Duration,
    ) -> OrderRow {
        if row.status != OrderStatus::Pending || wait.is_zero() {
            return row;
        }
        let decided = self.draining.run_until_cancelled(waiting.within(wait)).await.flatten();
        match decided {
            Some(row) => row,
            None => self.find(row.order_id).await.ok().flatten().unwrap_or(row),
        }
    }
}

/// One order.
#[utoipa::path(
    get, path = "/api/v1/order/{id}", operation_id = "read_order", tag = "orders",
    security(("bearer" = [])),
    params(("id" = Uuid, Path, description = "The order")),
    responses((status = 200, description = "The order", body = OrderOut), Unauthenticated, NotFound, Failures),
)]
async fn get(
    State(orders): State<Orders>,
    caller: Caller,
    Path(order_id): Path<Uuid>,
) -> Result<Json<OrderOut>, Problem> {
    let row = orders.find_visible(&caller, order_id).await?;
    Ok(Json(OrderOut::of(&row, &orders.currency)))
}

/// Which orders.
#[derive(Debug, Default, Deserialize, IntoParams)]
#[serde(deny_unknown_fields)]
#[into_params(parameter_in = Query)]
struct OrdersFilter {
    /// Only with this status.
    #[param(inline)]
    status: Option<OrderStatus>,
}

impl Validate for OrdersFilter {
    fn validate(&self, _: &mut FieldErrors) {}
}

/// Your orders, newest first.
#[utoipa::path(
    get, path = "/api/v1/orders", operation_id = "list_orders", tag = "orders",
    security(("bearer" = [])),
    params(OrdersFilter, PageParameters),
    responses(
        (status = 200, description = "A page of orders", body = Listed<OrderOut>),
        Unauthenticated, Unprocessable, Failures,
    ),
)]
async fn list(
    State(orders): State<Orders>,
    caller: Caller,
    page: Page<OrdersFilter>,
) -> Result<Json<Listed<OrderOut>>, Problem> {
    let wanted = "user_id = $1 AND order_id < $2 AND ($3::text IS NULL OR status = $3) \
                  ORDER BY order_id DESC LIMIT $4";
    let rows: Vec<OrderRow> = select(wanted)
        .bind(caller.user_id)
        .bind(page.before_or_max())
        .bind(page.filter.status.map(OrderStatus::as_str))
        .bind(page.rows())
        .read(orders.manager.reader())
        .await?;
    let items = rows.iter().map(|row| OrderOut::of(row, &orders.currency)).collect();
    Ok(Json(Listed::new(&page, items, |order| order.order_id)))
}

/// The saga of an order: where it stands and what happened.
#[utoipa::path(
    get, path = "/api/v1/order/{id}/saga", operation_id = "read_order_saga", tag = "orders",
    security(("bearer" = [])),
    params(("id" = Uuid, Path, description = "The order")),
    responses(
        (status = 200, description = "The saga's status", body = SagaStatus), Unauthenticated, NotFound, Failures,
    ),
)]
async fn saga(
    State(orders): State<Orders>,
    caller: Caller,
    Path(order_id): Path<Uuid>,
) -> Result<Json<SagaStatus>, Problem> {
    let row = orders.find_visible(&caller, order_id).await?;
    let status = saga_status::<OrderWorkflow>(orders.manager.reader(), row.order_id).await?;
    let status = status.ok_or_else(Problem::not_found)?;
    Ok(Json(if caller.roles.has(Role::Operator) { status } else { status.for_customers() }))
}
