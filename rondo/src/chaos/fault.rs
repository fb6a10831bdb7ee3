//! What can be done to the system, and what it takes hold of meanwhile. Plain data.

use serde::Serialize;

use super::layout;

/// A server that services are connected to.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize)]
#[serde(rename_all = "snake_case")]
pub(super) enum Server {
    Postgres,
    Nats,
    /// The way from the gateway to services, where the process is one of them.
    Http,
}

impl Server {
    const fn name(self) -> &'static str {
        match self {
            Self::Postgres => "PostgreSQL",
            Self::Nats => "NATS",
            Self::Http => "HTTP",
        }
    }
}

/// With what NATS comes back.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
#[serde(rename_all = "snake_case")]
pub(super) enum Store {
    /// As it was.
    Same,
    /// With nothing.
    Empty,
    /// With an older copy.
    OlderCopy,
}

/// What happens to connections.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
#[serde(rename_all = "snake_case")]
pub(super) enum Trouble {
    /// All of them end at once (RST); new ones can be made.
    Reset,
    /// Everything takes so many milliseconds longer, in each direction.
    Delay(u64),
    /// Nothing passes; afterwards it flows on.
    Cut,
    /// Nothing passes; afterwards new connections can be made, and those of before stay silent for ever.
    Forget,
}

/// What cannot be processed, and why.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
#[serde(rename_all = "snake_case")]
pub(super) enum Poison {
    /// Bytes that are no JSON.
    Garbage,
    /// A batch with one item that is none.
    BadItem,
    /// A good envelope with wrong data.
    WrongData,
    /// An item of a type that is none, with a character that PostgreSQL's texts cannot have.
    Nul,
}

/// A fault.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
#[serde(tag = "fault", rename_all = "snake_case")]
pub(super) enum Fault {
    /// SIGKILL; started again at the end.
    Kill {
        process: String,
    },
    /// SIGTERM; started again at the end.
    Stop {
        process: String,
    },
    /// SIGSTOP, SIGCONT at the end.
    Freeze {
        process: String,
    },
    /// Dies at a point of its own work, and is started again.
    CrashAt {
        process: String,
        point: &'static str,
        nth: u32,
    },
    /// Both processes of a participant die whenever they handle one certain order, and are started again, until
    /// the end.
    CrashOnOrder {
        participant: &'static str,
    },
    /// Stopped; started again at the end.
    RestartNats {
        store: Store,
        killed: bool,
    },
    FreezeNats,
    /// The disk of its streams is full until the end.
    FillDisk,
    /// Stopped (fast) or crashed (all its processes killed); started again at the end.
    RestartPostgres {
        crashed: bool,
    },
    FreezePostgres,
    /// Everything is killed at one moment: both servers and all processes; started again at the end.
    PowerLoss,
    /// With all that is in it.
    DeleteStream {
        stream: &'static str,
    },
    /// What it has read is forgotten.
    DeleteConsumer {
        stream: &'static str,
        consumer: &'static str,
    },
    /// The connections of a process to a server, until the end.
    Connections {
        process: String,
        server: Server,
        trouble: Trouble,
    },
    /// The connections of every process to a server, until the end.
    AllConnections {
        server: Server,
        trouble: Trouble,
    },
    /// A message that cannot be processed, in a stream of commands, replies or events.
    Poison {
        subject: &'static str,
        poison: Poison,
    },
}

const NATS: &str = "nats";
const POSTGRES: &str = "postgres";

impl Fault {
    /// What two faults must not hold at once.
    pub(super) fn holds(&self) -> Vec<String> {
        match self {
            Self::Kill { process }
            | Self::Stop { process }
            | Self::Freeze { process }
            | Self::CrashAt { process, .. } => vec![process.clone()],
            Self::CrashOnOrder { participant } => layout::replicas(participant).to_vec(),
            Self::RestartNats { .. }
            | Self::FreezeNats
            | Self::FillDisk
            | Self::DeleteStream { .. }
            | Self::DeleteConsumer { .. } => vec![NATS.to_owned()],
            Self::RestartPostgres { .. } | Self::FreezePostgres => vec![POSTGRES.to_owned()],
            Self::PowerLoss => {
                let processes = layout::processes().into_iter().map(|(name, _)| name);
                processes.chain([NATS.to_owned(), POSTGRES.to_owned()]).collect()
            }
            Self::Connections { process, server, .. } => vec![format!("{process} to {server:?}")],
            Self::AllConnections { server, .. } => {
                let to = |(process, _)| format!("{process} to {server:?}");
                layout::processes().into_iter().map(to).collect()
            }
            Self::Poison { .. } => Vec::new(),
        }
    }

    /// What it is counted as.
    pub(super) fn kind(&self) -> String {
        let kind = match self {
            Self::Kill { .. } => "process killed",
            Self::Stop { .. } => "process stopped politely",
            Self::Freeze { .. } => "process frozen",
            Self::CrashAt { .. } => "process died at a point of its work",
            Self::CrashOnOrder { .. } => "participant that crashes on one order",
            Self::RestartNats { store: Store::Same, .. } => "NATS restarted",
            Self::RestartNats { store: Store::Empty, .. } => "NATS restarted with an empty store",
            Self::RestartNats { store: Store::OlderCopy, .. } => "NATS restarted with an older copy",
            Self::FreezeNats => "NATS frozen",
            Self::FillDisk => "NATS' disk full",
            Self::RestartPostgres { crashed: false } => "PostgreSQL restarted (fast)",
            Self::RestartPostgres { crashed: true } => "PostgreSQL crashed",
            Self::FreezePostgres => "PostgreSQL frozen",
            Self::PowerLoss => "power loss",
            Self::DeleteStream { .. } => "stream deleted",
            Self::DeleteConsumer { .. } => "consumer deleted",
            Self::Connections { server, trouble, .. } | Self::AllConnections { server, trouble } => {
                let what = match trouble {
                    Trouble::Reset => "reset",
                    Trouble::Delay(_) => "delayed",
                    Trouble::Cut => "cut",
                    Trouble::Forget => "silent for ever",
                };
                return format!("connections to {} {what}", server.name());
            }
            Self::Poison { .. } => "poison",
        };
        kind.to_owned()
    }
}
