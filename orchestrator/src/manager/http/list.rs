//! The operators' list of sagas: what one looks for at night.

use chrono::{DateTime, Utc};
use messaging::rows::select;
use sea_orm::{ConnectionTrait, DatabaseBackend, DatabaseConnection, DbErr, QueryResult, Statement, Value};
use serde::{Deserialize, Serialize};
use service::http::{FieldErrors, Page, Problem, Validate};
use utoipa::{IntoParams, ToSchema};
use uuid::Uuid;

use super::super::saga_row::SagaRow;
use super::Sagas;

/// Which sagas.
#[derive(Debug, Default, Clone, Deserialize, IntoParams, ToSchema)]
#[serde(deny_unknown_fields)]
#[into_params(parameter_in = Query)]
pub(crate) struct SagasFilter {
    /// Of this workflow.
    #[param(min_length = 1, max_length = 100)]
    #[schema(nullable = false, min_length = 1, max_length = 100)]
    workflow: Option<String>,
    /// With this status.
    #[param(inline)]
    #[schema(inline, nullable = false)]
    status: Option<SagaStatusWord>,
    /// Stuck, or not.
    #[schema(nullable = false)]
    stuck: Option<bool>,
    /// Paused, or not.
    #[schema(nullable = false)]
    paused: Option<bool>,
    /// That wait for this step (`undo <step>` when it is to be undone).
    #[param(min_length = 1, max_length = 100)]
    #[schema(nullable = false, min_length = 1, max_length = 100)]
    step: Option<String>,
    /// Of this key (an order's id).
    #[schema(nullable = false)]
    key: Option<Uuid>,
    /// Begun longer ago than this.
    #[param(value_type = Option<i64>, minimum = 0, maximum = 4_294_967_295_i64)]
    #[schema(value_type = Option<i64>, nullable = false, minimum = 0, maximum = 4_294_967_295_i64)]
    older_than_seconds: Option<u32>,
}

impl SagasFilter {
    /// Whether it leaves nothing out.
    pub(super) fn is_empty(&self) -> bool {
        let Self { workflow, status, stuck, paused, step, key, older_than_seconds } = self;
        workflow.is_none()
            && status.is_none()
            && stuck.is_none()
            && paused.is_none()
            && step.is_none()
            && key.is_none()
            && older_than_seconds.is_none()
    }
}

impl Sagas {
    /// Refuses a filter that names what no workflow has: an empty list would say that all is well. `path` is
    /// where the filter stands in the request.
    pub(super) fn check(&self, filter: &SagasFilter, path: &str) -> Result<(), Problem> {
        let mut errors = FieldErrors::default();
        let workflows = || self.workflows.iter().map(|workflow| workflow.name());
        if let Some(name) = &filter.workflow
            && !workflows().any(|known| known == name)
        {
            let known: Vec<_> = workflows().collect();
            errors.add(format!("{path}workflow"), format!("must be one of: {}", known.join(", ")));
        }
        if let Some(step) = &filter.step {
            let meant = |name: &str| filter.workflow.as_deref().is_none_or(|meant| meant == name);
            let of_those = self.workflows.iter().filter(|workflow| meant(workflow.name()));
            let mut known: Vec<_> = of_those.flat_map(|workflow| workflow.waited_for()).collect();
            known.sort_unstable();
            known.dedup();
            let message = format!("must be one of: {}", known.join(", "));
            errors.check(known.is_empty() || known.contains(step), format!("{path}step"), message);
        }
        if errors.is_empty() { Ok(()) } else { Err(Problem::invalid(errors)) }
    }
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
    /// Whether it stands still.
    paused: bool,
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

const SUMMARY: &str = "SELECT saga_id, workflow, version, key, status, step, stuck_since IS NOT NULL, \
     paused_by IS NOT NULL, wake_at, created_at, finished_at FROM sagas WHERE ";
const MATCHING: &str = "saga_id < $1 AND ($2::text IS NULL OR workflow = $2) AND ($3::text IS NULL OR status = $3) \
     AND ($4::boolean IS NULL OR (stuck_since IS NOT NULL) = $4) AND ($5::text IS NULL OR step = $5) \
     AND ($6::bigint IS NULL OR created_at < now() - make_interval(secs => $6)) \
     AND ($7::boolean IS NULL OR (paused_by IS NOT NULL) = $7)";
/// The saga that is named like the key, and those that the index of the others finds.
const OF_KEY: &str = " AND key = $9 AND saga_id = ANY(ARRAY(SELECT $9 UNION ALL \
     SELECT saga_id FROM sagas WHERE key = $9 AND key <> saga_id))";
const NEWEST: &str = " ORDER BY saga_id DESC LIMIT $8";
/// The sagas that something can be done to.
const OPEN: &str = " AND finished_at IS NULL";

pub(super) async fn list_sagas(
    db: &DatabaseConnection,
    page: &Page<SagasFilter>,
) -> Result<Vec<SagaSummary>, DbErr> {
    let (values, of_key) = bound(&page.filter, page.before_or_max(), page.rows());
    let sql = format!("{SUMMARY}{MATCHING}{of_key}{NEWEST}");
    let statement = Statement::from_sql_and_values(DatabaseBackend::Postgres, sql, values);
    db.query_all_raw(statement).await?.iter().map(read).collect()
}

/// How many open sagas the filter finds below an id.
pub(super) async fn count_open(
    db: &DatabaseConnection,
    filter: &SagasFilter,
    below: Uuid,
) -> Result<i64, DbErr> {
    let (values, of_key) = bound(filter, below, 1);
    let sql = format!(
        "SELECT count(*) FROM (SELECT FROM sagas WHERE {MATCHING}{OPEN}{of_key}) AS s, (SELECT $8::bigint) AS b"
    );
    let statement = Statement::from_sql_and_values(DatabaseBackend::Postgres, sql, values);
    let row = db.query_one_raw(statement).await?;
    row.map_or(Ok(0), |row| row.try_get_by_index(0))
}

/// Open sagas that the filter finds below an id, newest first.
pub(super) async fn open_rows(
    db: &DatabaseConnection,
    filter: &SagasFilter,
    below: Uuid,
    limit: u32,
) -> Result<Vec<SagaRow>, DbErr> {
    let (values, of_key) = bound(filter, below, limit.into());
    let sql = format!("SELECT saga_id FROM sagas WHERE {MATCHING}{OPEN}{of_key}{NEWEST}");
    let statement = Statement::from_sql_and_values(DatabaseBackend::Postgres, sql, values);
    let ids = db.query_all_raw(statement).await?;
    let ids: Vec<Uuid> = ids.iter().map(|row| row.try_get_by_index(0)).collect::<Result<_, _>>()?;
    select("saga_id = ANY($1) ORDER BY saga_id DESC").bind(ids).read(db).await
}

/// The values of a filter's statement, and what it says more of a key.
fn bound(filter: &SagasFilter, below: Uuid, rows: i64) -> (Vec<Value>, &'static str) {
    let of_key = if filter.key.is_some() { OF_KEY } else { "" };
    let values: [Value; 8] = [
        below.into(),
        filter.workflow.clone().into(),
        filter.status.map(SagaStatusWord::as_str).into(),
        filter.stuck.into(),
        filter.step.clone().into(),
        filter.older_than_seconds.map(i64::from).into(),
        filter.paused.into(),
        rows.into(),
    ];
    (values.into_iter().chain(filter.key.map(Value::from)).collect(), of_key)
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
        paused: row.try_get_by_index(7)?,
        wake_at: row.try_get_by_index(8)?,
        created_at: row.try_get_by_index(9)?,
        finished_at: row.try_get_by_index(10)?,
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
