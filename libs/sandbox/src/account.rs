//! Who the servers run as: we ourselves, or, as root, an ordinary user for PostgreSQL, which refuses root.

use std::{
    ffi::OsStr,
    os::unix::{fs::chown, process::CommandExt},
    path::Path,
    process::{Command, Stdio},
};

use nix::{
    sys::signal::Signal,
    unistd::{User, geteuid},
};

use crate::error::{Error, while_doing};

/// The account that a server's processes get.
#[derive(Clone)]
pub(crate) struct Account {
    /// `None`: the one we have.
    user: Option<User>,
}

impl Account {
    /// Our own.
    pub(crate) fn own() -> Self {
        Self { user: None }
    }

    /// Our own, or as root `postgres`, or `nobody` where there is no `postgres`.
    pub(crate) fn ordinary() -> Result<Self, Error> {
        if !geteuid().is_root() {
            return Ok(Self::own());
        }
        for name in ["postgres", "nobody"] {
            if let Some(user) =
                User::from_name(name).map_err(|errno| while_doing("read the users")(errno.into()))?
            {
                return Ok(Self { user: Some(user) });
            }
        }
        Err(while_doing("run PostgreSQL as root")(std::io::Error::other(
            "there is no user postgres or nobody",
        )))
    }

    /// The user's name, when it is not us.
    pub(crate) fn other_name(&self) -> Option<&str> {
        self.user.as_ref().map(|user| user.name.as_str())
    }

    /// Makes a file or folder the account's own.
    pub(crate) fn give(&self, path: &Path) -> Result<(), Error> {
        let Some(user) = &self.user else { return Ok(()) };
        chown(path, Some(user.uid.as_raw()), Some(user.gid.as_raw())).map_err(while_doing(format!(
            "give {} to {}",
            path.display(),
            user.name
        )))
    }

    /// Whether the account may enter the folder, as the kernel sees it.
    pub(crate) fn may_enter(&self, dir: &Path) -> bool {
        if self.user.is_none() {
            return true;
        }
        let mut test = self.command("test", None);
        test.arg("-x").arg(dir).stderr(Stdio::null());
        test.status().is_ok_and(|status| status.success())
    }

    /// A program as this account, without our environment (where `PGPORT` and the like lurk). With a signal it
    /// gets that one when the thread that spawned it ends, and has a process group of its own, so that Ctrl-C
    /// in a terminal reaches only us and we end things in order.
    pub(crate) fn command(&self, program: impl AsRef<OsStr>, on_our_death: Option<Signal>) -> Command {
        let mut command = Command::new("setpriv");
        if let Some(user) = &self.user {
            command.args([
                "--reuid",
                &user.uid.to_string(),
                "--regid",
                &user.gid.to_string(),
                "--init-groups",
            ]);
        }
        if let Some(signal) = on_our_death {
            command.args(["--pdeathsig", signal.as_str()]).process_group(0);
        }
        command.arg("--").arg(program).stdin(Stdio::null());
        command.env_clear().env("PATH", "/usr/bin:/bin:/usr/sbin:/sbin").env("LC_ALL", "C.UTF-8");
        command
    }
}
