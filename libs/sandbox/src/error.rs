//! Everything that can keep a private server from starting or stopping, said so that the reader knows what to do.

use std::{io, path::PathBuf};

/// Why a sandbox could not do what was asked.
#[derive(Debug, thiserror::Error)]
pub enum Error {
    /// Somebody else listens on a port that a server needs.
    #[error("port {port}, wanted for {wanted_for}, is in use{}", .held_by.as_ref().map(|who| format!(" by {who}")).unwrap_or_default())]
    PortBusy {
        /// The port on 127.0.0.1.
        port: u16,
        /// What it was to serve.
        wanted_for: String,
        /// Program and process id of the holder, if we may see them.
        held_by: Option<String>,
    },
    /// Another process works in this folder.
    #[error("already running in {}{}", .dir.display(), .pid.map(|pid| format!(" (process {pid})")).unwrap_or_default())]
    AlreadyRunning {
        /// The locked folder.
        dir: PathBuf,
        /// Who holds the lock, if it has written its id.
        pid: Option<u32>,
    },
    /// A server program is not installed.
    #[error(
        "{program} {needed} or newer is not installed (looked in {looked_in}); scripts/install-servers.sh installs it"
    )]
    Missing {
        /// The program.
        program: &'static str,
        /// The oldest version that will do.
        needed: String,
        /// The folders searched.
        looked_in: String,
    },
    /// A server program is installed, but only in an old version.
    #[error("{} is version {found}, {needed} or newer is needed; scripts/install-servers.sh installs it", .path.display())]
    TooOld {
        /// The program's file.
        path: PathBuf,
        /// The version it says it is.
        found: String,
        /// The oldest version that will do.
        needed: String,
    },
    /// The data folder belongs to another PostgreSQL major version than the ones installed.
    #[error("{} was made by PostgreSQL {major}, which is not installed; install it, or move the folder away to start anew", .data.display())]
    OtherMajor {
        /// The data folder.
        data: PathBuf,
        /// The major version that made it.
        major: u32,
    },
    /// A server ended or stayed silent before it was ready.
    #[error("{name} {why}; the end of {}:\n{log_tail}", .log.display())]
    NotReady {
        /// Which server.
        name: &'static str,
        /// What happened instead.
        why: String,
        /// Its log.
        log: PathBuf,
        /// The last lines of the log.
        log_tail: String,
    },
    /// Processes of a server are there although they were told to end, or were left by an earlier run.
    #[error("{name} still runs in {} (processes {pids:?})", .dir.display())]
    StillRunning {
        /// Which server.
        name: &'static str,
        /// Its folder.
        dir: PathBuf,
        /// Its processes.
        pids: Vec<i32>,
    },
    /// The user that PostgreSQL runs as cannot reach the folder, and it could not be put elsewhere.
    #[error("user {user} cannot reach {}: {why}; give a data folder that every user may enter", .dir.display())]
    Unreachable {
        /// The folder.
        dir: PathBuf,
        /// The user.
        user: String,
        /// What kept us from putting it elsewhere.
        why: String,
    },
    /// A database name that is not lower-case letters, digits and underscores (1 to 63, no digit first).
    #[error(
        "{0:?} is not a database name: 1 to 63 lower-case letters, digits and underscores, no digit first"
    )]
    BadName(String),
    /// A program that prepares a server failed.
    #[error("{program} failed: {output}")]
    Command {
        /// The program.
        program: String,
        /// What it said on standard error.
        output: String,
    },
    /// The operating system refused something.
    #[error("cannot {doing}: {source}")]
    Io {
        /// What we were about to do.
        doing: String,
        /// Why not.
        source: io::Error,
    },
}

/// For `map_err`: an I/O error together with what was being done.
pub(crate) fn while_doing(doing: impl Into<String>) -> impl FnOnce(io::Error) -> Error {
    |source| Error::Io { doing: doing.into(), source }
}
