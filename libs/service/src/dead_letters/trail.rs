//! The audit trail of dead letters: what operators did with them, of every service of the process.

use axum::extract::State;
use chrono::{DateTime, Utc};
use messaging::{DeadLetterDesks, LetterAction};
use serde::Serialize;
use serde_json::Value;
use utoipa::ToSchema;
use uuid::Uuid;

use crate::http::documentation::{Failures, Forbidden, Unauthenticated, Unprocessable};
use crate::http::{Json, Listed, Page, PageParameters, Problem};

/// Something that was done with a dead letter.
#[derive(Debug, Serialize, ToSchema)]
#[schema(as = DeadLetterAction)]
pub(super) struct ActionOut {
    action_id: Uuid,
    /// Whose letter.
    service: &'static str,
    /// When.
    at: DateTime<Utc>,
    /// Who: `operator <id>`.
    actor: String,
    /// What: `redrive` or `discard`.
    action: String,
    /// Why.
    reason: String,
    /// With which letter.
    letter_id: Uuid,
    /// The letter as it was, without its payload.
    #[schema(value_type = Object)]
    before: Value,
    /// What became of it: `sent_again`, `failed_again` (it came again meanwhile, and is still there) or
    /// `discarded`.
    after: String,
}

impl ActionOut {
    fn of(service: &'static str, action: LetterAction) -> Self {
        let LetterAction { action_id, at, actor, action, reason, letter_id, before, after } = action;
        Self { action_id, service, at, actor, action, reason, letter_id, before, after }
    }
}

/// What operators did with dead letters, newest first.
#[utoipa::path(
    get, path = "/internal/api/v1/audit/dead-letters", operation_id = "list_dead_letter_actions",
    tag = "operators",
    security(("bearer" = [])),
    params(PageParameters),
    responses(
        (status = 200, description = "A page of the trail", body = Listed<ActionOut>),
        Unauthenticated, Forbidden, Unprocessable, Failures,
    ),
)]
pub(super) async fn list(
    State(desks): State<DeadLetterDesks>,
    page: Page,
) -> Result<Json<Listed<ActionOut>>, Problem> {
    let mut found = Vec::new();
    for desk in desks.all() {
        let actions = desk.actions(page.before_or_max(), page.rows()).await?;
        found.extend(actions.into_iter().map(|action| ActionOut::of(desk.service(), action)));
    }
    found.sort_by_key(|action| std::cmp::Reverse(action.action_id));
    Ok(Json(Listed::new(&page, found, |action| action.action_id)))
}
