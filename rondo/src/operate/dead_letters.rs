//! `rondo dead-letters`: what could not be processed, by group; sent again or discarded.

use std::io::IsTerminal;

use anyhow::{Context, bail};
use chrono::Utc;
use clap::{Args, Subcommand};
use indicatif::ProgressBar;
use serde_json::{Value, json};
use service::config::OperatorConfig;
use uuid::Uuid;

use super::client::Operator;
use super::id;
use super::shown::{items, list, name, say, say_json, table, text, when, wrong};

const DEAD_LETTERS: &str = "/internal/api/v1/dead-letters";

/// What is done with dead letters.
#[derive(Debug, Args)]
pub(crate) struct DeadLettersArguments {
    #[command(subcommand)]
    command: DeadLettersCommand,
}

#[derive(Debug, Subcommand)]
enum DeadLettersCommand {
    /// The groups: service, subject and error.
    List(ListArguments),
    /// The letters of a group, or one letter, as they came.
    Show(ShowArguments),
    /// Send them again, as they came.
    Redrive(ChangeArguments),
    /// Discard them: nobody processes them any more.
    Discard(ChangeArguments),
}

#[derive(Debug, Args)]
struct ListArguments {
    /// Only of this service.
    #[arg(long)]
    service: Option<String>,
    /// Print JSON.
    #[arg(long)]
    json: bool,
    #[command(flatten)]
    operator: OperatorConfig,
}

#[derive(Debug, Args)]
struct ShowArguments {
    /// A group, or a letter.
    #[arg(value_parser = id)]
    id: Uuid,
    /// At most so many letters of a group.
    #[arg(long, default_value_t = 20, value_parser = clap::value_parser!(u32).range(1..=200))]
    limit: u32,
    /// Print JSON.
    #[arg(long)]
    json: bool,
    #[command(flatten)]
    operator: OperatorConfig,
}

#[derive(Debug, Args)]
struct ChangeArguments {
    /// These letters.
    #[arg(required_unless_present = "group", conflicts_with = "group", value_parser = id)]
    letters: Vec<Uuid>,
    /// All of this group.
    #[arg(long, value_parser = id)]
    group: Option<Uuid>,
    /// Only of this service.
    #[arg(long)]
    service: Option<String>,
    /// Why; it stands in the audit trail.
    #[arg(long)]
    reason: String,
    /// At most so many a second.
    #[arg(long, default_value_t = 50, value_parser = clap::value_parser!(u32).range(1..=500))]
    rate: u32,
    /// Print JSON.
    #[arg(long)]
    json: bool,
    #[command(flatten)]
    operator: OperatorConfig,
}

/// Does it.
pub(crate) async fn run(arguments: DeadLettersArguments) -> anyhow::Result<()> {
    match arguments.command {
        DeadLettersCommand::List(arguments) => groups(&arguments).await,
        DeadLettersCommand::Show(arguments) => show(&arguments).await,
        DeadLettersCommand::Redrive(arguments) => change("redrive", &arguments).await,
        DeadLettersCommand::Discard(arguments) => change("discard", &arguments).await,
    }
}

async fn groups(arguments: &ListArguments) -> anyhow::Result<()> {
    let operator = Operator::log_in(&arguments.operator).await?;
    let query: Vec<_> = arguments.service.iter().map(|service| ("service", service.clone())).collect();
    let groups = operator.get(DEAD_LETTERS, &query).await?;
    if arguments.json {
        return say_json(&groups);
    }
    if items(&groups, "items").is_empty() {
        say("no dead letters");
        return Ok(());
    }
    let mut table = table(&["group", "service", "subject", "letters", "last", "error"]);
    for group in items(&groups, "items") {
        table.add_row([
            text(group, "group").into(),
            text(group, "service").into(),
            text(group, "subject").into(),
            group["letters"].to_string().into(),
            when(text(group, "last_at"), Utc::now()).into(),
            wrong(text(group, "error")),
        ]);
    }
    say(table);
    Ok(())
}

async fn show(arguments: &ShowArguments) -> anyhow::Result<()> {
    let operator = Operator::log_in(&arguments.operator).await?;
    let query = [("limit", arguments.limit.to_string())];
    let mut found = operator.find(&format!("{DEAD_LETTERS}/groups/{}", arguments.id), &query).await?;
    if found.is_none() {
        found = operator.find(&format!("{DEAD_LETTERS}/{}", arguments.id), &[]).await?;
    }
    let found = found.context(
        "there is neither a group nor a letter with this id at the services of this process; \
         `rondo dead-letters list` shows the groups",
    )?;
    if arguments.json {
        return say_json(&found);
    }
    for letter in items(&found, "items") {
        let mut lines = list();
        for member in ["letter_id", "service", "subject", "item_type", "about", "first_at", "last_at"] {
            if !text(letter, member).is_empty() {
                lines.add_row([name(member), text(letter, member).into()]);
            }
        }
        lines.add_row([name("times"), letter["times"].to_string().into()]);
        lines.add_row([name("error"), wrong(text(letter, "error"))]);
        lines.add_row([name("payload"), letter["payload"].to_string().into()]);
        say(lines);
        say("");
    }
    Ok(())
}

/// Call after call, until nothing of the group is left or a call brings nothing on.
async fn change(deed: &str, arguments: &ChangeArguments) -> anyhow::Result<()> {
    let operator = Operator::log_in(&arguments.operator).await?;
    let mut body = json!({ "reason": arguments.reason, "rate_per_second": arguments.rate });
    match arguments.group {
        Some(group) => body["group"] = json!(group),
        None => body["ids"] = json!(arguments.letters),
    }
    if let Some(service) = &arguments.service {
        body["service"] = service.as_str().into();
    }
    let bar = std::io::stderr().is_terminal().then(|| ProgressBar::new(0));
    let (mut succeeded, mut failures, mut all) = (0, Vec::new(), None);
    loop {
        let changed = operator.try_post(&format!("{DEAD_LETTERS}/{deed}"), &body).await?;
        let changed = changed.context("none of these dead letters is there")?;
        succeeded += changed["succeeded"].as_u64().unwrap_or_default();
        let failed = items(&changed, "items").iter().filter(|item| item["ok"] == false);
        failures.extend(failed.cloned());
        let left = changed["left"].as_u64().unwrap_or_default();
        if let Some(bar) = &bar {
            bar.set_length(succeeded + left);
            bar.set_position(succeeded);
        }
        // What failed would fail again, and what was poison may be back already.
        let all = *all.get_or_insert(succeeded + left);
        if left == 0 || succeeded >= all || !failures.is_empty() {
            break;
        }
    }
    if let Some(bar) = bar {
        bar.finish_and_clear();
    }
    if arguments.json {
        say_json(&json!({ "succeeded": succeeded, "failed": failures }))?;
    } else {
        print_failures(&failures);
        say(format_args!("{deed}: {succeeded} letters"));
    }
    if failures.is_empty() { Ok(()) } else { bail!("{} letters are still there", failures.len()) }
}

fn print_failures(failures: &[Value]) {
    for failure in failures {
        say(format_args!(
            "{} {} {}",
            text(failure, "service"),
            text(failure, "letter_id"),
            text(failure, "why")
        ));
    }
}
