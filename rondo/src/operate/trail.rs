//! `rondo audit actions`: what operators did to sagas and with dead letters, when, why, and what changed.

use anyhow::bail;
use clap::{Args, Subcommand};
use serde_json::{Value, json};
use service::config::OperatorConfig;

use super::client::Operator;
use super::shown::{items, say, say_json, table, text};
use crate::audit::AuditArguments;

/// What people did to sagas, workflows and participants.
const OF_SAGAS: &str = "/internal/api/v1/audit/actions";
/// What they did with dead letters.
const OF_LETTERS: &str = "/internal/api/v1/audit/dead-letters";

/// The audit of the books, or the trail of operators.
#[derive(Debug, Args)]
#[command(args_conflicts_with_subcommands = true)]
pub(crate) struct AuditCommand {
    #[command(subcommand)]
    trail: Option<Trail>,
    #[command(flatten)]
    books: AuditArguments,
}

#[derive(Debug, Subcommand)]
enum Trail {
    /// Show what operators did to sagas and with dead letters, newest first.
    Actions(TrailArguments),
}

#[derive(Debug, Args)]
struct TrailArguments {
    /// At most so many of each kind.
    #[arg(long, default_value_t = 50, value_parser = clap::value_parser!(u32).range(1..=200))]
    limit: u32,
    /// Print JSON.
    #[arg(long)]
    json: bool,
    #[command(flatten)]
    operator: OperatorConfig,
}

/// Does it.
pub(crate) async fn run(command: AuditCommand) -> anyhow::Result<()> {
    match command.trail {
        Some(Trail::Actions(arguments)) => show(&arguments).await,
        None => crate::audit::run(command.books).await,
    }
}

async fn show(arguments: &TrailArguments) -> anyhow::Result<()> {
    let operator = Operator::log_in(&arguments.operator).await?;
    let query = [("limit", arguments.limit.to_string())];
    // A process without the orchestrator has no sagas, but its services' dead letters.
    let (sagas, letters) = (operator.find(OF_SAGAS, &query).await?, operator.find(OF_LETTERS, &query).await?);
    if sagas.is_none() && letters.is_none() {
        bail!("there is no trail at this address: it has to be the internal listener of a service");
    }
    let (sagas, letters) = (sagas.unwrap_or_default(), letters.unwrap_or_default());
    let mut all: Vec<&Value> = items(&sagas, "items").iter().chain(items(&letters, "items")).collect();
    all.sort_by_key(|action| std::cmp::Reverse(text(action, "at")));
    if arguments.json {
        return say_json(&json!({ "items": all }));
    }
    if all.is_empty() {
        say("nothing was done by operators");
        return Ok(());
    }
    let mut lines = table(&["at", "who", "what", "to what", "why", "before", "after"]);
    for action in all {
        lines.add_row([
            text(action, "at").to_owned(),
            text(action, "actor").to_owned(),
            text(action, "action").to_owned(),
            to_what(action),
            text(action, "reason").to_owned(),
            standing(&action["before"]),
            standing(&action["after"]),
        ]);
    }
    say(lines);
    Ok(())
}

/// A letter, a saga with the step that was skipped, or what was paused as a whole.
fn to_what(action: &Value) -> String {
    let letter = text(action, "letter_id");
    if !letter.is_empty() {
        return format!("dead letter {letter} of {}", text(action, "service"));
    }
    let parts = [text(action, "saga_id"), text(action, "target")];
    parts.into_iter().filter(|part| !part.is_empty()).collect::<Vec<_>>().join(" ")
}

/// How a saga stood, in a few words; what was wrong with a letter, or what became of it.
fn standing(value: &Value) -> String {
    if let Some(word) = value.as_str() {
        return word.to_owned();
    }
    let marks = ["stuck", "paused"].into_iter().filter(|mark| value[*mark] == true);
    let words = [text(value, "status"), text(value, "step"), text(value, "error")].into_iter().chain(marks);
    words.filter(|word| !word.is_empty()).collect::<Vec<_>>().join(" ")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_line_says_to_what_and_how_it_stood() {
        let saga = json!({ "saga_id": "7", "target": "reserve_funds",
            "before": { "status": "running", "step": "reserve_funds", "stuck": true }, "after": null });
        assert_eq!(to_what(&saga), "7 reserve_funds");
        assert_eq!(
            (standing(&saga["before"]), standing(&saga["after"])),
            ("running reserve_funds stuck".to_owned(), String::new())
        );
        let letter = json!({ "letter_id": "8", "service": "stock", "before": { "error": "no" }, "after": "discarded" });
        assert_eq!(to_what(&letter), "dead letter 8 of stock");
        assert_eq!(
            (standing(&letter["before"]), standing(&letter["after"])),
            ("no".to_owned(), "discarded".to_owned())
        );
    }
}
