//! How answers are shown: tables, coloured on a terminal only (NO_COLOR is respected), or JSON.

use std::io::Write;

use chrono::{DateTime, Utc};
use comfy_table::presets::NOTHING;
use comfy_table::{Attribute, Cell, Color, ContentArrangement, Table};
use serde_json::Value;

/// A terminal this wide has room for columns that wrap within themselves.
const COLUMNS_MIN: u16 = 100;

/// Prints a line. Whoever reads may have seen enough (`| head`): that is no error.
pub(super) fn say(line: impl std::fmt::Display) {
    let _ = writeln!(std::io::stdout(), "{line}");
}

/// Prints JSON.
pub(super) fn say_json(value: &Value) -> anyhow::Result<()> {
    say(serde_json::to_string_pretty(value)?);
    Ok(())
}

/// A table with these columns.
pub(super) fn table(columns: &[&str]) -> Table {
    let mut table = list();
    table.set_header(
        columns.iter().map(|column| Cell::new(column.to_uppercase()).add_attribute(Attribute::Bold)),
    );
    table
}

/// Names and values below each other.
pub(super) fn list() -> Table {
    let mut table = Table::new();
    table.load_style(NOTHING);
    // Elsewhere the lines are as long as they are: an id that is cut cannot be copied.
    if table.width().is_some_and(|columns| columns >= COLUMNS_MIN) {
        table.set_content_arrangement(ContentArrangement::Dynamic);
    }
    table
}

/// A name in such a list.
pub(super) fn name(name: &str) -> Cell {
    Cell::new(name).add_attribute(Attribute::Dim)
}

/// A status in its colour.
pub(super) fn status(word: &str) -> Cell {
    let color = match word {
        "completed" | "done" => Color::Green,
        "running" | "tail" | "sent" => Color::Cyan,
        "compensating" | "undoing" | "paused" | "rejected" | "cancelled" => Color::Yellow,
        "stuck" | "abandoned" | "refused" => Color::Red,
        _ => Color::Reset,
    };
    if color == Color::Reset { Cell::new(word) } else { Cell::new(word).fg(color) }
}

/// Something that is wrong.
pub(super) fn wrong(text: impl std::fmt::Display) -> Cell {
    Cell::new(text).fg(Color::Red)
}

/// A text member; empty where there is none.
pub(super) fn text<'a>(value: &'a Value, member: &str) -> &'a str {
    value[member].as_str().unwrap_or_default()
}

/// The members of a list.
pub(super) fn items<'a>(value: &'a Value, member: &str) -> &'a [Value] {
    value[member].as_array().map(Vec::as_slice).unwrap_or_default()
}

/// How long ago, or in how long: `3 min ago`.
pub(super) fn when(time: &str, now: DateTime<Utc>) -> String {
    let Ok(time) = time.parse::<DateTime<Utc>>() else { return String::new() };
    let seconds = (now - time).num_seconds();
    let span = match seconds.abs() {
        seconds @ 0..120 => format!("{seconds} s"),
        seconds @ 120..7_200 => format!("{} min", seconds / 60),
        seconds @ 7_200..172_800 => format!("{} h", seconds / 3_600),
        seconds => format!("{} days", seconds / 86_400),
    };
    if seconds >= 0 { format!("{span} ago") } else { format!("in {span}") }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn times_are_told_from_now() {
        let now: DateTime<Utc> = "2026-01-02T03:04:05Z".parse().unwrap();
        for (time, told) in [
            ("2026-01-02T03:04:05Z", "0 s ago"),
            ("2026-01-02T03:04:35Z", "in 30 s"),
            ("2026-01-02T03:00:05Z", "4 min ago"),
            ("2026-01-01T03:04:05Z", "24 h ago"),
            ("2025-01-02T03:04:05Z", "365 days ago"),
            ("never", ""),
        ] {
            assert_eq!(when(time, now), told);
        }
    }
}
