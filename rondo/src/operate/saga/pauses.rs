//! Pausing and resuming: sagas, a whole workflow, a participant.

use anyhow::{Context, bail};
use chrono::Utc;
use clap::Args;
use serde_json::json;
use service::config::OperatorConfig;

use super::act::{self, ActArguments};
use super::list::FilterArguments;
use crate::operate::client::Operator;
use crate::operate::shown::{items, say, say_json, table, text, when};

const PAUSES: &str = "/internal/api/v1/pauses";

/// What, and why.
#[derive(Debug, Args)]
pub(super) struct PauseArguments {
    /// Everything of this workflow.
    #[arg(long, value_name = "WORKFLOW", conflicts_with_all = ["participant", "sagas"])]
    whole_workflow: Option<String>,
    /// Every command to this participant.
    #[arg(long, conflicts_with = "sagas")]
    participant: Option<String>,
    #[command(flatten)]
    act: ActArguments,
}

/// How it is shown.
#[derive(Debug, Args)]
pub(super) struct PausesArguments {
    /// Print JSON.
    #[arg(long)]
    json: bool,
    #[command(flatten)]
    operator: OperatorConfig,
}

pub(super) async fn run(action: &str, arguments: &PauseArguments) -> anyhow::Result<()> {
    let act = &arguments.act;
    let (scope, name) = match (&arguments.whole_workflow, &arguments.participant) {
        (Some(name), _) => ("workflow", name),
        (None, Some(name)) => ("participant", name),
        (None, None) => return act::run(action, act, None).await,
    };
    if act.dry_run || act.filter != FilterArguments::default() {
        bail!("{action} of a whole {scope} takes neither a filter nor --dry-run");
    }
    let operator = Operator::log_in(&act.operator).await?;
    let path = if action == "pause" { PAUSES.to_owned() } else { format!("{PAUSES}/resume") };
    let body = json!({ "scope": scope, "name": name, "reason": act.reason });
    let pause = operator.try_post(&path, &body).await?;
    let pause = pause.with_context(|| format!("{scope} {name} is not paused"))?;
    if act.json {
        return say_json(&pause);
    }
    match action {
        "pause" => say(format_args!("{scope} {name} is paused: nothing is sent, answers are learned")),
        _ => say(format_args!(
            "{scope} {name} goes on; it was paused {}",
            when(text(&pause, "since"), Utc::now())
        )),
    }
    Ok(())
}

pub(super) async fn show(arguments: &PausesArguments) -> anyhow::Result<()> {
    let operator = Operator::log_in(&arguments.operator).await?;
    let pauses = operator.get(PAUSES, &[]).await?;
    if arguments.json {
        return say_json(&pauses);
    }
    if items(&pauses, "items").is_empty() {
        say("no workflow and no participant is paused");
        return Ok(());
    }
    let mut table = table(&["paused", "name", "since", "by", "why"]);
    for pause in items(&pauses, "items") {
        let since = when(text(pause, "since"), Utc::now());
        table.add_row([
            text(pause, "scope"),
            text(pause, "name"),
            &since,
            text(pause, "actor"),
            text(pause, "reason"),
        ]);
    }
    say(table);
    Ok(())
}
