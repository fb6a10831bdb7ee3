//! `rondo metrics`: every metric that any process exports, from the crates' own lists. docs/metrics.md is what it prints;
//! dashboards and alerts may use nothing else.

use messaging::Metric;

use crate::audit;

/// The list of every crate, under the name of what exports it.
fn lists() -> [(&'static str, &'static [Metric]); 7] {
    [
        ("Sagas and orders (orchestrator)", orchestrator::metric_names::ALL),
        ("Messages (every service with loops or events)", messaging::metric_names::ALL),
        ("HTTP, databases, the process (every process)", service::metric_names::ALL),
        ("Auth", auth::metric_names::ALL),
        ("Billing", billing::metric_names::ALL),
        ("Stock", stock::metric_names::ALL),
        ("The audit", audit::metric_names::ALL),
    ]
}

/// Prints the list as Markdown.
#[expect(clippy::print_stdout, reason = "this is what was asked for")]
pub(crate) fn run() {
    println!("# Metrics\n");
    println!("Printed by `rondo metrics`. A histogram has `_bucket`, `_sum` and `_count`.");
    for (exporter, metrics) in lists() {
        println!("\n## {exporter}\n\n| name | kind | unit | labels | what |\n|---|---|---|---|---|");
        metrics.iter().for_each(|metric| println!("{}", line(metric)));
    }
}

fn line(metric: &Metric) -> String {
    let Metric { name, kind, unit, help, labels } = metric;
    let labels: Vec<String> = labels.iter().map(|label| format!("`{label}`")).collect();
    let (kind, unit, help) = (kind.as_str(), unit.as_str(), help.trim().replace("  ", " "));
    format!("| `{name}` | {kind} | {unit} | {} | {help} |", labels.join(", "))
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeSet;

    use super::*;

    fn all() -> impl Iterator<Item = Metric> {
        lists().into_iter().flat_map(|(_, metrics)| metrics.iter().copied())
    }

    #[test]
    fn every_name_is_there_once_and_says_what_it_is() {
        let mut names = BTreeSet::new();
        for metric in all() {
            assert!(names.insert(metric.name), "{} is there twice", metric.name);
            assert!(metric.name.starts_with("rondo_"), "{}", metric.name);
            assert!(metric.help.trim().ends_with('.'), "{} is not explained", metric.name);
        }
    }

    #[test]
    fn names_end_with_their_unit_as_prometheus_wants_it() {
        use messaging::MetricKind::{Counter, Histogram};
        for Metric { name, kind, unit, .. } in all() {
            assert_eq!(name.ends_with("_total"), kind == Counter, "{name}");
            let base = name.trim_end_matches("_total");
            assert_eq!(base.ends_with("_seconds"), unit.as_str() == "seconds", "{name}");
            assert_eq!(base.ends_with("_bytes"), unit.as_str() == "bytes", "{name}");
            assert!(kind != Histogram || base.ends_with("_seconds") || base.ends_with("_size"), "{name}");
        }
    }
}
