//! What docs/runbooks.md names is there: alerts, metrics, its own entries, and the commands to give.

use uuid::Uuid;

use super::observed::read;
use super::walk::{Row, is_metric, rows};

#[test]
fn every_row_names_alerts_and_metrics_that_there_are_and_an_entry() {
    let (text, alerts, metrics) =
        (read("docs/runbooks.md"), read("grafana/alerts.yml"), read("docs/metrics.md"));
    let rows = rows();
    assert!(rows.len() > 20);
    for Row { fault, signs } in rows {
        assert!(!signs.is_empty(), "{fault}: what shows it?");
        for sign in signs {
            let place = if is_metric(&sign) { &metrics } else { &alerts };
            let named = if is_metric(&sign) { format!("| `{sign}` |") } else { format!("- alert: {sign}\n") };
            assert!(place.contains(&named), "{fault}: there is no {sign}");
        }
        let line = text.lines().find(|line| line.starts_with(&format!("| {fault} |"))).unwrap();
        let entry = line.rsplit_once("](#").unwrap().1.split_once(')').unwrap().0;
        let entries = text.lines().filter_map(|line| line.strip_prefix("## "));
        assert!(entries.map(str::to_lowercase).any(|title| title == entry), "{fault}: no entry {entry}");
    }
}

/// What stands in code, in a line or in a block, and calls the binary as an operator does.
fn commands_of(text: &str) -> Vec<String> {
    let asks = |line: &&str| {
        ["rondo saga ", "rondo dead-letters ", "rondo audit"].iter().any(|begin| line.starts_with(begin))
    };
    // A command may go on in the next line of the text.
    let spans = text.split('`').map(|span| span.replace('\n', " "));
    let spans = spans.filter(|span| asks(&span.as_str()));
    let lines = text.lines().filter(asks).map(|line| line.split(" #").next().unwrap_or(line).to_owned());
    spans.chain(lines).collect()
}

#[test]
fn every_command_of_the_runbooks_is_one_that_the_binary_knows() {
    let commands = commands_of(&read("docs/runbooks.md"));
    assert!(commands.len() > 15, "{commands:#?}");
    for command in commands {
        let id = Uuid::now_v7().to_string();
        let filled = |word: &str| match word {
            "ID" | "ORDER" | "GROUP" => id.clone(),
            other => other.to_owned(),
        };
        let arguments = command.split_whitespace().skip(1).map(filled);
        let mut program = std::process::Command::new(env!("CARGO_BIN_EXE_rondo"));
        program.args(arguments).current_dir(env!("CARGO_TARGET_TMPDIR"));
        // Nobody is asked: it fails, but not for what it was told.
        program.env("RONDO_BASE_URL", "http://127.0.0.1:9").env("RONDO_INTERNAL_URL", "http://127.0.0.1:9");
        program.env("RONDO_OPERATOR_EMAIL", "nobody@example.com").env("RONDO_OPERATOR_PASSWORD", "none");
        let output = program.output().unwrap();
        let said = String::from_utf8_lossy(&output.stderr);
        assert_eq!(output.status.code(), Some(1), "{command}: {said}");
    }
}
