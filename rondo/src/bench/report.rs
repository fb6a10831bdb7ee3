//! What was found, for people and for programs.

mod books;
mod run;
mod text;

use std::io::Write;

use serde::Serialize;

use super::BenchArguments;
use super::figure::Figure;
pub(super) use books::Books;
pub(super) use run::Run;

/// Everything that was found.
#[derive(Debug, Serialize)]
pub(super) struct Report {
    /// Of the last run.
    sagas_per_second: f64,
    seconds: u64,
    warm_up_seconds: u64,
    refused_percent: u8,
    users: u32,
    positions: u32,
    own_servers: bool,
    nats_servers: usize,
    cores: usize,
    runs: Vec<Run>,
    /// Target and reached.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    figures: Vec<Figure>,
    /// Whether a figure that misses its target is an error.
    #[serde(skip)]
    figures_bind: bool,
    /// Absent where the databases are not known.
    #[serde(skip_serializing_if = "Option::is_none")]
    audit: Option<Books>,
}

impl Report {
    pub(super) fn new(
        arguments: &BenchArguments,
        own_servers: bool,
        runs: Vec<Run>,
        figures: Vec<Figure>,
        audit: Option<Books>,
    ) -> Self {
        Self {
            sagas_per_second: runs.last().map_or(0.0, |run| run.sagas_per_second),
            seconds: arguments.seconds(),
            warm_up_seconds: arguments.warm_up,
            refused_percent: arguments.mix().refused_percent,
            users: arguments.customers(),
            positions: arguments.positions,
            own_servers,
            nats_servers: arguments.nats_servers(),
            cores: std::thread::available_parallelism().map_or(0, std::num::NonZero::get),
            runs,
            figures,
            figures_bind: arguments.overload,
            audit,
        }
    }

    /// What was not as it must be.
    pub(super) fn complaints(&self) -> Vec<String> {
        let findings = self.audit.iter().flat_map(|books| books.findings.iter().cloned());
        let missed = self.figures.iter().filter(|_| self.figures_bind).filter_map(Figure::complaint);
        self.runs.iter().flat_map(Run::complaints).chain(missed).chain(findings).collect()
    }

    /// To the standard output.
    pub(super) fn print(&self, json: bool) -> anyhow::Result<()> {
        let text = if json { serde_json::to_string_pretty(self)? } else { text::of(self) };
        writeln!(std::io::stdout(), "{text}")?;
        Ok(())
    }
}
