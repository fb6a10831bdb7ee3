//! A folder that PostgreSQL's account can reach, also when we are root in a folder nobody else may enter.

use std::{
    fs,
    hash::{DefaultHasher, Hash, Hasher},
    os::unix::fs::{PermissionsExt, symlink},
    path::{Path, PathBuf},
};

use crate::{
    account::Account,
    error::{Error, while_doing},
};

/// Creates `dir` if needed and returns where it really is.
///
/// As root, when the user that PostgreSQL runs as cannot enter it (it lies below somebody's private home, say), the
/// folder becomes a link to `/var/lib/rondo-<hash of its path>`, and a warning says so. What is there lives as long as
/// the link does: a folder left there by a link that has been deleted is removed first.
///
/// # Errors
/// [`Error::Unreachable`] when it cannot be put elsewhere, because it already holds something or /var/lib refuses.
pub fn reachable(dir: &Path) -> Result<PathBuf, Error> {
    let account = Account::ordinary()?;
    fs::create_dir_all(dir).map_err(while_doing(format!("create {}", dir.display())))?;
    let real = real_path(dir)?;
    match account.other_name() {
        Some(user) if !account.may_enter(&real) => {
            let elsewhere = move_elsewhere(&real).map_err(|error| Error::Unreachable {
                dir: real.clone(),
                user: user.to_owned(),
                why: error.to_string(),
            })?;
            tracing::warn!(
                "user {user} cannot enter {}; its data is in {}",
                real.display(),
                elsewhere.display()
            );
            Ok(elsewhere)
        }
        _ => Ok(real),
    }
}

fn real_path(dir: &Path) -> Result<PathBuf, Error> {
    dir.canonicalize().map_err(while_doing(format!("find {}", dir.display())))
}

/// Replaces the empty folder by a link. Leaves the folder as it is when anything goes wrong.
fn move_elsewhere(dir: &Path) -> Result<PathBuf, Error> {
    let mut hash = DefaultHasher::new();
    dir.hash(&mut hash);
    let elsewhere = PathBuf::from(format!("/var/lib/rondo-{:08x}", hash.finish() >> 32));
    let moving = || format!("move it to {}", elsewhere.display());
    fs::remove_dir(dir).map_err(while_doing(moving()))?;
    create_anew(&elsewhere).and_then(|()| symlink(&elsewhere, dir)).map_err(|source| {
        let _ = fs::create_dir(dir);
        while_doing(moving())(source)
    })?;
    Ok(elsewhere)
}

fn create_anew(dir: &Path) -> std::io::Result<()> {
    if dir.exists() {
        fs::remove_dir_all(dir)?;
    }
    fs::create_dir(dir)?;
    fs::set_permissions(dir, fs::Permissions::from_mode(0o755))
}
