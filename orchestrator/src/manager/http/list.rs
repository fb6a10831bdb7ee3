//! The operators' list of sagas: what one looks for at night.

use chrono::{DateTime, Utc};
use sea_orm::{ConnectionTrait, DatabaseBackend, DatabaseConnection, DbErr, QueryResult, Statement, Value};
use serde::{Deserialize, Serialize};
use service::http::{FieldErrors, Page, Validate};
use utoipa::{IntoParams, ToSchema};
use uuid::Uuid;

/// Which sagas.
#[derive(Debug, Default, Deserialize, IntoParams)]
#[serde(deny_unknown_fields)]
#[into_params(parameter_in = Query)]
pub(crate) struct SagasFilter {
    /// Of this workflow.
    #[param(min_length = 1, max_length = 100)]
    workflow: Option<String>,
    /// With this status.
    #[param(inline)]
    status: Option<SagaStatusWord>,
    /// Stuck, or not.
    stuck: Option<bool>,
    /// That wait for this step (`undo <step>` when it is to be undone).
    #[param(min_length = 1, max_length = 100)]
    step: Option<String>,
    /// Of this key (an order's id).
    key: Option<Uuid>,
    /// Begun longer ago than this.
    #[param(value_type = Option<i64>, minimum = 0, maximum = 4_294_967_295_i64)]
    older_than_seconds: Option<u32>,
}

/// What a saga is doing, as one word.
#[derive(Debug, Clone, Copy, Serialize, Deserialize, ToSchema)]
#[serde(rename_all = "snake_case")]
pub(crate) enum SagaStatusWord {
    Running,
    Compensating,
    Tail,
    Completed,
    Rejected,
    Cancelled,
    Abandoned,
}

impl Validate for SagasFilter {
    fn validate(&self, errors: &mut FieldErrors) {
        for (name, word) in [("workflow", &self.workflow), ("step", &self.step)] {
            if let Some(word) = word {
                errors.text(name, word, 1..=100);
            }
        }
    }
}

/// A saga in the list.
#[derive(Debug, Serialize, ToSchema)]
pub(crate) struct SagaSummary {
    /// The saga.
    pub(crate) saga_id: Uuid,
    /// Its workflow.
    workflow: String,
    /// The version of its definition.
    version: i32,
    /// What it is about: an order's id.
    key: Uuid,
    /// What it is doing.
    status: String,
    /// The step it waits for.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schema(nullable = false)]
    step: Option<String>,
    /// Whether a step that has to succeed does not.
    stuck: bool,
    /// When it is asked again.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schema(nullable = false)]
    wake_at: Option<DateTime<Utc>>,
    /// When it began.
    created_at: DateTime<Utc>,
    /// When it ended.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schema(nullable = false)]
    finished_at: Option<DateTime<Utc>>,
}

const SQL: &str = "SELECT saga_id, workflow, version, key, status, step, stuck_since IS NOT NULL, wake_at, \
     created_at, finished_at FROM sagas WHERE saga_id < $1 \
     AND ($2::text IS NULL OR workflow = $2) AND ($3::text IS NULL OR status = $3) \
     AND ($4::boolean IS NULL OR (stuck_since IS NOT NULL) = $4) AND ($5::text IS NULL OR step = $5) \
     AND ($6::bigint IS NULL OR created_at < now() - make_interval(secs => $6))";
/// The saga that is named like the key, and those that the index of the others finds.
const OF_KEY: &str = " AND key = $8 AND saga_id = ANY(ARRAY(SELECT $8 UNION ALL \
     SELECT saga_id FROM sagas WHERE key = $8 AND key <> saga_id))";
const NEWEST: &str = " ORDER BY saga_id DESC LIMIT $7";

pub(super) async fn list_sagas(
    db: &DatabaseConnection,
    page: &Page<SagasFilter>,
) -> Result<Vec<SagaSummary>, DbErr> {
    let filter = &page.filter;
    let of_key = if filter.key.is_some() { OF_KEY } else { "" };
    let values: [Value; 7] = [
        page.before_or_max().into(),
        filter.workflow.clone().into(),
        filter.status.map(SagaStatusWord::as_str).into(),
        filter.stuck.into(),
        filter.step.clone().into(),
        filter.older_than_seconds.map(i64::from).into(),
        page.rows().into(),
    ];
    let values = values.into_iter().chain(filter.key.map(Value::from));
    let sql = format!("{SQL}{of_key}{NEWEST}");
    let statement = Statement::from_sql_and_values(DatabaseBackend::Postgres, sql, values);
    db.query_all_raw(statement).await?.iter().map(read).collect()
}

fn read(row: &QueryResult) -> Result<SagaSummary, DbErr> {
    Ok(SagaSummary {
        saga_id: row.try_get_by_index(0)?,
        workflow: row.try_get_by_index(1)?,
        version: row.try_get_by_index(2)?,
        key: row.try_get_by_index(3)?,
        status: row.try_get_by_index(4)?,
        step: row.try_get_by_index(5)?,
        stuck: row.try_get_by_index(6)?,
        wake_at: row.try_get_by_index(7)?,
        created_at: row.try_get_by_index(8)?,
        finished_at: row.try_get_by_index(9)?,
    })
}

impl SagaStatusWord {
    const fn as_str(self) -> &'static str {
        match self {
            Self::Running => "running",
            Self::Compensating => "compensating",
            Self::Tail => "tail",
            Self::Completed => "completed",
            Self::Rejected => "rejected",
            Self::Cancelled => "cancelled",
            Self::Abandoned => "abandoned",
        }
    }
}
