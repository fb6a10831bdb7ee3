//! What /proc says about other processes: whose children, in which state, working where, listening where.
//! Everything here is a snapshot; a process that ends meanwhile is simply not in it.

use std::{
    fs,
    path::{Path, PathBuf},
};

use nix::unistd::Pid;

/// Every process there is.
fn all() -> Vec<Pid> {
    let Ok(entries) = fs::read_dir("/proc") else { return Vec::new() };
    entries.filter_map(|entry| entry.ok()?.file_name().to_str()?.parse().ok()).map(Pid::from_raw).collect()
}

/// State letter (`R`, `S`, `T`, `Z`, ...) and parent of a process.
fn state_and_parent(pid: Pid) -> Option<(char, Pid)> {
    let stat = fs::read_to_string(format!("/proc/{pid}/stat")).ok()?;
    // The name, in parentheses, may itself hold spaces and parentheses.
    let (_, fields) = stat.rsplit_once(')')?;
    let mut fields = fields.split_whitespace();
    let state = fields.next()?.chars().next()?;
    Some((state, Pid::from_raw(fields.next()?.parse().ok()?)))
}

/// The direct children of a process.
pub(crate) fn children(parent: Pid) -> Vec<Pid> {
    all().into_iter().filter(|pid| state_and_parent(*pid).is_some_and(|(_, of)| of == parent)).collect()
}

/// Whether a process is stopped by a signal, or gone (which is as still).
pub(crate) fn is_still(pid: Pid) -> bool {
    state_and_parent(pid).is_none_or(|(state, _)| matches!(state, 'T' | 'Z' | 'X'))
}

/// The processes of this program whose working folder is `dir`. A server's processes stay recognisable by that
/// even when their parents are gone.
pub(crate) fn working_in(dir: &Path, program: &str) -> Vec<Pid> {
    let Ok(dir) = dir.canonicalize() else { return Vec::new() };
    all()
        .into_iter()
        .filter(|pid| fs::read_link(format!("/proc/{pid}/cwd")).is_ok_and(|cwd| cwd == dir))
        .filter(|pid| name(*pid).is_some_and(|name| name == program))
        .collect()
}

/// The program's name, at most 15 bytes of it.
fn name(pid: Pid) -> Option<String> {
    Some(fs::read_to_string(format!("/proc/{pid}/comm")).ok()?.trim_end().to_owned())
}

/// Name and id of the process that listens on a TCP port, if we may see it.
pub(crate) fn listener(port: u16) -> Option<String> {
    let tables =
        ["/proc/net/tcp", "/proc/net/tcp6"].map(|table| fs::read_to_string(table).unwrap_or_default());
    let lines = tables.iter().flat_map(|table| table.lines());
    let inodes = lines.filter_map(|line| listening_inode(line, port));
    let sockets: Vec<PathBuf> = inodes.map(|inode| PathBuf::from(format!("socket:[{inode}]"))).collect();
    let pid = all().into_iter().find(|pid| holds_any(*pid, &sockets))?;
    Some(format!("{} (process {pid})", name(pid)?))
}

/// The socket's inode, when the line of a TCP table is a listener on the port.
fn listening_inode(line: &str, port: u16) -> Option<&str> {
    const LISTEN: &str = "0A";
    let fields: Vec<&str> = line.split_whitespace().collect();
    let (local, state, inode) = (fields.get(1)?, fields.get(3)?, fields.get(9)?);
    let (_, local_port) = local.rsplit_once(':')?;
    (*state == LISTEN && u16::from_str_radix(local_port, 16) == Ok(port)).then_some(*inode)
}

fn holds_any(pid: Pid, sockets: &[PathBuf]) -> bool {
    let Ok(descriptors) = fs::read_dir(format!("/proc/{pid}/fd")) else { return false };
    descriptors
        .flatten()
        .filter_map(|fd| fs::read_link(fd.path()).ok())
        .any(|target| sockets.contains(&target))
}
