//! The report as tables.

use std::collections::BTreeMap;

use comfy_table::presets::ASCII_MARKDOWN;
use comfy_table::{CellAlignment, Table};

use super::{Report, Run};
use crate::bench::percentiles::Percentiles;
use crate::services::Service;

const PROGRAMS: [&str; 4] = ["services", "postgres", "nats", "load"];
const LOOPS: [&str; 5] = ["orchestrator", "billing", "stock", "delivery", "notification"];

/// Of more runs the names are too long for columns.
const WIDE: usize = 3;

/// Of everything.
pub(super) fn of(report: &Report) -> String {
    let Report { seconds, warm_up_seconds, users, positions, refused_percent, cores, .. } = report;
    let mut text = format!(
        "\n{seconds} s after {warm_up_seconds} s of warm-up, {users} users, {positions} positions, \
         {refused_percent} % refused for funds, {cores} cores.\n"
    );
    if report.own_servers {
        text += "Own durable servers; passwords hashed cheaply, tokens that last, one audit, at the end; all else \
                 as in rondo up.\n";
    }
    if report.nats_servers > 1 {
        text += &format!("{} NATS servers, as many copies of every stream.\n", report.nats_servers);
    }
    if report.runs.len() > WIDE {
        text += "\n";
        for (number, run) in (1..).zip(&report.runs) {
            text += &format!("Run {number}: {}.\n", run.name);
        }
    }
    text += &format!("\n{}\n", runs(report));
    if let Some(rows) = rows(report) {
        text += &format!("\nRows per saga, last run:\n{rows}\n");
    }
    if !report.figures.is_empty() {
        text += &format!("\n{}\n", figures(report));
    }
    format!("{text}\n{}", books(report))
}

/// A column a run.
fn runs(report: &Report) -> Table {
    let wide = report.runs.len() > WIDE;
    let name = |(number, run): (u32, &Run)| if wide { format!("run {number}") } else { run.name.clone() };
    let mut table = plain((1..).zip(&report.runs).map(name));
    let mut line = |name: &str, of: &dyn Fn(&Run) -> String| {
        table.add_row(std::iter::once(name.to_owned()).chain(report.runs.iter().map(of)));
    };
    line("sagas/s, end to end", &|run| format!("{:.0}", run.sagas_per_second));
    for (name, of) in PERCENTILES {
        line(&format!("decided after, {name} ms"), &|run| format!("{:.1}", of(&run.decided_after_ms)));
    }
    let databases = report.audit.is_some();
    if databases {
        for (name, of) in PERCENTILES {
            line(&format!("finished after, {name} ms"), &|run| {
                figure(run.finished_after_ms.as_ref().map(of).as_ref(), 1)
            });
        }
    }
    line("confirmed / refused", &|run| format!("{} / {}", run.orders_confirmed, run.orders_refused));
    if report.runs.iter().any(|run| run.orders_asked_to_come_later > 0) {
        line("asked to come later (503)", &|run| run.orders_asked_to_come_later.to_string());
    }
    line("unexpected answers", &|run| run.unexpected.values().sum::<u64>().to_string());
    for program in PROGRAMS {
        line(&format!("CPU s per 1,000 sagas: {program}"), &|run| {
            let all: f64 = run.cpu_seconds_per_1000_sagas.values().sum();
            let own = run.cpu_seconds_per_1000_sagas.get(program);
            let share = own.map(|own| format!(" ({:.0} %)", 100.0 * own / all.max(f64::MIN_POSITIVE)));
            figure(own, 3) + &share.unwrap_or_default()
        });
    }
    if report.runs.iter().any(|run| !run.cpu_seconds_per_1000_sagas_by_service.is_empty()) {
        for service in Service::ALL {
            line(&format!("CPU s per 1,000 sagas: {}", service.name()), &|run| {
                figure(run.cpu_seconds_per_1000_sagas_by_service.get(service.name()), 3)
            });
        }
    }
    for program in PROGRAMS {
        line(&format!("memory, at the end / most, MiB: {program}"), &|run| {
            let of = |memory: &BTreeMap<_, _>| figure(memory.get(program), 0);
            format!("{} / {}", of(&run.memory_mib), of(&run.memory_mib_max))
        });
    }
    if databases {
        line("row writes per saga", &|run| figure(run.row_writes_per_saga.as_ref(), 2));
        line("HOT share of updates, %", &|run| {
            figure(run.hot_update_share.map(|share| share * 100.0).as_ref(), 1)
        });
        line("statements per saga", &|run| {
            let counted = !run.statements_per_saga.is_empty();
            figure(counted.then(|| run.statements_per_saga.values().sum::<f64>()).as_ref(), 3)
        });
        line("commits per saga", &|run| format!("{:.3}", run.commits_per_saga.values().sum::<f64>()));
        for program in ["postgres", "nats"] {
            line(&format!("kept on disk, KiB per saga: {program}"), &|run| {
                figure(run.stored_kib_per_saga.get(program), 2)
            });
        }
        line("write-ahead log, KiB per saga", &|run| figure(run.log_kib_per_saga.as_ref(), 2));
    }
    line("NATS messages per saga", &|run| format!("{:.3}", run.messages_per_saga));
    line("items in them per saga", &|run| format!("{:.2}", run.items_per_saga));
    for service in LOOPS {
        line(&format!("inputs per batch: {service}"), &|run| figure(run.inputs_per_batch.get(service), 1));
    }
    for service in LOOPS {
        line(&format!("loop s per 1,000 sagas: {service}"), &|run| {
            figure(run.loop_seconds_per_1000_sagas.get(service), 3)
        });
    }
    line("commands asked again", &|run| run.commands_asked_again.to_string());
    line("batches that failed", &|run| run.batch_failures.to_string());
    table
}

/// A percentile: its name, and which it is.
type Percentile = (&'static str, fn(&Percentiles) -> f64);

const PERCENTILES: [Percentile; 4] =
    [("p50", |p| p.p50), ("p95", |p| p.p95), ("p99", |p| p.p99), ("max", |p| p.max)];

/// Rows by table, of the last run, where they are known.
fn rows(report: &Report) -> Option<Table> {
    let run = report.runs.last().filter(|run| !run.rows_per_saga_by_table.is_empty())?;
    let columns = ["inserted", "updated", "of these HOT", "deleted"].map(str::to_owned);
    let mut table = plain(columns.into_iter());
    for (name, rows) in run.rows_per_saga_by_table.iter().filter(|(_, rows)| rows.written() > 0.001) {
        let figures = [rows.inserted, rows.updated, rows.updated_hot, rows.deleted];
        table.add_row(std::iter::once(name.clone()).chain(figures.map(|figure| format!("{figure:.3}"))));
    }
    Some(table)
}

fn figures(report: &Report) -> Table {
    let mut table = plain(["target", "aim", "reached", "holds"].map(str::to_owned).into_iter());
    for figure in &report.figures {
        table.add_row(figure.cells());
    }
    table
}

fn books(report: &Report) -> String {
    match &report.audit {
        None => "The books were not audited: that needs the addresses of all databases.".to_owned(),
        Some(books) if books.clean => format!(
            "The books add up: {} confirmed and {} rejected orders, {} letters, captured {} of {} deposited, \
             {} left on the accounts, {} held.",
            books.orders_confirmed,
            books.orders_rejected,
            books.letters,
            books.captured,
            books.deposited,
            books.balances,
            books.held,
        ),
        Some(books) => format!("THE BOOKS DO NOT ADD UP:\n{}", books.findings.join("\n")),
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
