//! `rondo rights`: who may do what at NATS and PostgreSQL, made of what the services declare. The same for a local run
//! and for a cluster: what this prints is what `rondo up`, the bench and the tests work with.

mod folder;
mod keys;

use std::path::PathBuf;

use clap::{Args, Subcommand};
use messaging::rights::{User, UserKey, Work};
use migrations::rights::{Area, MIGRATOR, Owner, script};

use crate::audit;
use crate::services::Service;
pub(crate) use folder::Folder;
pub(crate) use keys::Keys;

/// Processes of one service, as many as the autoscalers of k8s/ make.
const REPLICAS_MAX: u32 = 8;
/// The same of what runs on one machine: a bench has eight, and needs no room for any that come beside those that go.
pub(crate) const REPLICAS_LOCAL: u32 = 4;
/// So many times what its processes have a role may have: in a rollout some come beside those that still go, and a server
/// that lost sight of one keeps its connections until it notices (20 s).
const HEADROOM: u32 = 2;

/// The user that may do everything: for people, and no process has it.
const OPERATOR: &str = "operator";

/// What to print or make.
#[derive(Debug, Args)]
pub(crate) struct RightsArguments {
    #[command(subcommand)]
    command: RightsCommand,
}

#[derive(Debug, Subcommand)]
enum RightsCommand {
    /// Make what is missing in a folder, and say what that was: a seed and a public key for every user of NATS, a
    /// password for every role of PostgreSQL. Files for their owner alone.
    Keys {
        /// The folder.
        dir: PathBuf,
    },
    /// Print the block `authorization` for the configuration of a NATS server.
    Nats {
        /// The folder of `rondo rights keys`. Without it the public keys are variables of the server's environment:
        /// NATS_USER_BILLING and so on.
        #[arg(long, value_name = "DIR")]
        keys: Option<PathBuf>,
    },
    /// Print a psql script that makes the roles, the databases and the rights; run it as a superuser on the database
    /// postgres. Passwords come from the environment: RONDO_BILLING_PASSWORD and so on.
    Sql {
        /// The most processes of one service that there will be, as the autoscalers have it. A role may have twice the
        /// connections of so many.
        #[arg(long, default_value_t = REPLICAS_MAX, value_name = "N", value_parser = clap::value_parser!(u32).range(1..=1_000))]
        replicas: u32,
    },
}

/// Prints what was asked for, and nothing else.
#[expect(clippy::print_stdout, reason = "what is printed is what was asked for")]
pub(crate) fn run(arguments: &RightsArguments) -> anyhow::Result<()> {
    match &arguments.command {
        RightsCommand::Keys { dir } => {
            let mut folder = Folder::to_make(dir)?;
            drop(Keys::of(&mut folder)?);
            folder.done()?.iter().for_each(|line| crate::tell(line));
        }
        RightsCommand::Nats { keys: None } => print!("{}", authorization(|user| Ok(variable(user)))?),
        RightsCommand::Nats { keys: Some(dir) } => print!("{}", Keys::read(dir)?.authorization()?),
        RightsCommand::Sql { replicas } => {
            print!("{}", script(Owner::Made(MIGRATOR), &areas(*replicas)));
        }
    }
    Ok(())
}

/// What every user of NATS does there; the operator is none of them.
pub(crate) fn works() -> Vec<Work> {
    Service::ALL.into_iter().map(Service::work).chain([Work::of(audit::NATS_USER)]).collect()
}

/// Every database, and who works in it, with at most so many processes of each service.
pub(crate) fn areas(replicas: u32) -> Vec<Area> {
    let connections_max = |service: Service| HEADROOM * replicas * service.connections();
    Service::ALL.map(|service| Area::of(service.name(), connections_max(service))).into()
}

fn variable(user: &str) -> UserKey {
    UserKey::Variable(format!("NATS_USER_{}", user.to_uppercase()))
}

fn authorization(key: impl Fn(&'static str) -> anyhow::Result<UserKey>) -> anyhow::Result<String> {
    let mut users = Vec::new();
    for work in works() {
        let permissions = Some(work.permissions());
        users.push(User { name: work.user(), key: key(work.user())?, permissions });
    }
    users.push(User { name: OPERATOR, key: key(OPERATOR)?, permissions: None });
    Ok(messaging::rights::authorization(&users))
}

#[cfg(test)]
mod tests {
    use super::*;
    use service::config::NATS_USERS;

    #[test]
    fn every_user_that_can_be_configured_has_rights() {
        assert_eq!(works().iter().map(Work::user).collect::<Vec<_>>(), NATS_USERS);
    }

    /// Whether a subject with `*` and `>` covers another, or a part of it.
    fn meet(one: &str, other: &str) -> bool {
        let (mut one, mut other) = (one.split('.'), other.split('.'));
        loop {
            match (one.next(), other.next()) {
                (Some(">"), Some(_)) | (Some(_), Some(">")) | (None, None) => return true,
                (Some(a), Some(b)) if a == b || a == "*" || b == "*" => {}
                _ => return false,
            }
        }
    }

    #[test]
    fn only_the_orchestrator_sends_commands_to_others_and_only_it_reads_replies() {
        for work in works() {
            let (user, may) = (work.user(), work.permissions());
            let any = |subject: &str| may.publish.iter().any(|allowed| meet(allowed, subject));
            for participant in ["billing", "stock", "delivery", "notification"] {
                let sends = any(&format!("cmd.{participant}.anything.v1"));
                assert_eq!(sends, user == "orchestrator" || user == participant, "{user} to {participant}");
                let reads = any(&format!("$JS.API.CONSUMER.MSG.NEXT.CMD_{}.any", participant.to_uppercase()))
                    || any(&format!(
                        "$JS.API.CONSUMER.MSG.NEXT.CMD_{0}.{participant}",
                        participant.to_uppercase()
                    ));
                assert_eq!(reads, user == participant, "{user} of {participant}");
            }
            let reads = any("$JS.API.CONSUMER.MSG.NEXT.REPLIES.order");
            assert_eq!(reads, user == "orchestrator", "{user}");
            let streams =
                ["CMD_BILLING", "CMD_STOCK", "CMD_DELIVERY", "CMD_NOTIFICATION", "REPLIES", "EVENTS"];
            for (stream, maker) in
                streams.map(|stream| (stream, "orchestrator")).into_iter().chain([("SESSIONS", "auth")])
            {
                let makes = any(&format!("$JS.API.STREAM.CREATE.{stream}"));
                assert_eq!(makes, user == maker, "{user} makes {stream}");
            }
            let tells = any("auth.session_revoked.v1");
            assert_eq!(tells, user == "auth", "{user}");
            for other in NATS_USERS {
                let inbox = format!("_INBOX_{other}.x.y");
                let hears = may.subscribe.iter().any(|allowed| meet(allowed, &inbox));
                assert_eq!(hears, user == other, "{user} hears {other}");
            }
            for asks in [
                "STREAM.DELETE.EVENTS",
                "STREAM.PURGE.EVENTS",
                "STREAM.UPDATE.EVENTS",
                "CONSUMER.DELETE.EVENTS.stock",
            ] {
                assert!(!any(&format!("$JS.API.{asks}")), "{user} may {asks}");
            }
        }
    }
}
