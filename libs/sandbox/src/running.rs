//! A PostgreSQL that another process runs here: where it is, for those who only want to look.

use std::fs;
use std::path::Path;

use crate::postgres::url;

/// The URL of a database for a role, on the server whose home is `dir`; `None` if none runs there.
#[must_use]
pub fn running_postgres(dir: &Path, role: &str, password: &str, database: &str) -> Option<String> {
    let pid_file = fs::read_to_string(dir.join("data").join("postmaster.pid")).ok()?;
    // The fourth line of PostgreSQL's lock file.
    let port: u16 = pid_file.lines().nth(3)?.trim().parse().ok()?;
    Some(url(role, Some(password), port, database))
}
