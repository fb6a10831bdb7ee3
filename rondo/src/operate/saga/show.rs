//! `rondo saga show`: first why, then what can be done, then every step and what happened.

use chrono::Utc;
use comfy_table::Cell;
use serde_json::Value;

use super::due::{asked_again, is_put_off};
use super::why::{commands, not_asked_for, turned_back_for, waits_for};
use crate::operate::shown::{items, list, name, say, status, table, text, when, wrong};

pub(super) fn print(saga: &Value) -> anyhow::Result<()> {
    say(why(saga));
    let typed = commands(saga);
    if !typed.is_empty() {
        say("\nWhat can be done:");
        let mut lines = list();
        for (command, effect) in typed {
            lines.add_row([Cell::new(command), name(effect)]);
        }
        say(lines);
    }
    say("\nSteps:");
    say(steps(saga));
    say("\nHistory:");
    say(history(saga));
    Ok(())
}

fn why(saga: &Value) -> comfy_table::Table {
    let now = Utc::now();
    let mut lines = list();
    let of = format!("{} v{} {}", text(saga, "workflow"), saga["version"], text(saga, "saga_id"));
    lines.add_row([name("saga"), of.into()]);
    lines.add_row([name("about"), text(saga, "key").into()]);
    let mark = if saga["stuck"] == true { wrong("stuck") } else { Cell::new("") };
    lines.add_row([name("status"), status(text(saga, "status")), mark]);
    if saga["paused"] == true {
        lines.add_row([name("paused by"), status("paused"), text(saga, "paused_by").into()]);
        let is_pause = |line: &&Value| text(line, "event") == "paused";
        if let Some(pause) = items(saga, "history").iter().rfind(is_pause) {
            let payload = &pause["payload"];
            let who = format!("{}: {}", text(payload, "by"), text(payload, "reason"));
            lines.add_row([name("paused since"), when(text(pause, "at"), now).into(), who.into()]);
        }
    }
    if let Some(step) = not_asked_for(saga) {
        lines.add_row([name("is to ask for"), status("waiting"), step.into()]);
    }
    for waits in waits_for(saga) {
        let asked = format!("asked {} times, first {}", waits.attempts, when(waits.since, now));
        lines.add_row([name("waits for"), status("sent"), waits.what.into()]);
        lines.add_row([name(""), Cell::new(""), asked.into()]);
        if let Some(error) = waits.last_error {
            lines.add_row([name("last error"), Cell::new(""), wrong(error)]);
        }
    }
    let participants: Vec<&str> = items(saga, "waits_for").iter().filter_map(Value::as_str).collect();
    if !participants.is_empty() {
        lines.add_row([name("of"), Cell::new(""), participants.join(", ").into()]);
    }
    if saga["paused"] != true && !text(saga, "wake_at").is_empty() {
        let wake_at = text(saga, "wake_at");
        lines.add_row([name("asked again"), asked_again(wake_at, now).into()]);
        if is_put_off(wake_at, now) {
            let unread =
                format!("not before {} has read what it was sent: does it run?", participants.join(", "));
            lines.add_row([name(""), Cell::new(""), unread.into()]);
        }
    }
    if !text(saga, "trace_id").is_empty() {
        lines.add_row([name("trace"), text(saga, "trace_id").into()]);
    }
    match text(saga, "finished_at") {
        "" => lines.add_row([name("begun"), when(text(saga, "created_at"), now).into()]),
        ended => lines.add_row([name("ended"), when(ended, now).into()]),
    };
    if let Some(cause) = turned_back_for(saga) {
        lines.add_row([name("because"), wrong(cause)]);
    }
    lines
}

fn steps(saga: &Value) -> comfy_table::Table {
    let mut steps = table(&["step", "kind", "status", "asked", "reason", "since"]);
    let now = Utc::now();
    for step in items(saga, "steps") {
        let since = if text(step, "finished_at").is_empty() { "started_at" } else { "finished_at" };
        steps.add_row([
            text(step, "name").into(),
            text(step, "kind").into(),
            status(text(step, "status")),
            step["attempts"].to_string().into(),
            wrong(text(step, "reason")),
            when(text(step, since), now).into(),
        ]);
    }
    steps
}

fn history(saga: &Value) -> comfy_table::Table {
    let mut lines = table(&["#", "at", "event", "step", "try", "detail"]);
    for line in items(saga, "history") {
        let payload = if line["payload"].is_null() { String::new() } else { line["payload"].to_string() };
        lines.add_row([
            line["seq"].to_string(),
            text(line, "at").to_owned(),
            text(line, "event").to_owned(),
            text(line, "step").to_owned(),
            line["attempt"].as_u64().map_or_else(String::new, |attempt| attempt.to_string()),
            format!("{} {payload}", text(line, "detail")).trim().to_owned(),
        ]);
    }
    lines
}
