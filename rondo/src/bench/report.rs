//! The figures, as tables for people and as JSON for programs.

use std::collections::BTreeMap;
use std::io::Write;

use comfy_table::presets::ASCII_MARKDOWN;
use comfy_table::{CellAlignment, Table};
use serde::Serialize;

use super::BenchArguments;
use super::load::Tally;
use super::system::System;
use super::work::{Batches, Rows, Work};

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
    cores: usize,
    runs: Vec<Run>,
    /// Absent where the databases are not known.
    #[serde(skip_serializing_if = "Option::is_none")]
    audit: Option<Books>,
}

/// One run.
#[derive(Debug, Serialize)]
pub(super) struct Run {
    clients: u32,
    /// Sagas that reached their end in the seconds that count, the last tail step included, by second.
    sagas_per_second: f64,
    /// From sending an order to its decision, as the client sees it, in milliseconds.
    decided_after_ms: Percentiles,
    /// Of the whole run, warm-up included, like everything by saga below.
    orders_confirmed: u64,
    orders_refused: u64,
    /// What nobody asked for.
    unexpected: BTreeMap<String, u64>,
    /// By process; only what is known.
    cpu_seconds_per_1000_sagas: BTreeMap<&'static str, f64>,
    row_writes_per_saga: f64,
    rows_per_saga_by_table: BTreeMap<String, Rows>,
    /// Of all updates, those that touched no index.
    hot_update_share: f64,
    commits_per_saga: BTreeMap<String, f64>,
    log_kib_per_saga: f64,
    messages_per_saga: f64,
    items_per_saga: f64,
    batches_per_saga: BTreeMap<String, f64>,
    inputs_per_batch: BTreeMap<String, f64>,
    /// From begin to commit: a loop has one transaction at a time, so this bounds what it can do.
    loop_seconds_per_1000_sagas: BTreeMap<String, f64>,
    commands_asked_again: f64,
    batch_failures: f64,
    dead_letters: f64,
}

#[derive(Debug, Default, Serialize)]
struct Percentiles {
    p50: f64,
    p99: f64,
    max: f64,
}

/// The audit's outcome.
#[derive(Debug, Serialize)]
pub(super) struct Books {
    clean: bool,
    findings: Vec<String>,
    orders_confirmed: i64,
    orders_rejected: i64,
    letters: i64,
    captured: i64,
    confirmed_total: i64,
    deposited: i64,
    balances: i64,
    held: i64,
    unpublished_events: i64,
}

impl Books {
    pub(super) fn of(report: &audit::Report) -> Self {
        let sums = report.sums;
        Self {
            clean: report.is_clean(),
            findings: report.findings.iter().map(ToString::to_string).collect(),
            orders_confirmed: sums.orders_confirmed,
            orders_rejected: sums.orders_rejected,
            letters: sums.letters,
            captured: sums.captured,
            confirmed_total: sums.confirmed_total,
            deposited: sums.deposited,
            balances: sums.balances,
            held: sums.held,
            unpublished_events: report.unpublished_events,
        }
    }
}

impl Percentiles {
    /// Of sorted microseconds: the smallest that is not below so many of them.
    fn of(sorted_us: &[u32]) -> Self {
        let at = |share: f64| {
            let place = (share * sorted_us.len() as f64).ceil() as usize;
            sorted_us.get(place.saturating_sub(1)).map_or(0.0, |us| f64::from(*us) / 1000.0)
        };
        Self { p50: at(0.5), p99: at(0.99), max: at(1.0) }
    }
}

