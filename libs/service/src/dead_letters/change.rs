//! Sending dead letters again, and discarding them: by id or by group, a bounded number in a call.

use std::time::Duration;

use axum::extract::State;
use messaging::{DeadLetterDesk, DeadLetterDesks, Letter, OnBehalf};
use serde::{Deserialize, Serialize};
use tokio::time::{Instant, MissedTickBehavior};
use utoipa::ToSchema;
use uuid::Uuid;

use super::desks_of;
use crate::http::documentation::{BodyProblems, Failures, Forbidden, NotFound, Unauthenticated};
use crate::http::{FieldErrors, InternalCaller, Json, Problem, Validate};

/// Letters of one call.
const LETTERS_MAX: u32 = 500;
const RATE_DEFAULT: u32 = 50;
const RATE_MAX: u32 = 500;
/// A call answers within about this; what is left is told.
const AT_MOST: Duration = Duration::from_secs(20);

/// Which letters, why, and how fast.
#[derive(Debug, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
#[schema(as = DeadLetterChange)]
pub(super) struct Change {
    /// These; or a group.
    #[schema(nullable = false, min_items = 1, max_items = 500)]
    ids: Option<Vec<Uuid>>,
    /// All of this group, at most 500 in a call; or ids.
    #[schema(nullable = false)]
    group: Option<Uuid>,
    /// Only of this service.
    #[schema(nullable = false, min_length = 1, max_length = 100)]
    service: Option<String>,
    /// Why; for the trail.
    #[schema(min_length = 1, max_length = 500)]
    reason: String,
    /// At most so many a second; default 50.
    #[schema(nullable = false, minimum = 1, maximum = 500)]
    rate_per_second: Option<u32>,
}

/// What became of the letters.
#[derive(Debug, Serialize, ToSchema)]
#[schema(as = DeadLettersChanged)]
pub(super) struct Changed {
    items: Vec<ChangedLetter>,
    succeeded: usize,
    failed: usize,
    /// Letters of the group that are still there.
    left: i64,
}

/// What became of one letter.
#[derive(Debug, Serialize, ToSchema)]
#[schema(as = DeadLetterChanged)]
pub(super) struct ChangedLetter {
    service: &'static str,
    letter_id: Uuid,
    ok: bool,
    /// Why not; it is still there.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schema(nullable = false)]
    why: Option<String>,
}

#[derive(Debug, Clone, Copy)]
enum Deed {
    Redrive,
    Discard,
}

impl Validate for Change {
    fn validate(&self, errors: &mut FieldErrors) {
        errors.check(self.ids.is_some() != self.group.is_some(), "ids", "give either ids or a group");
        if let Some(ids) = &self.ids {
            errors.number("ids", ids.len() as i64, 1..=LETTERS_MAX.into());
        }
        errors.optional_line("service", self.service.as_deref(), 1..=100);
        errors.line("reason", &self.reason, 1..=500);
        errors.check(!self.reason.trim().is_empty(), "reason", "must say something");
        if let Some(rate) = self.rate_per_second {
            errors.number("rate_per_second", rate.into(), 1..=RATE_MAX.into());
        }
    }
}

/// Send dead letters again, as they came.
///
/// Safe to repeat: a letter leaves the table once its stream has it, and whoever reads it recognises what
/// was done already. One that fails again is a dead letter again.
#[utoipa::path(
    post, path = "/internal/api/v1/dead-letters/redrive", operation_id = "redrive_dead_letters",
    tag = "operators",
    security(("bearer" = [])),
    request_body = Change,
    responses(
        (status = 200, description = "What became of them", body = Changed),
        Unauthenticated, Forbidden, NotFound, BodyProblems, Failures,
    ),
)]
pub(super) async fn redrive(
    State(desks): State<DeadLetterDesks>,
    caller: InternalCaller,
    Json(change): Json<Change>,
) -> Result<Json<Changed>, Problem> {
    perform(&desks, &caller, &change, Deed::Redrive).await
}

/// Discard dead letters: nobody processes them any more.
#[utoipa::path(
    post, path = "/internal/api/v1/dead-letters/discard", operation_id = "discard_dead_letters",
    tag = "operators",
    security(("bearer" = [])),
    request_body = Change,
    responses(
        (status = 200, description = "What became of them", body = Changed),
        Unauthenticated, Forbidden, NotFound, BodyProblems, Failures,
    ),
)]
pub(super) async fn discard(
    State(desks): State<DeadLetterDesks>,
    caller: InternalCaller,
    Json(change): Json<Change>,
) -> Result<Json<Changed>, Problem> {
    perform(&desks, &caller, &change, Deed::Discard).await
}

async fn perform(
    desks: &DeadLetterDesks,
    caller: &InternalCaller,
    change: &Change,
    deed: Deed,
) -> Result<Json<Changed>, Problem> {
    let InternalCaller::Operator(operator) = caller else {
        return Err(Problem::forbidden("this needs the role operator"));
    };
    let desks = desks_of(desks, change.service.as_deref())?;
    // What comes back while this goes on is not left over: it failed again.
    let began = chrono::Utc::now();
    let actor = format!("operator {operator}");
    let by = OnBehalf { actor: &actor, reason: &change.reason };
    let chosen = chosen(&desks, change).await?;
    if chosen.is_empty() {
        return Err(Problem::not_found());
    }
    let mut pace =
        tokio::time::interval(Duration::from_secs(1) / change.rate_per_second.unwrap_or(RATE_DEFAULT));
    pace.set_missed_tick_behavior(MissedTickBehavior::Delay);
    let until = Instant::now() + AT_MOST;
    let mut items = Vec::with_capacity(chosen.len());
    for (desk, letter) in chosen {
        pace.tick().await;
        if Instant::now() >= until {
            break;
        }
        let why = deed.done_to(desk, &letter, by).await.err();
        tracing::warn!(
            service = desk.service(), letter = %letter.letter_id, subject = letter.subject, ?deed, %operator,
            reason = change.reason, failed = why, "an operator's word on a dead letter"
        );
        let (service, letter_id) = (desk.service(), letter.letter_id);
        items.push(ChangedLetter { service, letter_id, ok: why.is_none(), why });
    }
    let mut left = 0;
    if let Some(group) = change.group {
        for desk in &desks {
            left += desk.count(group, began).await?;
        }
    }
    let succeeded = items.iter().filter(|item| item.ok).count();
    Ok(Json(Changed { succeeded, failed: items.len() - succeeded, items, left }))
}

async fn chosen<'a>(
    desks: &'a [DeadLetterDesk],
    change: &Change,
) -> Result<Vec<(&'a DeadLetterDesk, Letter)>, Problem> {
    let mut chosen = Vec::new();
    for desk in desks {
        let letters = match (&change.ids, change.group) {
            (Some(ids), _) => desk.with_ids(ids).await?,
            (None, Some(group)) => desk.oldest_of_group(group, LETTERS_MAX.into()).await?,
            (None, None) => Vec::new(),
        };
        chosen.extend(letters.into_iter().map(|letter| (desk, letter)));
    }
    Ok(chosen)
}

impl Deed {
    async fn done_to(self, desk: &DeadLetterDesk, letter: &Letter, by: OnBehalf<'_>) -> Result<(), String> {
        match self {
            Self::Redrive => desk.redrive(letter, by).await.map_err(|error| error.to_string()),
            Self::Discard => match desk.discard(letter, by).await {
                Ok(true) => Ok(()),
                Ok(false) => Err("it came again in between".to_owned()),
                Err(error) => Err(error.to_string()),
            },
        }
    }
}
