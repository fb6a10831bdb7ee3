//! What an audit found, for people as tables, for programs as JSON.

use ::audit::Report;
use comfy_table::presets::UTF8_FULL_CONDENSED;
use comfy_table::{Attribute, Cell, Color, ContentArrangement, Table};

/// How many places a cell names; JSON has all.
const PLACES_MAX: usize = 10;

/// Prints it.
///
/// # Errors
/// It has no JSON form, which does not happen.
#[expect(clippy::print_stdout, reason = "what is printed is what was asked for")]
pub(super) fn print(report: &Report, json: bool) -> anyhow::Result<()> {
    if json {
        println!("{}", serde_json::to_string_pretty(report)?);
        return Ok(());
    }
    println!("{}", sums(report));
    if !report.findings.is_empty() {
        println!("{}", findings(report));
    }
    if !report.accepted.is_empty() {
        println!("{}", accepted(report));
    }
    if !report.reserved_by_hand.is_empty() {
        println!("{} orders that nobody placed have a reservation by hand", report.reserved_by_hand.len());
    }
    println!(
        "{} orders compared, {} left alone because something happens to them: {}",
        report.orders_judged,
        report.orders_moving,
        if report.is_clean() { "everything adds up" } else { "not everything adds up" }
    );
    Ok(())
}

fn table(header: &[&str]) -> Table {
    let mut table = Table::new();
    table.load_style(UTF8_FULL_CONDENSED).set_content_arrangement(ContentArrangement::Dynamic);
    table.set_header(header.iter().map(|title| Cell::new(title).add_attribute(Attribute::Bold)));
    table
}

fn findings(report: &Report) -> Table {
    let mut table = table(&["not so", "times", "where"]);
    for finding in &report.findings {
        let mut places: Vec<&str> = finding.examples.iter().take(PLACES_MAX).map(String::as_str).collect();
        if finding.examples.len() > PLACES_MAX {
            places.push("... (--json has more)");
        }
        table.add_row([
            Cell::new(finding.rule).fg(Color::Red),
            Cell::new(finding.count),
            Cell::new(places.join("\n")),
        ]);
    }
    table
}

fn accepted(report: &Report) -> Table {
    let mut table = table(&["accepted difference", "what was done", "by whom", "why", "when"]);
    for accepted in &report.accepted {
        let done = [Some(accepted.action.as_str()), accepted.step.as_deref()];
        table.add_row([
            accepted.order_id.to_string(),
            done.into_iter().flatten().collect::<Vec<_>>().join(" "),
            accepted.actor.clone(),
            accepted.reason.clone(),
            accepted.at.format("%F %T").to_string(),
        ]);
    }
    table
}

fn sums(report: &Report) -> Table {
    let sums = report.sums;
    let mut table = table(&["sum", "minor units, pieces, or how many"]);
    for (name, value) in [
        ("deposited", sums.deposited),
        ("withdrawn", sums.withdrawn),
        ("captured", sums.captured),
        ("refunded", sums.refunded),
        ("paid at once", sums.paid),
        ("of it for orders placed here", sums.paid_for_orders),
        ("balances", sums.balances),
        ("held", sums.held),
        ("available", sums.available),
        ("reserved", sums.reserved),
        ("sold", sums.sold),
        ("orders confirmed", sums.orders_confirmed),
        ("orders rejected", sums.orders_rejected),
        ("orders cancelled", sums.orders_cancelled),
        ("dead letters", report.dead_letters),
        ("events not on the stream", report.unpublished_events),
    ] {
        table.add_row([name.to_owned(), value.to_string()]);
    }
    table
}
