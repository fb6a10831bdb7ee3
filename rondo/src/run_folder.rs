//! The folder of one run of `rondo bench` or `rondo chaos`: its servers live in it, and it goes when nobody needs to
//! look at what is in it.

use std::path::{Path, PathBuf};

use anyhow::Context;
use sandbox::{Nats, NatsOptions, Postgres, PostgresOptions};
use uuid::Uuid;

use crate::rights::Keys;

const POSTGRES: &str = "postgres";
/// Where NATS lives in such a folder.
pub(crate) const NATS: &str = "nats";

/// A new, empty one.
///
/// # Errors
/// It cannot be made.
pub(crate) fn make(data_dir: &Path) -> anyhow::Result<PathBuf> {
    let dir = data_dir.join(format!("run-{}", Uuid::now_v7().simple()));
    std::fs::create_dir_all(&dir).with_context(|| dir.display().to_string())?;
    Ok(dir.canonicalize()?)
}

/// Starts its servers; both sync every commit. NATS knows the users of these keys. When only one of them starts, that
/// is stopped again.
///
/// # Errors
/// One does not start, and says why.
pub(crate) async fn start_servers(dir: &Path, keys: &Keys) -> anyhow::Result<(Postgres, Nats)> {
    let (postgres, mut nats) = start_servers_with(dir, keys, 1).await?;
    Ok((postgres, nats.remove(0)))
}

/// The same with a cluster of so many NATS servers, if they are more than one.
///
/// # Errors
/// One does not start, and says why.
pub(crate) async fn start_servers_with(
    dir: &Path,
    keys: &Keys,
    nats_servers: usize,
) -> anyhow::Result<(Postgres, Vec<Nats>)> {
    let configuration = keys.authorization_for_trials()?;
    let postgres = PostgresOptions { dir: dir.join(POSTGRES), port: None, durable: true, template: None };
    let nats =
        NatsOptions { dir: dir.join(NATS), port: None, durable: true, configuration, tools: Vec::new() };
    let nats = async {
        match nats_servers {
            1 => Ok(vec![Nats::start(nats).await?]),
            size => Nats::start_cluster(size, nats).await,
        }
    };
    match tokio::join!(Postgres::start(postgres), nats) {
        (Ok(postgres), Ok(nats)) => Ok((postgres, nats)),
        (Ok(mut postgres), Err(error)) => {
            postgres.stop().await?;
            Err(error.into())
        }
        (Err(error), Ok(mut nats)) => {
            for server in &mut nats {
                server.stop().await?;
            }
            Err(error.into())
        }
        (Err(error), Err(_)) => Err(error.into()),
    }
}

/// Removes it with all that is in it. Nothing runs in it any more.
pub(crate) fn remove(dir: &Path) {
    // PostgreSQL's may be a link to where its user can go.
    let postgres = dir.join(POSTGRES).canonicalize().ok().filter(|real| !real.starts_with(dir));
    for dir in postgres.iter().map(PathBuf::as_path).chain([dir]) {
        if let Err(error) = std::fs::remove_dir_all(dir) {
            tracing::warn!(%error, "{} cannot be removed", dir.display());
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_folder_goes_with_what_its_servers_have_elsewhere() {
        let base = std::env::temp_dir().join(format!("rondo-{}", Uuid::now_v7()));
        let (dir, elsewhere) = (make(&base).unwrap(), base.join("elsewhere"));
        std::fs::create_dir_all(elsewhere.join("data")).unwrap();
        std::os::unix::fs::symlink(&elsewhere, dir.join(POSTGRES)).unwrap();
        remove(&dir);
        assert_eq!(std::fs::read_dir(&base).unwrap().count(), 0);
        std::fs::remove_dir(base).unwrap();
    }
}
