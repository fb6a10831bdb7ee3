//! `rondo saga list`, and the filter that the bulk actions share with it.

use chrono::Utc;
use clap::Args;
use serde_json::{Map, Value, json};
use service::config::OperatorConfig;
use uuid::Uuid;

use super::SAGAS;
use super::due::asked_again;
use crate::operate::client::Operator;
use crate::operate::id;
use crate::operate::shown::{items, say, say_json, status, table, text, when, wrong};

/// Which sagas.
#[derive(Debug, Default, PartialEq, Args)]
pub(super) struct FilterArguments {
    /// Of this workflow: order, order_cancellation.
    #[arg(long)]
    workflow: Option<String>,
    /// With this status: running, compensating, tail, completed, rejected, cancelled, abandoned.
    #[arg(long)]
    status: Option<String>,
    /// Stuck, or not (--stuck=false).
    #[arg(long, num_args = 0..=1, default_missing_value = "true", require_equals = true)]
    stuck: Option<bool>,
    /// Paused, or not (--paused=false).
    #[arg(long, num_args = 0..=1, default_missing_value = "true", require_equals = true)]
    paused: Option<bool>,
    /// That wait for this step; `undo <step>` when it is to be undone.
    #[arg(long)]
    step: Option<String>,
    /// Of this key: an order's id.
    #[arg(long, value_parser = id)]
    key: Option<Uuid>,
    /// Begun longer ago than this.
    #[arg(long)]
    older_than_seconds: Option<u32>,
}

impl FilterArguments {
    /// As the API takes it in a body.
    pub(super) fn as_json(&self) -> Value {
        let mut filter = Map::new();
        let Self { workflow, status, stuck, paused, step, key, older_than_seconds } = self;
        for (name, value) in [
            ("workflow", workflow.as_ref().map(|word| json!(word))),
            ("status", status.as_ref().map(|word| json!(word))),
            ("stuck", stuck.map(Value::from)),
            ("paused", paused.map(Value::from)),
            ("step", step.as_ref().map(|word| json!(word))),
            ("key", key.map(|key| json!(key))),
            ("older_than_seconds", older_than_seconds.map(Value::from)),
        ] {
            filter.extend(value.map(|value| (name.to_owned(), value)));
        }
        filter.into()
    }

    fn as_query(&self) -> Vec<(String, String)> {
        let Value::Object(filter) = self.as_json() else { return Vec::new() };
        let word = |value: Value| value.as_str().map_or_else(|| value.to_string(), str::to_owned);
        filter.into_iter().map(|(name, value)| (name, word(value))).collect()
    }
}

/// Which sagas, and how many.
#[derive(Debug, Args)]
pub(super) struct ListArguments {
    #[command(flatten)]
    filter: FilterArguments,
    /// At most so many.
    #[arg(long, default_value_t = 50, value_parser = clap::value_parser!(u32).range(1..=200))]
    limit: u32,
    /// Where the list before ended.
    #[arg(long)]
    cursor: Option<String>,
    /// Print JSON.
    #[arg(long)]
    json: bool,
    #[command(flatten)]
    operator: OperatorConfig,
}

pub(super) async fn run(arguments: &ListArguments) -> anyhow::Result<()> {
    let operator = Operator::log_in(&arguments.operator).await?;
    let filter = arguments.filter.as_query();
    let mut query: Vec<(&str, String)> =
        filter.iter().map(|(name, value)| (name.as_str(), value.clone())).collect();
    query.push(("limit", arguments.limit.to_string()));
    query.extend(arguments.cursor.clone().map(|cursor| ("cursor", cursor)));
    let page = operator.get(SAGAS, &query).await?;
    if arguments.json {
        return say_json(&page);
    }
    if items(&page, "items").is_empty() {
        say("no such sagas");
        return Ok(());
    }
    let now = Utc::now();
    let mut sagas = table(&["saga", "workflow", "status", "waits for", "", "begun", "asked again"]);
    for saga in items(&page, "items") {
        let mark = match (saga["stuck"] == true, saga["paused"] == true) {
            (_, true) => status("paused"),
            (true, _) => wrong("stuck"),
            _ => status(""),
        };
        sagas.add_row([
            text(saga, "saga_id").into(),
            text(saga, "workflow").into(),
            status(text(saga, "status")),
            text(saga, "step").into(),
            mark,
            when(text(saga, "created_at"), now).into(),
            if saga["paused"] == true { String::new() } else { asked_again(text(saga, "wake_at"), now) }
                .into(),
        ]);
    }
    say(sagas);
    if let Some(cursor) = page["next_cursor"].as_str() {
        say(format_args!("more: --cursor {cursor}"));
    }
    Ok(())
}
