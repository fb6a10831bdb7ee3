//! How an order is shown, and what its creation answers by its status.

use axum::http::StatusCode;
use axum::http::header::{HeaderValue, LOCATION, RETRY_AFTER};
use axum::response::{IntoResponse, Response};
use chrono::{DateTime, Utc};
use serde::Serialize;
use serde_json::Value;
use service::http::{Json, Problem, REPLAYED};
use utoipa::ToSchema;
use uuid::Uuid;

use super::super::{OrderRow, OrderStatus};

/// What a client is told to wait before it looks again, in seconds.
pub(super) const LOOK_AGAIN_SECONDS: u32 = 1;

/// An order.
#[derive(Debug, Serialize, ToSchema)]
#[schema(as = Order)]
pub(super) struct OrderOut {
    /// The order.
    pub(super) order_id: Uuid,
    /// Whose.
    user_id: Uuid,
    /// Where it stands.
    status: OrderStatus,
    /// Why it was rejected.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schema(nullable = false)]
    reason: Option<String>,
    /// What is ordered.
    items: Vec<ItemOut>,
    /// Minor units; null until it is known.
    #[schema(required)]
    total: Option<i64>,
    /// ISO 4217.
    currency: String,
    /// When it was accepted.
    created_at: DateTime<Utc>,
    /// When its status changed last.
    updated_at: DateTime<Utc>,
    /// Its saga.
    saga_id: Uuid,
}

/// How many of what.
#[derive(Debug, Serialize, ToSchema)]
#[schema(as = OrderItem)]
struct ItemOut {
    /// The position.
    position_id: Uuid,
    /// How many.
    quantity: i64,
}

impl OrderOut {
    pub(super) fn of(row: &OrderRow, currency: &str) -> Self {
        let item = |item: &contracts::stock::Item| ItemOut {
            position_id: item.position_id,
            quantity: item.quantity,
        };
        Self {
            order_id: row.order_id,
            user_id: row.user_id,
            status: row.status,
            reason: row.reason.clone(),
            items: row.items.0.iter().map(item).collect(),
            total: row.total,
            currency: currency.to_owned(),
            created_at: row.created_at,
            updated_at: row.updated_at,
            saga_id: row.order_id,
        }
    }
}

/// The answer to the creation of an order that stands like this.
pub(super) fn respond(row: OrderRow, currency: &str, replayed: bool) -> Response {
    let location = format!("/api/v1/order/{}", row.order_id);
    let shown = Json(OrderOut::of(&row, currency));
    let mut response = match row.status {
        OrderStatus::Pending => {
            (StatusCode::ACCEPTED, [(RETRY_AFTER, LOOK_AGAIN_SECONDS)], shown).into_response()
        }
        OrderStatus::Rejected | OrderStatus::Cancelled => refusal(row).into_response(),
        OrderStatus::Confirmed | OrderStatus::Sent | OrderStatus::Received => {
            (StatusCode::CREATED, shown).into_response()
        }
    };
    if response.status().is_success()
        && let Ok(location) = HeaderValue::from_str(&location)
    {
        response.headers_mut().insert(LOCATION, location);
    }
    if replayed {
        response.headers_mut().insert(REPLAYED, HeaderValue::from_static("true"));
    }
    response
}

/// A rejected order as a problem: its reason is the code, and what explains it stands beside.
fn refusal(row: OrderRow) -> Problem {
    let code = row.reason.unwrap_or_else(|| "cancelled".to_owned());
    let status = match code.as_str() {
        "insufficient_funds" => StatusCode::PAYMENT_REQUIRED,
        "unknown_position" | "total_too_large" => StatusCode::UNPROCESSABLE_ENTITY,
        _ => StatusCode::CONFLICT,
    };
    let problem = Problem::new(status, code.clone(), detail(&code)).with("order_id", row.order_id);
    let Some(Value::Object(members)) = row.refusal.0 else { return problem };
    members.into_iter().fold(problem, |problem, (name, value)| match member(&name) {
        Some(name) => problem.with(name, value),
        None => problem,
    })
}

/// What of a refusal's body clients are told.
fn member(name: &str) -> Option<&'static str> {
    ["available", "required", "position_ids", "total"].into_iter().find(|known| *known == name)
}

fn detail(code: &str) -> &'static str {
    match code {
        "insufficient_funds" => "the account has less than the order costs",
        "out_of_stock" => "there is less in stock than was ordered",
        "unknown_position" => "no such position",
        "price_changed" => "the total is not the one that was expected",
        "total_too_large" => "the total is above the largest amount",
        "slot_taken" => "no courier is free at that time",
        "timed_out" => "the order could not be decided in time",
        "cancelled" => "the order was cancelled",
        _ => "the order was rejected",
    }
}