impl Run {
    /// `sagas` and the CPU are of the seconds that count, `work` of the whole run.
    pub(super) fn new(
        clients: u32,
        seconds: u64,
        tally: Tally,
        sagas: f64,
        cpu_seconds: &BTreeMap<&'static str, f64>,
        work: &Work,
    ) -> Self {
        let by_saga = |what: f64| what / work.sagas.max(1.0);
        let written: f64 = work.rows.values().map(|rows| rows.written()).sum();
        let updated: f64 = work.rows.values().map(|rows| rows.updated).sum();
        let updated_hot: f64 = work.rows.values().map(|rows| rows.updated_hot).sum();
        let rows = |rows: &Rows| Rows {
            inserted: by_saga(rows.inserted),
            updated: by_saga(rows.updated),
            updated_hot: by_saga(rows.updated_hot),
            deleted: by_saga(rows.deleted),
        };
        let by_service = |of: &dyn Fn(&Batches) -> f64| {
            work.batches.iter().map(|(name, loops)| (name.clone(), of(loops))).collect()
        };
        let by_1000 = |seconds: f64| seconds * 1000.0 / sagas.max(1.0);
        Self {
            clients,
            sagas_per_second: sagas / seconds as f64,
            decided_after_ms: Percentiles::of(&tally.decided_after_us),
            orders_confirmed: tally.confirmed,
            orders_refused: tally.refused,
            unexpected: tally.unexpected,
            cpu_seconds_per_1000_sagas: cpu_seconds.iter().map(|(name, s)| (*name, by_1000(*s))).collect(),
            row_writes_per_saga: by_saga(written),
            rows_per_saga_by_table: work.rows.iter().map(|(table, of)| (table.clone(), rows(of))).collect(),
            hot_update_share: updated_hot / updated.max(1.0),
            commits_per_saga: work.commits.iter().map(|(name, n)| (name.clone(), by_saga(*n))).collect(),
            log_kib_per_saga: by_saga(work.log_bytes) / 1024.0,
            messages_per_saga: by_saga(work.messages),
            items_per_saga: by_saga(work.items),
            batches_per_saga: by_service(&|loops| by_saga(loops.count)),
            inputs_per_batch: by_service(&|loops| loops.inputs / loops.count),
            loop_seconds_per_1000_sagas: by_service(&|loops| by_saga(loops.seconds) * 1000.0),
            commands_asked_again: work.asked_again,
            batch_failures: work.batch_failures,
            dead_letters: work.dead_letters,
        }
    }

    fn complaints(&self) -> impl Iterator<Item = String> {
        let clients = self.clients;
        let unexpected = self.unexpected.iter();
        let unexpected =
            unexpected.map(move |(what, times)| format!("with {clients} clients, {times} times: {what}"));
        let dead = (self.dead_letters > 0.0)
            .then(|| format!("with {clients} clients, {} items became dead letters", self.dead_letters));
        unexpected.chain(dead)
    }
}

impl Report {
    pub(super) fn new(
        arguments: &BenchArguments,
        system: &System,
        runs: Vec<Run>,
        audit: Option<Books>,
    ) -> Self {
        Self {
            sagas_per_second: runs.last().map_or(0.0, |run| run.sagas_per_second),
            seconds: arguments.seconds,
            warm_up_seconds: arguments.warm_up,
            refused_percent: arguments.refused_percent,
            users: arguments.users,
            positions: arguments.positions,
            own_servers: system.is_own(),
            cores: std::thread::available_parallelism().map_or(0, std::num::NonZero::get),
            runs,
            audit,
        }
    }

    /// What was not as it should be.
    pub(super) fn complaints(&self) -> Vec<String> {
        let findings = self.audit.iter().flat_map(|books| books.findings.iter().cloned());
        self.runs.iter().flat_map(Run::complaints).chain(findings).collect()
    }

    /// To the standard output.
    pub(super) fn print(&self, json: bool) -> anyhow::Result<()> {
        let text = if json { serde_json::to_string_pretty(self)? } else { self.to_text() };
        writeln!(std::io::stdout(), "{text}")?;
        Ok(())
    }

    fn to_text(&self) -> String {
        let mut text = format!(
            "\n{} s after {} s of warm-up, {} users, {} positions, {} % refused for funds, {} cores.\n",
            self.seconds, self.warm_up_seconds, self.users, self.positions, self.refused_percent, self.cores
        );
        if self.own_servers {
            text +=
                "Own durable servers; passwords hashed cheaply, tokens that last, all else as in rondo up.\n";
        }
        let rows = self
            .table_of_rows()
            .map_or_else(String::new, |table| format!("\nRows per saga, last run:\n{table}\n"));
        format!("{text}\n{}\n{rows}\n{}", self.table(), self.about_the_books())
    }

