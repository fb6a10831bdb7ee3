//! The folder of this test process, below `target/sandbox`, so that `cargo clean` finds it. A test process is mostly
//! ended, not finished, and cannot tidy up: the next one removes what those before it have left.

use std::{
    fs::{self, File},
    path::{Path, PathBuf},
    sync::{
        LazyLock,
        atomic::{AtomicU32, Ordering},
    },
};

use sandbox::Lock;
use uuid::Uuid;

/// The folder, locked as long as this process lives.
struct RunDir {
    path: PathBuf,
    _lock: Lock,
}

static RUN_DIR: LazyLock<RunDir> = LazyLock::new(open);
static NEXT: AtomicU32 = AtomicU32::new(0);

/// A path for a new folder in this process's own.
pub(crate) fn fresh(name: &str) -> PathBuf {
    RUN_DIR.path.join(format!("{name}-{}", NEXT.fetch_add(1, Ordering::Relaxed)))
}

/// Where a pristine PostgreSQL data folder is kept, shared by all test processes.
pub(crate) fn template() -> PathBuf {
    base().join("template")
}

fn open() -> RunDir {
    let base = sandbox::reachable(&base()).expect("the target folder holds the servers' data");
    // One process at a time, so that none takes another's new folder for an abandoned one.
    let turn = File::create(base.join("turn")).expect("the target folder can be written");
    turn.lock().expect("the target folder can be locked");
    remove_abandoned(&base);
    let path = base.join(format!("run-{}", Uuid::now_v7().simple()));
    let lock = Lock::take(&path).expect("nobody else has a new folder");
    RunDir { path, _lock: lock }
}

/// What cannot be removed yet, because its servers are still ending, is left to the next process.
fn remove_abandoned(base: &Path) {
    for entry in fs::read_dir(base).into_iter().flatten().flatten() {
        let is_run = entry.file_name().to_string_lossy().starts_with("run-");
        if is_run && Lock::take(&entry.path()).is_ok() {
            let _ = fs::remove_dir_all(entry.path());
        }
    }
}

/// Test executables are in `<target>/<profile>/deps`.
fn base() -> PathBuf {
    let test = std::env::current_exe().expect("a process has an executable");
    let target = test.ancestors().nth(3).expect("a test executable is in target/<profile>/deps");
    target.join("sandbox")
}
