//! What came of it, as a table for people and as JSON for programs.

use std::collections::{BTreeMap, BTreeSet};
use std::io::Write;

use comfy_table::presets::ASCII_MARKDOWN;
use comfy_table::{CellAlignment, Table};
use serde::Serialize;

use super::auditor::{Findings, Unknown};
use super::injector::Injected;
use super::records::{Book, Outcome, Phase};

/// Everything that was found.
#[derive(Debug, Serialize)]
pub(super) struct Report {
    pub(super) seed: u64,
    /// In which faults were injected.
    pub(super) seconds: u64,
    pub(super) clients: u32,
    build: &'static str,
    /// By kind of request, and how it ended.
    operations: BTreeMap<&'static str, BTreeMap<&'static str, u64>>,
    /// Tries whose answer was lost, by kind of request; most were asked again.
    lost_answers: BTreeMap<&'static str, u64>,
    /// Deposits, withdrawals and orders that stayed without an answer, and what was found of them.
    unknown_outcomes: Unknown,
    /// Answers that were not what was wished for.
    reasons: BTreeMap<String, u64>,
    faults: BTreeMap<String, u64>,
    /// Planned, and not injected.
    missed: BTreeMap<String, u64>,
    /// Where "NATS' disk full" was a file system of its own.
    small_disk: &'static str,
    deaths_as_planned: u64,
    processes_that_ended_by_themselves: Vec<String>,
    not_stopped_within_20_s: u64,
    /// From the last fault's end, and the last client's, until everything had come to its end.
    seconds_until_quiet: Option<f64>,
    /// By kind of request and phase, in milliseconds, of what was answered.
    answered_after_ms: BTreeMap<&'static str, BTreeMap<String, Percentiles>>,
    orders: BTreeMap<String, i64>,
    /// Of poison.
    dead_letters: i64,
    commands_asked_again: i64,
    pub(super) violations: Vec<String>,
}

#[derive(Debug, Default, Serialize)]
struct Percentiles {
    count: usize,
    p50: f64,
    p99: f64,
}

/// What a report is made of.
pub(super) struct Found {
    pub(super) seed: u64,
    pub(super) seconds: u64,
    pub(super) clients: u32,
    pub(super) mounted: bool,
    pub(super) quiet: Option<f64>,
    pub(super) injected: Injected,
    pub(super) findings: Findings,
}

impl Percentiles {
    fn of(taken_us: &[u32]) -> Self {
        let mut sorted = taken_us.to_vec();
        sorted.sort_unstable();
        let at = |share: f64| {
            let place = (share * sorted.len() as f64).ceil() as usize;
            sorted.get(place.saturating_sub(1)).map_or(0.0, |us| f64::from(*us) / 1000.0)
        };
        Self { count: sorted.len(), p50: at(0.5), p99: at(0.99) }
    }
}

impl Report {
    pub(super) fn new(found: Found, book: &Book) -> Self {
        let Found { seed, seconds, clients, mounted, quiet, injected, findings } = found;
        let mut operations: BTreeMap<_, BTreeMap<_, _>> = BTreeMap::new();
        for ((kind, outcome), count) in &book.operations {
            operations.entry(*kind).or_default().insert(outcome.as_str(), *count);
        }
        let mut answered_after_ms: BTreeMap<_, BTreeMap<_, _>> = BTreeMap::new();
        for ((kind, phase), taken_us) in &book.answered_after_us {
            let phase = phase_name(*phase).to_owned();
            answered_after_ms.entry(*kind).or_default().insert(phase, Percentiles::of(taken_us));
        }
        Self {
            seed,
            seconds,
            clients,
            build: if cfg!(debug_assertions) { "debug" } else { "release" },
            operations,
            lost_answers: book.lost_answers.clone(),
            unknown_outcomes: findings.unknown,
            reasons: book.reasons.clone(),
            faults: injected.faults,
            missed: injected.missed,
            small_disk: if mounted { "a file system of 512 MiB in memory" } else { "none: not root" },
            deaths_as_planned: injected.deaths_as_planned,
            processes_that_ended_by_themselves: injected.ended_by_themselves,
            not_stopped_within_20_s: injected.not_stopped_in_time,
            seconds_until_quiet: quiet,
            answered_after_ms,
            orders: findings.orders,
            dead_letters: findings.dead_letters,
            commands_asked_again: findings.commands_asked_again,
            violations: findings.violations,
        }
    }