    /// A column a run.
    fn table(&self) -> Table {
        let mut table = plain(self.runs.iter().map(|run| format!("{} clients", run.clients)));
        let mut line = |name: &str, of: &dyn Fn(&Run) -> String| {
            table.add_row(std::iter::once(name.to_owned()).chain(self.runs.iter().map(of)));
        };
        line("sagas/s, end to end", &|run| format!("{:.0}", run.sagas_per_second));
        line("decided after, p50 ms", &|run| format!("{:.1}", run.decided_after_ms.p50));
        line("decided after, p99 ms", &|run| format!("{:.1}", run.decided_after_ms.p99));
        line("decided after, max ms", &|run| format!("{:.1}", run.decided_after_ms.max));
        line("confirmed / refused", &|run| format!("{} / {}", run.orders_confirmed, run.orders_refused));
        line("unexpected answers", &|run| run.unexpected.values().sum::<u64>().to_string());
        for process in ["services", "postgres", "nats", "load"] {
            line(&format!("CPU s per 1,000 sagas: {process}"), &|run| {
                figure(run.cpu_seconds_per_1000_sagas.get(process), 3)
            });
        }
        let databases = self.audit.is_some();
        if databases {
            line("row writes per saga", &|run| format!("{:.2}", run.row_writes_per_saga));
            line("HOT share of updates", &|run| format!("{:.1} %", run.hot_update_share * 100.0));
            line("commits per saga", &|run| format!("{:.3}", run.commits_per_saga.values().sum::<f64>()));
            line("write-ahead log, KiB per saga", &|run| format!("{:.2}", run.log_kib_per_saga));
        }
        line("NATS messages per saga", &|run| format!("{:.3}", run.messages_per_saga));
        line("items in them per saga", &|run| format!("{:.2}", run.items_per_saga));
        for service in ["orchestrator", "billing", "stock", "delivery", "notification"] {
            line(&format!("inputs per batch: {service}"), &|run| {
                figure(run.inputs_per_batch.get(service), 1)
            });
        }
        for service in ["orchestrator", "billing", "stock", "delivery", "notification"] {
            line(&format!("loop s per 1,000 sagas: {service}"), &|run| {
                figure(run.loop_seconds_per_1000_sagas.get(service), 3)
            });
        }
        line("commands asked again", &|run| run.commands_asked_again.to_string());
        line("batches that failed", &|run| run.batch_failures.to_string());
        table
    }

    /// Rows by table, of the last run, where they are known.
    fn table_of_rows(&self) -> Option<Table> {
        let rows =
            &self.runs.last().filter(|run| !run.rows_per_saga_by_table.is_empty())?.rows_per_saga_by_table;
        let columns = ["inserted", "updated", "of these HOT", "deleted"].map(str::to_owned);
        let mut table = plain(columns.into_iter());
        for (name, rows) in rows.iter().filter(|(_, rows)| rows.written() > 0.001) {
            let figures = [rows.inserted, rows.updated, rows.updated_hot, rows.deleted];
            table.add_row(std::iter::once(name.clone()).chain(figures.map(|figure| format!("{figure:.3}"))));
        }
        Some(table)
    }

    fn about_the_books(&self) -> String {
        match &self.audit {
            None => "\nThe books were not audited: that needs the addresses of all databases.".to_owned(),
            Some(books) if books.clean => format!(
                "\nThe books add up: {} confirmed and {} rejected orders, {} letters, captured {} of {} deposited, \
                 {} left on the accounts, {} held.",
                books.orders_confirmed,
                books.orders_rejected,
                books.letters,
                books.captured,
                books.deposited,
                books.balances,
                books.held,
            ),
            Some(books) => format!("\nTHE BOOKS DO NOT ADD UP:\n{}", books.findings.join("\n")),
        }
    }
}

fn plain(columns: impl Iterator<Item = String>) -> Table {
    let mut table = Table::new();
    table.load_style(ASCII_MARKDOWN);
    let header: Vec<String> = std::iter::once(String::new()).chain(columns).collect();
    let width = header.len();
    table.set_header(header);
    for column in table.column_iter_mut().take(width).skip(1) {
        column.set_cell_alignment(CellAlignment::Right);
    }
    table
}

fn figure(value: Option<&f64>, digits: usize) -> String {
    value.map_or_else(|| "-".to_owned(), |value| format!("{value:.digits$}"))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn percentiles_are_figures_that_occurred() {
        let sorted: Vec<u32> = (1..=200).map(|n| n * 1000).collect();
        let percentiles = Percentiles::of(&sorted);
        assert_eq!((percentiles.p50, percentiles.p99, percentiles.max), (100.0, 198.0, 200.0));
        assert_eq!(Percentiles::of(&[7_000]).p99, 7.0);
        assert_eq!(Percentiles::of(&[]).max, 0.0);
    }
}
