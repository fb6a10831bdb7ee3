//! The disk under NATS' streams: a small file system in memory where we may mount one, so that it can be full; copies
//! of the store are kept outside of it.

use std::fs;
use std::io::Write;
use std::os::unix::process::CommandExt as _;
use std::path::{Path, PathBuf};
use std::process::Command;

use anyhow::{Context, bail};

/// What all streams together have room for.
const SIZE_MIB: u64 = 512;
const BALLAST: &str = "ballast";
/// Told to a program that sees the machine's file systems by itself.
const OWN_MOUNTS: &str = "--own-mounts";

/// Starts this program again in its place with a view of the file systems that nobody shares, where it may. What it
/// mounts then is gone with it, however it ends.
pub(super) fn take_own_mounts() -> anyhow::Result<()> {
    let unshare = |what: &Path| {
        let mut command = Command::new("unshare");
        command.arg("--mount").arg(what);
        command
    };
    let may = || unshare(Path::new("true")).output().is_ok_and(|output| output.status.success());
    if !may() {
        return Ok(());
    }
    let mut again = unshare(&std::env::current_exe()?);
    Err(again.args(std::env::args_os().skip(1)).arg(OWN_MOUNTS).exec()).context("unshare")
}

/// The folder of NATS' streams.
pub(super) struct Disk {
    store: PathBuf,
    copy: PathBuf,
    /// Whether it is a file system of its own.
    pub(super) mounted: bool,
}

impl Disk {
    /// Before NATS is started in `home` for the first time. `own_mounts`: nobody else sees what is mounted.
    pub(super) fn prepare(home: &Path, own_mounts: bool) -> anyhow::Result<Self> {
        let store = home.join("jetstream");
        fs::create_dir_all(&store)?;
        let size = format!("size={SIZE_MIB}m,mode=0755");
        let mount =
            || Command::new("mount").args(["-t", "tmpfs", "-o", &size, "rondo-chaos"]).arg(&store).output();
        let mounted = own_mounts && mount().is_ok_and(|output| output.status.success());
        Ok(Self { copy: home.join("older-copy"), store, mounted })
    }

    /// Fills it to the last byte. Does nothing where it is not of its own.
    pub(super) fn fill(&self) -> anyhow::Result<()> {
        if !self.mounted {
            return Ok(());
        }
        let mut ballast = fs::File::create(self.store.join(BALLAST))?;
        let chunk = vec![0; 1024 * 1024];
        while ballast.write_all(&chunk).is_ok() {}
        for byte in &chunk[..4096] {
            if ballast.write_all(&[*byte]).is_err() {
                break;
            }
        }
        Ok(())
    }

    /// There is room again.
    pub(super) fn free(&self) {
        // None is there where it was never filled, or the store was emptied meanwhile.
        let _ = fs::remove_file(self.store.join(BALLAST));
    }

    /// Removes everything; NATS does not run.
    pub(super) fn empty(&self) -> anyhow::Result<()> {
        for entry in fs::read_dir(&self.store)? {
            let path = entry?.path();
            if path.is_dir() { fs::remove_dir_all(&path)? } else { fs::remove_file(&path)? }
        }
        Ok(())
    }

    /// Keeps a copy of it as it is; NATS stands still.
    pub(super) fn keep_copy(&self) -> anyhow::Result<()> {
        if self.copy.exists() {
            fs::remove_dir_all(&self.copy)?;
        }
        copy(&self.store, &self.copy)
    }

    /// Puts the copy in its place, if there is one; NATS does not run.
    pub(super) fn bring_copy_back(&self) -> anyhow::Result<()> {
        self.empty()?;
        if self.copy.exists() { copy(&self.copy, &self.store) } else { Ok(()) }
    }

    /// Takes the file system away; what is on it is kept beside it, unless it is to be removed.
    pub(super) fn end(&self, remove: bool) {
        if !self.mounted {
            return;
        }
        let kept = if remove { Ok(()) } else { self.keep_copy() };
        let unmounted = Command::new("umount").arg(&self.store).status();
        if kept.is_err() || !unmounted.is_ok_and(|status| status.success()) {
            tracing::warn!("{} is still mounted", self.store.display());
        }
    }
}

fn copy(from: &Path, to: &Path) -> anyhow::Result<()> {
    fs::create_dir_all(to)?;
    let copied = Command::new("cp").arg("--archive").arg(from.join(".")).arg(to).output().context("cp")?;
    if !copied.status.success() {
        bail!("{} cannot be copied: {}", from.display(), String::from_utf8_lossy(&copied.stderr));
    }
    Ok(())
}
