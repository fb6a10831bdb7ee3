//! `GET /api/v1/notifications`: the caller's letters, newest first.

use std::sync::Arc;

use axum::extract::State;
use contracts::Timestamp;
use messaging::rows::select;
use sea_orm::DatabaseConnection;
use serde::{Deserialize, Serialize};
use service::http::documentation::{Failures, Unauthenticated, Unprocessable};
use service::http::{Caller, FieldErrors, Json, Listed, Page, PageParameters, Problem, Validate};
use utoipa::{IntoParams, ToSchema};
use utoipa_axum::router::OpenApiRouter;
use utoipa_axum::routes;
use uuid::Uuid;

use crate::letter::Letter;

type Shared = Arc<DatabaseConnection>;

/// What clients reach.
pub(crate) fn public() -> OpenApiRouter<Shared> {
    OpenApiRouter::default().routes(routes!(list))
}

/// Which letters.
#[derive(Debug, Deserialize, IntoParams)]
#[into_params(parameter_in = Query)]
#[serde(deny_unknown_fields)]
struct ByOrder {
    /// Only those about this order.
    order_id: Option<Uuid>,
}

impl Validate for ByOrder {
    fn validate(&self, _: &mut FieldErrors) {}
}

/// A letter.
#[derive(Serialize, ToSchema)]
struct NotificationOut {
    /// The letter.
    notification_id: Uuid,
    /// `welcome`, `order_confirmed`, `order_rejected`, `order_cancelled`, `order_sent`, `order_received`.
    #[schema(example = "order_confirmed")]
    kind: String,
    /// Its subject line, in the user's language.
    subject: String,
    /// Its text, in the user's language.
    body: String,
    /// The order it is about.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schema(nullable = false)]
    order_id: Option<Uuid>,
    /// How it would leave.
    #[schema(example = "email")]
    channel: String,
    /// What became of it.
    #[schema(example = "stored")]
    status: String,
    /// When it was written.
    #[schema(value_type = String, format = DateTime)]
    created_at: Timestamp,
}

/// List one's letters
#[utoipa::path(
    get,
    path = "/api/v1/notifications",
    operation_id = "list_notifications",
    tag = "notification",
    security(("bearer" = [])),
    params(PageParameters, ByOrder),
    responses(
        (status = 200, description = "A page of letters, newest first", body = Listed<NotificationOut>),
        Unauthenticated,
        Unprocessable,
        Failures,
    )
)]
async fn list(
    caller: Caller,
    State(reader): State<Shared>,
    page: Page<ByOrder>,
) -> Result<Json<Listed<NotificationOut>>, Problem> {
    let wanted = "user_id = $1 AND notification_id < $2 AND ($3::uuid IS NULL OR order_id = $3) \
                  ORDER BY notification_id DESC LIMIT $4";
    let found: Vec<Letter> = select(wanted)
        .bind(caller.user_id)
        .bind(page.before_or_max())
        .bind(page.filter.order_id)
        .bind(page.rows())
        .read(&reader)
        .await?;
    let letters = found.iter().map(shown).collect();
    Ok(Json(Listed::new(&page, letters, |letter| letter.notification_id)))
}

fn shown(letter: &Letter) -> NotificationOut {
    let Letter { notification_id, order_id, created_at, .. } = *letter;
    NotificationOut {
        notification_id,
        kind: letter.kind.clone(),
        subject: letter.subject.clone(),
        body: letter.body.clone(),
        order_id,
        channel: letter.channel.clone(),
        status: letter.status.clone(),
        created_at,
    }
}
