//! Finds the server programs and checks their versions.

use std::{
    fs,
    path::{Path, PathBuf},
    process::Command,
};

use crate::error::{Error, while_doing};

const OLDEST_POSTGRES: u32 = 15;
const OLDEST_NATS: (u32, u32) = (2, 11);
const OLDEST_PROMETHEUS: &str = "2.42";

/// The programs of one PostgreSQL installation.
pub(crate) struct PostgresBinaries {
    folder: PathBuf,
    /// The major version.
    pub(crate) major: u32,
}

impl PostgresBinaries {
    /// The newest installation, or for an existing data folder the one of the major version that made it.
    pub(crate) fn find(data: &Path) -> Result<Self, Error> {
        let mut installed = installed_postgres();
        installed.sort_by_key(|found| found.major);
        if let Some(major) = major_of(data) {
            let same = installed.into_iter().find(|found| found.major == major);
            return same.ok_or_else(|| Error::OtherMajor { data: data.to_path_buf(), major });
        }
        let newest = installed.pop().ok_or_else(|| Error::Missing {
            program: "PostgreSQL",
            needed: OLDEST_POSTGRES.to_string(),
            looked_in: "/usr/lib/postgresql, /usr/local/bin, /usr/bin".to_owned(),
        })?;
        if newest.major < OLDEST_POSTGRES {
            return Err(Error::TooOld {
                path: newest.program("postgres"),
                found: newest.major.to_string(),
                needed: OLDEST_POSTGRES.to_string(),
            });
        }
        Ok(newest)
    }

    pub(crate) fn program(&self, name: &str) -> PathBuf {
        self.folder.join(name)
    }
}

/// The major version that made a data folder, if it is one.
fn major_of(data: &Path) -> Option<u32> {
    fs::read_to_string(data.join("PG_VERSION")).ok()?.trim().parse().ok()
}

fn installed_postgres() -> Vec<PostgresBinaries> {
    // Debian keeps every major version in a folder of its own; others install one, into the usual folders.
    let debian = fs::read_dir("/usr/lib/postgresql").into_iter().flatten().flatten();
    let folders = debian.map(|entry| entry.path().join("bin"));
    let usual = ["/usr/local/pgsql/bin", "/usr/local/bin", "/usr/bin"].map(PathBuf::from);
    folders.chain(usual).filter_map(postgres_in).collect()
}

/// The server may be linked from a folder without the other programs, so its real folder counts.
fn postgres_in(folder: impl AsRef<Path>) -> Option<PostgresBinaries> {
    let server = folder.as_ref().join("postgres").canonicalize().ok()?;
    let folder = server.parent()?.to_path_buf();
    let complete = ["initdb", "psql"].iter().all(|program| folder.join(program).exists());
    let (major, _) = version(&server)?;
    complete.then_some(PostgresBinaries { folder, major })
}

/// nats-server in the first of the given and then the usual folders that has one new enough.
pub(crate) fn find_nats(first: &[PathBuf]) -> Result<PathBuf, Error> {
    let usual = [".rondo/tools", "/usr/local/bin", "/usr/bin"].map(PathBuf::from);
    let folders: Vec<PathBuf> = first.iter().cloned().chain(usual).collect();
    let mut too_old = None;
    for path in folders.iter().map(|folder| folder.join("nats-server")) {
        let Some((major, minor)) = version(&path) else { continue };
        if (major, minor) >= OLDEST_NATS {
            // The server gets a working folder of its own, where a relative path would lead nowhere.
            return path.canonicalize().map_err(while_doing(format!("find {}", path.display())));
        }
        let found = format!("{major}.{minor}");
        too_old.get_or_insert(Error::TooOld { path, found, needed: oldest_nats() });
    }
    let looked_in: Vec<String> = folders.iter().map(|folder| folder.display().to_string()).collect();
    Err(too_old.unwrap_or(Error::Missing {
        program: "nats-server",
        needed: oldest_nats(),
        looked_in: looked_in.join(", "),
    }))
}

/// prometheus in the first of the given and then the usual folders that has it.
pub(crate) fn find_prometheus(first: &[PathBuf]) -> Result<PathBuf, Error> {
    let usual = [".rondo/tools", "/usr/local/bin", "/usr/bin"].map(PathBuf::from);
    let folders: Vec<PathBuf> = first.iter().cloned().chain(usual).collect();
    let program = folders.iter().map(|folder| folder.join("prometheus")).find(|path| path.is_file());
    let looked_in: Vec<String> = folders.iter().map(|folder| folder.display().to_string()).collect();
    let missing = || Error::Missing {
        program: "prometheus",
        needed: OLDEST_PROMETHEUS.to_owned(),
        looked_in: looked_in.join(", "),
    };
    let program = program.ok_or_else(missing)?;
    program.canonicalize().map_err(while_doing(format!("find {}", program.display())))
}

fn oldest_nats() -> String {
    format!("{}.{}", OLDEST_NATS.0, OLDEST_NATS.1)
}

/// Major and minor version that a program prints for `--version`.
fn version(program: &Path) -> Option<(u32, u32)> {
    let output = Command::new(program).arg("--version").output().ok()?;
    parse_version(&String::from_utf8_lossy(&output.stdout))
}

/// "nats-server: v2.15.1", "postgres (PostgreSQL) 15.20 (Debian ...)", "postgres (PostgreSQL) 18beta1".
fn parse_version(text: &str) -> Option<(u32, u32)> {
    let word = text
        .split_whitespace()
        .map(|word| word.trim_start_matches('v'))
        .find(|word| word.starts_with(|first: char| first.is_ascii_digit()))?;
    let mut numbers = word.split(|c: char| !c.is_ascii_digit());
    let major = numbers.next()?.parse().ok()?;
    Some((major, numbers.next().and_then(|minor| minor.parse().ok()).unwrap_or(0)))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn versions_are_read_from_what_the_programs_print() {
        assert_eq!(parse_version("nats-server: v2.15.1\n"), Some((2, 15)));
        assert_eq!(parse_version("postgres (PostgreSQL) 15.20 (Debian 15.20-0+deb12u1)"), Some((15, 20)));
        assert_eq!(parse_version("postgres (PostgreSQL) 18beta1"), Some((18, 0)));
        assert_eq!(parse_version("command not found"), None);
    }
}
