//! `/api/v1/account/entries`: the statement.

use axum::extract::State;
use chrono::{DateTime, Utc};
use serde::Serialize;
use service::http::documentation::{Failures, Unauthenticated, Unprocessable};
use service::http::{Caller, Json, Listed, Page, PageParameters, Problem};
use utoipa::ToSchema;
use uuid::Uuid;

use super::Shared;
use crate::entry::{Entry, EntryKind};
use crate::store;

/// Why money moved.
#[derive(Debug, Clone, Copy, Serialize, ToSchema)]
#[serde(rename_all = "snake_case")]
pub(super) enum KindOut {
    /// The user put it in.
    Deposit,
    /// The user took it out.
    Withdrawal,
    /// It was held for an order and then taken.
    Capture,
    /// An order was paid at once.
    Payment,
    /// An order was cancelled: what was taken for it came back.
    Refund,
}

impl From<EntryKind> for KindOut {
    fn from(kind: EntryKind) -> Self {
        match kind {
            EntryKind::Deposit => Self::Deposit,
            EntryKind::Withdrawal => Self::Withdrawal,
            EntryKind::Capture => Self::Capture,
            EntryKind::Payment => Self::Payment,
            EntryKind::Refund => Self::Refund,
        }
    }
}

/// A change of the balance; amounts in minor units.
#[derive(Debug, Serialize, ToSchema)]
pub(super) struct EntryOut {
    /// The entry.
    entry_id: Uuid,
    /// Why.
    kind: KindOut,
    /// Negative where money went away.
    amount: i64,
    /// The balance after it.
    balance_after: i64,
    /// For which order.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schema(nullable = false)]
    order_id: Option<Uuid>,
    /// When.
    created_at: DateTime<Utc>,
}

impl From<Entry> for EntryOut {
    fn from(entry: Entry) -> Self {
        Self {
            entry_id: entry.entry_id,
            kind: entry.kind.into(),
            amount: entry.signed_amount(),
            balance_after: entry.balance_after,
            order_id: entry.order_id,
            created_at: entry.created_at,
        }
    }
}

/// Read the own statement, newest first
#[utoipa::path(
    get,
    path = "/api/v1/account/entries",
    operation_id = "list_entries",
    tag = "billing",
    security(("bearer" = [])),
    params(PageParameters),
    responses(
        (status = 200, description = "A page of the statement", body = Listed<EntryOut>),
        Unauthenticated,
        Unprocessable,
        Failures,
    )
)]
pub(super) async fn list(
    caller: Caller,
    State(counter): State<Shared>,
    page: Page,
) -> Result<Json<Listed<EntryOut>>, Problem> {
    let entries = store::entries(&counter.db, caller.user_id, page.before, page.rows()).await?;
    let entries = entries.into_iter().map(EntryOut::from).collect();
    Ok(Json(Listed::new(&page, entries, |entry| entry.entry_id)))
}
