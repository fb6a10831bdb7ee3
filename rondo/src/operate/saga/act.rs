//! Doing something to sagas: one by id, several by ids, or many by a filter.

use std::io::IsTerminal;

use anyhow::{Context, bail};
use clap::Args;
use indicatif::ProgressBar;
use serde_json::{Value, json};
use service::config::OperatorConfig;
use uuid::Uuid;

use super::list::FilterArguments;
use super::{SAGAS, UNKNOWN};
use crate::operate::client::Operator;
use crate::operate::id;
use crate::operate::shown::{items, say, say_json, status, table, text, wrong};

/// Sagas of one bulk call: progress is shown between calls.
const AT_ONCE: u32 = 50;

/// To which sagas, and why.
#[derive(Debug, Args)]
pub(super) struct ActArguments {
    /// These sagas, by their ids; or a filter, which finds open ones.
    #[arg(value_parser = id)]
    sagas: Vec<Uuid>,
    /// Why; it stands in the audit trail.
    #[arg(long)]
    pub(super) reason: String,
    /// By a filter: only tell what would be done.
    #[arg(long)]
    pub(super) dry_run: bool,
    /// By a filter: at most so many a second.
    #[arg(long, default_value_t = 50, value_parser = clap::value_parser!(u32).range(1..=200))]
    rate: u32,
    /// By a filter: stop after so many failures.
    #[arg(long, default_value_t = 10, value_parser = clap::value_parser!(u32).range(1..=500))]
    failures_max: u32,
    #[command(flatten)]
    pub(super) filter: FilterArguments,
    /// Print JSON.
    #[arg(long)]
    pub(super) json: bool,
    #[command(flatten)]
    pub(super) operator: OperatorConfig,
}

/// Which step of which saga, and what its participant would have answered.
#[derive(Debug, Args)]
pub(super) struct SkipArguments {
    /// The saga.
    #[arg(value_parser = id)]
    saga_id: Uuid,
    /// Which step; may be left out when only one is waited for.
    #[arg(long)]
    step: Option<String>,
    /// What its participant would have answered: JSON. May be left out at an undo and after the pivot.
    #[arg(long, value_parser = json_value)]
    result: Option<Value>,
    /// Why; it stands in the audit trail.
    #[arg(long)]
    reason: String,
    /// Print JSON.
    #[arg(long)]
    json: bool,
    #[command(flatten)]
    operator: OperatorConfig,
}

fn json_value(text: &str) -> Result<Value, String> {
    serde_json::from_str(text).map_err(|error| error.to_string())
}

pub(super) async fn skip(arguments: &SkipArguments) -> anyhow::Result<()> {
    let operator = Operator::log_in(&arguments.operator).await?;
    let mut body = json!({ "reason": arguments.reason });
    if let Some(step) = &arguments.step {
        body["step"] = step.as_str().into();
    }
    if let Some(result) = &arguments.result {
        body["result"] = result.clone();
    }
    let id = arguments.saga_id;
    let saga = operator.try_post(&format!("{SAGAS}/{id}/skip"), &body).await?.context(UNKNOWN)?;
    if arguments.json { say_json(&saga) } else { super::show::print(&saga) }
}

