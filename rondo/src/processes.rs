//! CPU time and memory of processes, from /proc.

/// The kernel counts in these for user space, whatever its own clock: 100 a second.
const TICKS_PER_SECOND: f64 = 100.0;

/// CPU seconds (user and system) that a server has used: its processes, the main one first, and those
/// children of the main one that have ended.
pub(crate) fn cpu_seconds(pids: &[i32]) -> f64 {
    let own: u64 = pids.iter().filter_map(|pid| ticks(*pid)).map(|ticks| ticks.own).sum();
    let ended = pids.first().and_then(|pid| ticks(*pid)).map_or(0, |ticks| ticks.of_ended_children);
    (own + ended) as f64 / TICKS_PER_SECOND
}

/// CPU seconds of this very process.
pub(crate) fn own_cpu_seconds() -> f64 {
    cpu_seconds(&[i32::try_from(std::process::id()).unwrap_or_default()])
}

/// Bytes that processes of one program hold in memory. What they share (the files of the program, and of
/// PostgreSQL its buffers) is counted once, as much of it as the largest of them sees.
pub(crate) fn memory_bytes(pids: &[i32]) -> u64 {
    let read = |pid| Some(Memory::parse(&std::fs::read_to_string(format!("/proc/{pid}/status")).ok()?));
    let all: Vec<Memory> = pids.iter().filter_map(read).collect();
    let own: u64 = all.iter().map(|memory| memory.own).sum();
    own + all.iter().map(|memory| memory.shared).max().unwrap_or_default()
}

/// Bytes that this very process holds in memory.
pub(crate) fn own_memory_bytes() -> u64 {
    memory_bytes(&[i32::try_from(std::process::id()).unwrap_or_default()])
}

#[derive(Debug, PartialEq, Eq)]
struct Memory {
    own: u64,
    shared: u64,
}

impl Memory {
    /// proc(5): what is resident, of a process' own, of files, and shared.
    fn parse(status: &str) -> Self {
        let bytes = |name: &str| {
            let line = status.lines().find_map(|line| line.strip_prefix(name)?.strip_prefix(':'));
            let kib = line.and_then(|line| line.split_ascii_whitespace().next()?.parse::<u64>().ok());
            kib.unwrap_or_default() * 1024
        };
        Self { own: bytes("RssAnon"), shared: bytes("RssFile") + bytes("RssShmem") }
    }
}

struct Ticks {
    own: u64,
    of_ended_children: u64,
}

fn ticks(pid: i32) -> Option<Ticks> {
    parse(&std::fs::read_to_string(format!("/proc/{pid}/stat")).ok()?)
}

/// proc(5): after the name in parentheses (which may hold anything) come the state, and from the
/// twelfth on utime, stime, cutime, cstime.
fn parse(stat: &str) -> Option<Ticks> {
    let (_, fields) = stat.rsplit_once(')')?;
    let mut times = fields.split_ascii_whitespace().skip(11).map_while(|field| field.parse::<u64>().ok());
    let (utime, stime, cutime, cstime) = (times.next()?, times.next()?, times.next()?, times.next()?);
    Some(Ticks { own: utime + stime, of_ended_children: cutime + cstime })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_name_of_a_process_may_look_like_the_rest() {
        let stat = "42 (a) 1 (b) S 1 2 3 4 5 6 7 8 9 10 100 20 3 4 20 0 1";
        let ticks = parse(stat).unwrap();
        assert_eq!((ticks.own, ticks.of_ended_children), (120, 7));
    }

    #[test]
    fn memory_is_told_by_whether_it_is_shared() {
        let status =
            "Name:\tRssAnon:\nVmRSS:\t99 kB\nRssAnon:\t     100 kB\nRssFile:\t20 kB\nRssShmem:\t3 kB\n";
        assert_eq!(Memory::parse(status), Memory { own: 100 * 1024, shared: 23 * 1024 });
        assert!(own_memory_bytes() > 1024 * 1024);
        let once = own_memory_bytes();
        let pid = i32::try_from(std::process::id()).unwrap();
        assert!(memory_bytes(&[pid, pid]) < 2 * once, "what is shared is counted once");
    }

    #[test]
    fn the_time_of_this_process_grows_with_its_work() {
        let before = own_cpu_seconds();
        let began = std::time::Instant::now();
        while own_cpu_seconds() <= before && began.elapsed().as_secs() < 10 {}
        assert!(own_cpu_seconds() > before);
    }
}
