//! What the simulation tells: what was run and seen, or which rule was broken and how to see it again.

use std::collections::{BTreeMap, BTreeSet};
use std::fmt::Write as _;
use std::time::Duration;

use super::clock::SECOND;
use super::faults::{Strike, Strikes};
use super::managed::Managed;
use super::world::{Mode, Script, Sight, Violation};

/// What was seen in all runs.
#[derive(Debug, Default)]
pub(super) struct Report {
    pub(super) runs: BTreeMap<Mode, u64>,
    pub(super) sagas: u64,
    endings: BTreeMap<String, u64>,
    pub(super) sent: BTreeSet<String>,
    struck: BTreeMap<&'static str, u64>,
    messages: u64,
    commits: u64,
    conflicts: u64,
    /// Microseconds.
    lasted: i64,
    quiet_after: i64,
    /// Listed strikes that struck nothing.
    pub(super) missed: Vec<Strike>,
}

/// The kernel counts hundredths: of less than this no rate is told.
const MEASURABLE_SECONDS: f64 = 0.5;

/// What a simulation took.
pub(super) struct Spent {
    pub(super) time: Duration,
    /// It runs on one core, which others may use meanwhile.
    pub(super) cpu_seconds: f64,
}

impl Report {
    pub(super) fn add(&mut self, mode: Mode, sight: Sight) {
        *self.runs.entry(mode).or_default() += 1;
        self.sagas += sight.sagas;
        self.messages += sight.messages;
        self.commits += sight.commits;
        self.conflicts += sight.conflicts;
        self.lasted += sight.lasted;
        if mode == Mode::Liveness {
            self.quiet_after = self.quiet_after.max(sight.quiet_after);
        }
        self.sent.extend(sight.sent);
        self.missed.extend(sight.missed);
        sight
            .endings
            .into_iter()
            .for_each(|(ending, count)| *self.endings.entry(ending).or_default() += count);
        sight.struck.into_iter().for_each(|(fault, count)| *self.struck.entry(fault).or_default() += count);
    }

    /// Commands of the registered workflows that no saga ever sent.
    pub(super) fn never_sent(&self, managed: &[Managed]) -> Vec<String> {
        let steps = managed.iter().flat_map(|workflow| {
            let steps = workflow.versions.iter().flat_map(|version| &version.steps);
            steps.map(move |step| (workflow.name, step))
        });
        let commands = steps.flat_map(|(workflow, step)| {
            let done = step.participant.map(|_| format!("{workflow}/{}/do", step.name));
            let undone = step.undone_by.map(|_| format!("{workflow}/{}/undo", step.name));
            [done, undone].into_iter().flatten()
        });
        commands.filter(|command| !self.sent.contains(command)).collect()
    }

    pub(super) fn text(&self, what: &str, spent: &Spent, never_sent: &[String]) -> String {
        let mut text = String::new();
        let runs: Vec<String> =
            self.runs.iter().map(|(mode, count)| format!("{count} {}", mode.word())).collect();
        let _ = writeln!(text, "{what}: {} runs ({})", self.runs.values().sum::<u64>(), runs.join(", "));
        let _ = write!(text, "{} sagas in {:.1} s", self.sagas, spent.time.as_secs_f64());
        if spent.cpu_seconds >= MEASURABLE_SECONDS {
            let _ = write!(text, ": {:.0} sagas a second of one core", self.sagas as f64 / spent.cpu_seconds);
        }
        let _ = writeln!(text, "; {} h of virtual time", self.lasted / SECOND / 3600);
        let _ = writeln!(
            text,
            "{} commits, {} of them after a conflict; {} messages",
            self.commits, self.conflicts, self.messages
        );
        let _ = writeln!(text, "quiet at most {} s after faults had ended", self.quiet_after / SECOND);
        let _ = writeln!(text, "ended:  {}", listed(&self.endings));
        let _ = writeln!(text, "struck: {}", listed(&self.struck));
        let _ = writeln!(text, "commands sent: {}", self.sent.len());
        if !never_sent.is_empty() {
            let _ = writeln!(text, "never sent: {}", never_sent.join(", "));
        }
        let _ = writeln!(text, "0 violations");
        text
    }
}

fn listed<K: std::fmt::Display>(counts: &BTreeMap<K, u64>) -> String {
    let counts: Vec<String> = counts.iter().map(|(what, count)| format!("{count} {what}")).collect();
    counts.join(", ")
}

/// A violation, what led to it, and the command that shows it again.
pub(super) fn violation(script: &Script, violation: &Violation) -> String {
    let mut text = String::new();
    let _ = writeln!(text, "VIOLATION after {}: {}", seconds(violation.at), violation.broken);
    let _ = writeln!(text, "orders {:?}, {} strikes:", script.orders, violation.struck.len());
    for struck in &violation.struck {
        let _ =
            writeln!(text, "  {:>9}  {:<20} {}", seconds(struck.at), struck.strike.fault.name(), struck.what);
    }
    text.push_str(&violation.histories);
    let _ = writeln!(text, "to see it again: make simulate ARGS=\"{}\"", arguments(script));
    text
}

fn seconds(micros: i64) -> String {
    format!("{:.3} s", micros as f64 / SECOND as f64)
}

/// The arguments that run exactly this.
pub(super) fn arguments(script: &Script) -> String {
    let orders: Vec<String> = script.orders.iter().map(u64::to_string).collect();
    let mut line =
        format!("--run {:x} --mode {} --orders {}", script.seed, script.mode.word(), orders.join(","));
    match &script.strikes {
        Strikes::Listed(strikes) if strikes.is_empty() => line.push_str(" --calm"),
        Strikes::Listed(strikes) => {
            let _ = write!(line, " --strikes {}", words(strikes));
        }
        Strikes::Drawn => {}
    }
    line
}

/// Strikes as they are listed.
pub(super) fn words<'a>(strikes: impl IntoIterator<Item = &'a Strike>) -> String {
    let strikes: Vec<String> = strikes.into_iter().map(ToString::to_string).collect();
    strikes.join(",")
}

impl Mode {
    pub(super) const fn word(self) -> &'static str {
        match self {
            Self::Safety => "safety",
            Self::Liveness => "liveness",
        }
    }
}