pub(super) async fn run(
    action: &str,
    arguments: &ActArguments,
    logged_in: Option<Operator>,
) -> anyhow::Result<()> {
    let filter = arguments.filter.as_json();
    let has_filter = filter.as_object().is_some_and(|filter| !filter.is_empty());
    match (arguments.sagas.is_empty(), has_filter) {
        (true, false) => bail!(
            "which sagas? Name them by their ids, or choose open ones by a filter, for example \
             `rondo saga {action} --stuck --reason WHY --dry-run`"
        ),
        (false, true) => bail!("name sagas by their ids, or choose them by a filter; not both"),
        _ => {}
    }
    let operator = match logged_in {
        Some(operator) => operator,
        None => Operator::log_in(&arguments.operator).await?,
    };
    if has_filter {
        return by_filter(&operator, action, arguments, &filter).await;
    }
    if arguments.dry_run {
        bail!("--dry-run is for a filter; what can be done to one saga is told by `rondo saga show`");
    }
    let mut refused = 0;
    for saga_id in &arguments.sagas {
        let body = json!({ "reason": arguments.reason });
        let acted = operator.try_post(&format!("{SAGAS}/{saga_id}/{action}"), &body).await;
        match acted.and_then(|saga| saga.context(UNKNOWN)) {
            Ok(saga) if arguments.json => say_json(&saga)?,
            Ok(saga) if arguments.sagas.len() == 1 => super::show::print(&saga)?,
            Ok(saga) => say(format_args!("{saga_id} {}", text(&saga, "status"))),
            Err(error) if arguments.sagas.len() == 1 => return Err(error),
            Err(error) => {
                refused += 1;
                say(format_args!("{saga_id} {error:#}"));
            }
        }
    }
    if refused > 0 { bail!("{refused} of {} were refused", arguments.sagas.len()) } else { Ok(()) }
}

/// Call after call, until nothing is left or it stopped by itself.
async fn by_filter(
    operator: &Operator,
    action: &str,
    arguments: &ActArguments,
    filter: &Value,
) -> anyhow::Result<()> {
    let mut body = json!({
        "filter": filter, "action": action, "reason": arguments.reason, "dry_run": arguments.dry_run,
        "limit": AT_ONCE, "rate_per_second": arguments.rate, "failures_max": arguments.failures_max,
    });
    let bar = std::io::stderr().is_terminal().then(|| ProgressBar::new(0));
    let (mut done, mut failed, mut all) = (0, 0, Vec::new());
    let stopped = loop {
        let page = operator.post(&format!("{SAGAS}/bulk"), &body).await?;
        done += items(&page, "items").len() as u64;
        failed += page["failed"].as_u64().unwrap_or_default();
        if let Some(bar) = &bar {
            let ahead = page["matched"].as_u64().unwrap_or_default();
            bar.set_length(bar.length().unwrap_or_default().max(done.max(ahead)));
            bar.set_position(done);
        }
        all.extend(items(&page, "items").iter().cloned());
        body["cursor"] = page["next_cursor"].clone();
        let is_stopped =
            page["stopped"] == true || failed >= u64::from(arguments.failures_max) && !arguments.dry_run;
        if is_stopped || page["next_cursor"].is_null() {
            break is_stopped;
        }
    };
    if let Some(bar) = bar {
        bar.finish_and_clear();
    }
    if arguments.json {
        say_json(&json!({ "items": all, "failed": failed, "stopped": stopped }))?;
    } else {
        if all.is_empty() {
            say("no open saga is like this");
            return Ok(());
        }
        say(told(&all));
        say(format_args!(
            "{} of {done} {}",
            done - failed,
            if arguments.dry_run { "possible" } else { "done" }
        ));
    }
    if stopped {
        bail!(
            "stopped after {failed} failures, see above why; a narrower filter leaves them out, --failures-max \
             bears more of them"
        );
    }
    if failed > 0 && !arguments.dry_run { bail!("{failed} of {done} were refused") } else { Ok(()) }
}

fn told(sagas: &[Value]) -> comfy_table::Table {
    let mut table = table(&["saga", "status", "step", "pivot", "why not", "sends"]);
    for saga in sagas {
        let word = |value: &Value| value.as_str().unwrap_or_default().to_owned();
        let sends: Vec<String> = items(saga, "would_send").iter().map(word).collect();
        table.add_row([
            text(saga, "saga_id").into(),
            status(text(saga, "status")),
            text(saga, "step").into(),
            if saga["past_pivot"] == true { "passed" } else { "" }.into(),
            wrong(text(saga, "why")),
            sends.join(", ").into(),
        ]);
    }
    table
}
