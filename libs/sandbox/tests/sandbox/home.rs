//! Folders that PostgreSQL's user cannot reach.

use std::{fs, os::unix::fs::PermissionsExt, path::Path};

use nix::unistd::geteuid;
use sandbox::{Error, Postgres, reachable};

use crate::{fresh_dir, throwaway};

/// A folder that only we may enter.
fn private_dir(name: &str) -> std::path::PathBuf {
    let dir = fresh_dir(name);
    fs::set_permissions(&dir, fs::Permissions::from_mode(0o700)).unwrap();
    dir
}

#[tokio::test]
async fn in_a_private_folder_the_server_starts_all_the_same() {
    let dir = private_dir("home_private").join("postgres");
    let mut server = Postgres::start(throwaway(dir.clone())).await.unwrap();
    let home = server.home().to_path_buf();
    assert_eq!(dir.canonicalize().unwrap(), home, "the given folder leads to the data");
    assert_eq!(home.starts_with("/var/lib"), geteuid().is_root(), "only root has to move it");
    server.stop().await.unwrap();

    // The link is found again, and the data with it.
    assert_eq!(reachable(&dir).unwrap(), home);
    assert!(home.join("data/PG_VERSION").exists());

    // Without the link it is somebody else's folder, or a new start.
    if geteuid().is_root() {
        fs::remove_file(&dir).unwrap();
        assert_eq!(reachable(&dir).unwrap(), home);
        assert!(!home.join("data").exists());
        fs::remove_dir_all(&home).unwrap();
    }
}

#[test]
fn a_private_folder_with_something_in_it_is_left_alone() {
    if !geteuid().is_root() {
        return; // Everybody else can use it as it is.
    }
    let dir = private_dir("home_full");
    fs::write(dir.join("precious"), "data").unwrap();
    let error = reachable(&dir).unwrap_err();
    assert!(matches!(error, Error::Unreachable { .. }), "{error}");
    assert!(Path::new(&dir).join("precious").exists());
}
