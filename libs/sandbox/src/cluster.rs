//! Makes PostgreSQL's data folder: by initdb, or as a copy of one made before.

use std::{
    fs,
    os::unix::fs::OpenOptionsExt,
    path::{Path, PathBuf},
    process::Command,
};

use crate::{
    account::Account,
    binaries::PostgresBinaries,
    error::{Error, while_doing},
    home::reachable,
};

/// The superuser of every private server.
pub(crate) const SUPERUSER: &str = "postgres";

/// How a data folder is to be made.
pub(crate) struct Cluster<'a> {
    pub(crate) binaries: &'a PostgresBinaries,
    pub(crate) account: &'a Account,
    /// The superuser's password in a file; `None` trusts everybody who can connect.
    pub(crate) password_file: Option<&'a Path>,
    /// A folder that keeps a pristine copy for next time.
    pub(crate) template: Option<&'a Path>,
}

impl Cluster<'_> {
    /// Makes `data`, if it is not there. An interrupted attempt leaves nothing that looks like one.
    pub(crate) async fn prepare(&self, data: &Path) -> Result<(), Error> {
        if data.join("PG_VERSION").exists() {
            return Ok(());
        }
        let unfinished = data.with_extension("unfinished");
        remove(&unfinished)?;
        match self.template {
            Some(template) => copy(&self.ready_template(template).await?, &unfinished).await?,
            None => self.initdb(&unfinished).await?,
        }
        rename(&unfinished, data)
    }

    /// The pristine copy, made by whoever comes first.
    async fn ready_template(&self, template: &Path) -> Result<PathBuf, Error> {
        let template = reachable(template)?;
        let pristine = template.join(format!("postgres-{}", self.binaries.major));
        if pristine.exists() {
            return Ok(pristine);
        }
        let unfinished = template.join(format!("unfinished-{:016x}", rand::random::<u64>()));
        self.initdb(&unfinished).await?;
        match rename(&unfinished, &pristine) {
            Err(_) if pristine.exists() => remove(&unfinished)?,
            done => done?,
        }
        Ok(pristine)
    }

    async fn initdb(&self, data: &Path) -> Result<(), Error> {
        tracing::info!("making a new PostgreSQL data folder in {}", data.display());
        fs::create_dir(data).map_err(while_doing(format!("create {}", data.display())))?;
        self.account.give(data)?;
        let mut initdb = self.account.command(self.binaries.program("initdb"), None);
        initdb.arg("--pgdata").arg(data).current_dir(data);
        initdb.args([
            "--username",
            SUPERUSER,
            "--encoding",
            "UTF8",
            "--locale",
            "C.UTF-8",
            "--no-instructions",
        ]);
        match self.password_file {
            Some(file) => initdb.arg("--auth=scram-sha-256").arg("--pwfile").arg(file),
            // Small segments of the log make the folder smaller, and so its copies quicker.
            None => initdb.args(["--auth=trust", "--no-sync", "--wal-segsize=1"]),
        };
        run("initdb", initdb).await.map(drop)
    }
}

/// The password kept in `file`, made up the first time. Only the account (and root) can read it.
pub(crate) fn password(file: &Path, account: &Account) -> Result<String, Error> {
    if !file.exists() {
        let fresh = format!("{:032x}", rand::random::<u128>());
        let mut options = fs::OpenOptions::new();
        options.write(true).create_new(true).mode(0o600);
        options
            .open(file)
            .and_then(|mut open| std::io::Write::write_all(&mut open, fresh.as_bytes()))
            .map_err(while_doing(format!("write {}", file.display())))?;
        account.give(file)?;
    }
    fs::read_to_string(file)
        .map(|text| text.trim().to_owned())
        .map_err(while_doing(format!("read {}", file.display())))
}

/// Runs a program to its end; its standard error is the message when it fails.
pub(crate) async fn run(program: &str, command: Command) -> Result<(), Error> {
    let output = tokio::process::Command::from(command)
        .kill_on_drop(true)
        .output()
        .await
        .map_err(while_doing(format!("run {program}")))?;
    if output.status.success() {
        return Ok(());
    }
    let output = String::from_utf8_lossy(&output.stderr).trim().to_owned();
    Err(Error::Command { program: program.to_owned(), output })
}

async fn copy(from: &Path, to: &Path) -> Result<(), Error> {
    let mut cp = Command::new("cp");
    cp.args(["--archive", "--reflink=auto"]).arg(from).arg(to);
    run("cp", cp).await
}

fn rename(from: &Path, to: &Path) -> Result<(), Error> {
    fs::rename(from, to).map_err(while_doing(format!("create {}", to.display())))
}

fn remove(dir: &Path) -> Result<(), Error> {
    match fs::remove_dir_all(dir) {
        Err(error) if error.kind() != std::io::ErrorKind::NotFound => {
            Err(while_doing(format!("remove {}", dir.display()))(error))
        }
        _ => Ok(()),
    }
}
