//! Dead letters as they are shown.

use chrono::{DateTime, Utc};
use messaging::{Letter, LetterGroup};
use serde::Serialize;
use serde_json::Value;
use utoipa::ToSchema;
use uuid::Uuid;

/// Letters with the same error.
#[derive(Debug, Serialize, ToSchema)]
#[schema(as = DeadLetterGroup)]
pub(super) struct GroupOut {
    /// Who could not process them.
    service: &'static str,
    /// The group: of service, subject and error.
    group: Uuid,
    /// Where they came from.
    subject: String,
    /// The error of one of them.
    error: String,
    /// How many letters.
    letters: i64,
    /// How often they came.
    times: i64,
    /// When the first came.
    first_at: DateTime<Utc>,
    /// When one came last.
    pub(super) last_at: DateTime<Utc>,
}

/// Groups of dead letters.
#[derive(Debug, Serialize, ToSchema)]
#[schema(as = DeadLetterGroups)]
pub(super) struct GroupsOut {
    pub(super) items: Vec<GroupOut>,
}

/// A letter as it came.
#[derive(Debug, Serialize, ToSchema)]
#[schema(as = DeadLetter)]
pub(super) struct LetterOut {
    /// Who could not process it.
    service: &'static str,
    /// The item's own id, where it has one.
    pub(super) letter_id: Uuid,
    /// The group.
    group: Uuid,
    /// Where it came from, and goes again.
    subject: String,
    /// The item's type, where it could be read.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schema(nullable = false)]
    item_type: Option<String>,
    /// The saga, or what the event is about.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schema(nullable = false)]
    about: Option<Uuid>,
    /// Why.
    error: String,
    /// How often it came.
    times: i32,
    /// When it came first.
    first_at: DateTime<Utc>,
    /// When it came last.
    last_at: DateTime<Utc>,
    /// Pairs of name and value, of what came as a message of its own.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schema(nullable = false, value_type = Vec<Vec<String>>)]
    headers: Option<Value>,
    /// JSON where it is JSON, else text.
    #[schema(value_type = Object)]
    payload: Value,
}

/// Dead letters.
#[derive(Debug, Serialize, ToSchema)]
#[schema(as = DeadLetters)]
pub(super) struct LettersOut {
    pub(super) items: Vec<LetterOut>,
}

impl GroupOut {
    pub(super) fn of(service: &'static str, group: LetterGroup) -> Self {
        let LetterGroup { group_id, subject, error, letters, times, first_at, last_at } = group;
        Self { service, group: group_id, subject, error, letters, times, first_at, last_at }
    }
}

impl LetterOut {
    pub(super) fn of(service: &'static str, letter: Letter) -> Self {
        let payload = serde_json::from_slice(&letter.payload)
            .unwrap_or_else(|_| String::from_utf8_lossy(&letter.payload).into());
        Self {
            service,
            letter_id: letter.letter_id,
            group: letter.group_id,
            subject: letter.subject,
            item_type: letter.item_type,
            about: letter.about,
            error: letter.error,
            times: letter.count,
            first_at: letter.first_at,
            last_at: letter.last_at,
            headers: letter.headers.and_then(|headers| serde_json::from_str(&headers).ok()),
            payload,
        }
    }
}