    /// To the standard output.
    pub(super) fn print(&self, json: bool) -> anyhow::Result<()> {
        let text = if json { serde_json::to_string_pretty(self)? } else { self.to_text() };
        writeln!(std::io::stdout(), "{text}")?;
        Ok(())
    }

    fn to_text(&self) -> String {
        let lost: u64 = self.lost_answers.values().sum();
        let Unknown { found_done_once, found_not_done } = self.unknown_outcomes;
        let quiet = self.seconds_until_quiet.map_or_else(|| "never".to_owned(), |s| format!("{s:.1} s"));
        let mut lines = vec![
            format!(
                "\nSeed {}, {} s of faults, {} clients, {} build. Disk of NATS: {}.\n",
                self.seed, self.seconds, self.clients, self.build, self.small_disk
            ),
            format!("{}\n", self.table_of_operations()),
            format!("{}\n", self.table_of_faults()),
            format!("{}\n", self.table_of_times()),
            format!("Orders in the end: {}", counted(&self.orders)),
            format!(
                "Lost answers: {lost}. Deposits, withdrawals and orders that stayed unknown: {}; found done \
                 once {found_done_once}, not done {found_not_done}.",
                found_done_once + found_not_done
            ),
            format!(
                "Sagas that asked again: {}. Dead letters (poison): {}. Deaths as planned: {}. Not stopped within 20 s: {}.",
                self.commands_asked_again,
                self.dead_letters,
                self.deaths_as_planned,
                self.not_stopped_within_20_s
            ),
            format!("Quiet after: {quiet}."),
        ];
        lines.extend(self.processes_that_ended_by_themselves.iter().cloned());
        lines.push(format!("Violations: {}", self.violations.len()));
        lines.extend(self.violations.iter().map(|words| format!("  {words}")));
        lines.join("\n")
    }

    fn table_of_operations(&self) -> Table {
        let mut table = plain(
            Outcome::ALL
                .map(|outcome| outcome.as_str().to_owned())
                .into_iter()
                .chain(["lost answers".to_owned()]),
        );
        for (kind, outcomes) in &self.operations {
            let of = |outcome: Outcome| outcomes.get(outcome.as_str()).copied().unwrap_or(0).to_string();
            let lost = self.lost_answers.get(kind).copied().unwrap_or(0).to_string();
            table.add_row(std::iter::once((*kind).to_owned()).chain(Outcome::ALL.map(of)).chain([lost]));
        }
        table
    }

    fn table_of_faults(&self) -> Table {
        let mut table = plain(["times".to_owned()].into_iter());
        for (kind, times) in &self.faults {
            table.add_row([kind.clone(), times.to_string()]);
        }
        for (why, times) in &self.missed {
            table.add_row([format!("not injected: {why}"), times.to_string()]);
        }
        table
    }

    fn table_of_times(&self) -> Table {
        let phases = [Phase::Before, Phase::During, Phase::After].map(phase_name);
        let columns = phases.iter().flat_map(|phase| [format!("{phase} p50 ms"), format!("{phase} p99 ms")]);
        let mut table = plain(columns);
        let kinds: BTreeSet<_> = self.answered_after_ms.keys().collect();
        for kind in kinds {
            let of = |phase: &&'static str| match self.answered_after_ms[kind].get(*phase) {
                Some(times) => [format!("{:.0}", times.p50), format!("{:.0}", times.p99)],
                None => ["-".to_owned(), "-".to_owned()],
            };
            table.add_row(std::iter::once((*kind).to_owned()).chain(phases.iter().flat_map(of)));
        }
        table
    }
}

const fn phase_name(phase: Phase) -> &'static str {
    match phase {
        Phase::Before => "before",
        Phase::During => "during",
        Phase::After => "after",
    }
}

fn counted(counts: &BTreeMap<String, i64>) -> String {
    let all: Vec<String> = counts.iter().map(|(what, count)| format!("{count} {what}")).collect();
    all.join(", ")
}

fn plain(columns: impl Iterator<Item = String>) -> Table {
    let mut table = Table::new();
    table.load_style(ASCII_MARKDOWN);
    let header: Vec<String> = std::iter::once(String::new()).chain(columns).collect();
    table.set_header(header);
    for column in table.column_iter_mut().skip(1) {
        column.set_cell_alignment(CellAlignment::Right);
    }
    table
}
