//! A PostgreSQL that another process runs here: where it is, for those who only want to look.

use std::fs;
use std::path::Path;

/// The URL of a database for its owner, on the server whose home is `dir`; `None` if none runs there.
#[must_use]
pub fn running_postgres(dir: &Path, database: &str) -> Option<String> {
    let pid_file = fs::read_to_string(dir.join("data").join("postmaster.pid")).ok()?;
    // The fourth line of PostgreSQL's lock file.
    let port: u16 = pid_file.lines().nth(3)?.trim().parse().ok()?;
    let password = fs::read_to_string(dir.join("password")).ok()?;
    Some(format!("postgres://{database}:{}@127.0.0.1:{port}/{database}", password.trim()))
}
