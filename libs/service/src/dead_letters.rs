//! Dead letters over HTTP: every service of the process at one address, told apart by their names.
//! Looked at by group, sent again at a rate, discarded with a reason; what was done stands in a trail.

mod change;
mod shown;
mod trail;

use axum::extract::State;
use futures::future::try_join_all;
use messaging::{DeadLetterDesk, DeadLetterDesks};
use serde::Deserialize;
use utoipa::IntoParams;
use utoipa_axum::router::OpenApiRouter;
use utoipa_axum::routes;
use uuid::Uuid;

use crate::http::documentation::{Failures, Forbidden, NotFound, Unauthenticated, Unprocessable};
use crate::http::{FieldErrors, Json, Listed, Page, PageParameters, Path, Problem, Query, Validate};
use shown::{GroupOut, GroupsOut, LetterOut, LettersOut};

/// The internal routes of the dead letters of these services.
pub(crate) fn routes(desks: DeadLetterDesks) -> OpenApiRouter {
    OpenApiRouter::new()
        .routes(routes!(groups))
        .routes(routes!(of_group))
        .routes(routes!(with_id))
        .routes(routes!(change::redrive))
        .routes(routes!(change::discard))
        .routes(routes!(trail::list))
        .with_state(desks)
}

/// Whose.
#[derive(Debug, Default, Deserialize, IntoParams)]
#[serde(deny_unknown_fields)]
#[into_params(parameter_in = Query)]
struct GroupsFilter {
    /// Only of this service.
    #[param(min_length = 1, max_length = 100)]
    service: Option<String>,
}

impl Validate for GroupsFilter {
    fn validate(&self, errors: &mut FieldErrors) {
        errors.optional_line("service", self.service.as_deref(), 1..=100);
    }
}

/// Dead letters by group: service, subject and error.
///
/// At most 200 groups a service, the one that came last first.
#[utoipa::path(
    get, path = "/internal/api/v1/dead-letters", operation_id = "list_dead_letters", tag = "operators",
    security(("bearer" = [])),
    params(GroupsFilter),
    responses(
        (status = 200, description = "The groups", body = GroupsOut),
        Unauthenticated, Forbidden, Unprocessable, Failures,
    ),
)]
async fn groups(
    State(desks): State<DeadLetterDesks>,
    Query(filter): Query<GroupsFilter>,
) -> Result<Json<GroupsOut>, Problem> {
    let desks = desks_of(&desks, filter.service.as_deref())?;
    let groups = try_join_all(desks.iter().map(async |desk| {
        let groups = desk.groups().await?;
        Ok::<_, Problem>(groups.into_iter().map(|group| GroupOut::of(desk.service(), group)))
    }));
    let mut items: Vec<GroupOut> = groups.await?.into_iter().flatten().collect();
    items.sort_by_key(|group| std::cmp::Reverse(group.last_at));
    Ok(Json(GroupsOut { items }))
}

/// The letters of a group, as they came.
#[utoipa::path(
    get, path = "/internal/api/v1/dead-letters/groups/{id}", operation_id = "list_dead_letters_of_group",
    tag = "operators",
    security(("bearer" = [])),
    params(("id" = Uuid, Path, description = "The group"), PageParameters),
    responses(
        (status = 200, description = "A page of letters", body = Listed<LetterOut>),
        Unauthenticated, Forbidden, NotFound, Unprocessable, Failures,
    ),
)]
async fn of_group(
    State(desks): State<DeadLetterDesks>,
    Path(group): Path<Uuid>,
    page: Page,
) -> Result<Json<Listed<LetterOut>>, Problem> {
    let mut found = Vec::new();
    // A group is of one service.
    for desk in desks.all() {
        let letters = desk.of_group(group, page.before_or_max(), page.rows()).await?;
        found.extend(letters.into_iter().map(|letter| LetterOut::of(desk.service(), letter)));
    }
    if found.is_empty() && page.before.is_none() {
        return Err(Problem::not_found());
    }
    Ok(Json(Listed::new(&page, found, |letter| letter.letter_id)))
}

/// One letter, as it came, of every service that could not process it.
#[utoipa::path(
    get, path = "/internal/api/v1/dead-letters/{id}", operation_id = "read_dead_letter", tag = "operators",
    security(("bearer" = [])),
    params(("id" = Uuid, Path, description = "The letter: the item's own id")),
    responses(
        (status = 200, description = "The letter, once a service", body = LettersOut),
        Unauthenticated, Forbidden, NotFound, Failures,
    ),
)]
async fn with_id(
    State(desks): State<DeadLetterDesks>,
    Path(letter_id): Path<Uuid>,
) -> Result<Json<LettersOut>, Problem> {
    let mut items = Vec::new();
    for desk in desks.all() {
        let letters = desk.with_ids(&[letter_id]).await?;
        items.extend(letters.into_iter().map(|letter| LetterOut::of(desk.service(), letter)));
    }
    if items.is_empty() { Err(Problem::not_found()) } else { Ok(Json(LettersOut { items })) }
}

/// Of one service, or of all. One that does not run here is refused: an empty list would say that all is well.
fn desks_of(desks: &DeadLetterDesks, service: Option<&str>) -> Result<Vec<DeadLetterDesk>, Problem> {
    let desks = desks.all();
    let Some(service) = service else { return Ok(desks) };
    let known: Vec<_> = desks.iter().map(DeadLetterDesk::service).collect();
    if !known.contains(&service) {
        let message = format!("must be one of those that run here: {}", known.join(", "));
        return Err(Problem::invalid_field("service", message));
    }
    Ok(desks.into_iter().filter(|desk| desk.service() == service).collect())
}
