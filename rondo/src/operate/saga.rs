//! `rondo saga`: find sagas, see why one hangs, and set it going.

mod act;
mod due;
mod list;
mod pauses;
mod show;
mod why;

use anyhow::Context;
use clap::{Args, Subcommand};
use service::config::OperatorConfig;
use uuid::Uuid;

use super::client::Operator;
use super::id;

pub(super) const SAGAS: &str = "/internal/api/v1/sagas";

/// What is done with sagas.
#[derive(Debug, Args)]
pub(crate) struct SagaArguments {
    #[command(subcommand)]
    command: SagaCommand,
}

#[derive(Debug, Subcommand)]
enum SagaCommand {
    /// Find sagas, newest first.
    List(list::ListArguments),
    /// Show one: why it hangs and what can be done, then every step and what happened.
    Show(ShowArguments),
    /// Ask again now for what is waited for.
    Retry(act::ActArguments),
    /// Take a step for done without its participant, with a stated result.
    Skip(act::SkipArguments),
    /// Turn back and undo everything; before the pivot only.
    Cancel(act::ActArguments),
    /// Stop where it is, undoing nothing.
    Abandon(act::ActArguments),
    /// Let time stand still for sagas, a workflow or a participant: nothing is sent.
    Pause(pauses::PauseArguments),
    /// Let them go on.
    Resume(pauses::PauseArguments),
    /// Show which workflows and participants are paused.
    Pauses(pauses::PausesArguments),
}

/// Which one.
#[derive(Debug, Args)]
struct ShowArguments {
    /// The saga; an order's has the order's id.
    #[arg(value_parser = id)]
    saga_id: Uuid,
    /// Print JSON.
    #[arg(long)]
    json: bool,
    #[command(flatten)]
    operator: OperatorConfig,
}

/// Does it.
pub(crate) async fn run(arguments: SagaArguments) -> anyhow::Result<()> {
    match arguments.command {
        SagaCommand::List(arguments) => list::run(&arguments).await,
        SagaCommand::Show(arguments) => {
            let operator = Operator::log_in(&arguments.operator).await?;
            let id = arguments.saga_id;
            let saga = operator.find(&format!("{SAGAS}/{id}"), &[]).await?.context(UNKNOWN)?;
            if arguments.json { super::shown::say_json(&saga) } else { show::print(&saga) }
        }
        SagaCommand::Retry(arguments) => act::run("retry", &arguments, None).await,
        SagaCommand::Skip(arguments) => act::skip(&arguments).await,
        SagaCommand::Cancel(arguments) => act::run("cancel", &arguments, None).await,
        SagaCommand::Abandon(arguments) => act::run("abandon", &arguments, None).await,
        SagaCommand::Pause(arguments) => pauses::run("pause", &arguments).await,
        SagaCommand::Resume(arguments) => pauses::run("resume", &arguments).await,
        SagaCommand::Pauses(arguments) => pauses::show(&arguments).await,
    }
}

/// What is said of an id that no saga has.
const UNKNOWN: &str = "there is no such saga: no order has this id, or its saga left after SAGA_RETENTION_DAYS; \
                       `rondo saga list` shows those that are there";
