//! Why a saga hangs, from what the API tells of it: what it waits for, since when, what went wrong last,
//! and what can be typed about it.

use serde_json::Value;

use crate::operate::shown::{items, text};

/// A command that is waited for.
#[derive(Debug, PartialEq)]
pub(super) struct WaitsFor<'a> {
    /// The step's name, `undo` before it when it is to be undone.
    pub(super) what: String,
    /// When it was first asked for.
    pub(super) since: &'a str,
    /// How often it was asked for.
    pub(super) attempts: u64,
    /// What was answered last that did not help.
    pub(super) last_error: Option<String>,
}

/// Everything that a saga waits for now.
pub(super) fn waits_for(saga: &Value) -> Vec<WaitsFor<'_>> {
    let is_in_work = |step: &&Value| matches!(text(step, "status"), "sent" | "undoing");
    items(saga, "steps").iter().filter(is_in_work).map(|step| waiting(saga, step)).collect()
}

/// What it would ask for next, when it waits for nothing because it stands still: the latest undo while it
/// turns back.
pub(super) fn not_asked_for(saga: &Value) -> Option<String> {
    if saga["paused"] != true || !waits_for(saga).is_empty() {
        return None;
    }
    let mut steps = items(saga, "steps").iter();
    if text(saga, "status") == "compensating" {
        let is_done = |step: &&Value| text(step, "status") == "done";
        return steps.rfind(is_done).map(|step| format!("undo {}", text(step, "name")));
    }
    let is_next = |step: &&Value| text(step, "status") == "waiting" && text(step, "kind") != "pivot";
    steps.find(is_next).map(|step| text(step, "name").to_owned())
}

/// Why it turned back, if it did.
pub(super) fn turned_back_for(saga: &Value) -> Option<String> {
    let line = items(saga, "history").iter().find(|line| text(line, "event") == "turning_back")?;
    let step = text(line, "step");
    let of_step = if step.is_empty() { String::new() } else { format!(" at {step}") };
    let payload = if line["payload"].is_null() { String::new() } else { format!(" {}", line["payload"]) };
    Some(format!("{}{of_step}{payload}", text(line, "detail")))
}

fn waiting<'a>(saga: &'a Value, step: &Value) -> WaitsFor<'a> {
    let name = text(step, "name");
    let (sent, prefix) =
        if text(step, "status") == "undoing" { ("undo_sent", "undo ") } else { ("sent", "") };
    let of_step = || items(saga, "history").iter().filter(|line| text(line, "step") == name);
    let first = of_step().find(|line| text(line, "event") == sent);
    let is_error = |line: &&Value| {
        matches!(text(line, "event"), "fault" | "refused" | "undo_refused" | "undo_fault" | "stuck")
    };
    let since = first.map_or("", |line| text(line, "at"));
    let last_error = of_step().filter(|line| text(line, "at") >= since).rfind(is_error);
    WaitsFor {
        what: format!("{prefix}{name}"),
        since,
        attempts: step["attempts"].as_u64().unwrap_or_default(),
        last_error: last_error.map(error_of),
    }
}

fn error_of(line: &Value) -> String {
    let payload = &line["payload"];
    let told = payload.as_str().map_or_else(|| payload.to_string(), str::to_owned);
    let told = if payload.is_null() { String::new() } else { format!(" {told}") };
    let event = text(line, "event");
    let detail = Some(text(line, "detail")).filter(|detail| *detail != event).unwrap_or_default();
    format!("{event} {detail}{told}").replace("  ", " ").trim().to_owned()
}

/// What can be typed, each with what it does.
pub(super) fn commands(saga: &Value) -> Vec<(String, &'static str)> {
    let id = text(saga, "saga_id");
    let actions = items(saga, "allowed_actions").iter().filter_map(Value::as_str);
    let mut commands: Vec<_> = actions
        .map(|action| {
            let more = if action == "skip" { " --step STEP --result JSON" } else { "" };
            (format!("rondo saga {action} {id}{more} --reason WHY"), effect_of(action))
        })
        .collect();
    let paused_by = text(saga, "paused_by");
    if let Some(name) = paused_by.strip_prefix("participant ") {
        commands.push((
            format!("rondo saga resume --participant {name} --reason WHY"),
            "let the participant go on",
        ));
    } else if paused_by == "workflow" {
        let name = text(saga, "workflow");
        commands.push((
            format!("rondo saga resume --whole-workflow {name} --reason WHY"),
            "let the workflow go on",
        ));
    }
    commands
}

fn effect_of(action: &str) -> &'static str {
    match action {
        "retry" => "ask again now",
        "skip" => "take the step for done",
        "cancel" => "turn back and undo everything",
        "abandon" => "stop here, undoing nothing",
        "pause" => "send nothing until it is resumed",
        "resume" => "go on",
        _ => "",
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn what_stands_still_says_what_it_would_ask_for_and_what_turned_back_says_why() {
        let step =
            |name: &str, status: &str| json!({ "name": name, "status": status, "kind": "compensatable" });
        let mut saga = json!({ "paused": true, "steps": [step("a", "done"), step("b", "waiting"), step("c", "waiting")] });
        assert_eq!((not_asked_for(&saga).as_deref(), turned_back_for(&saga)), (Some("b"), None));
        saga["status"] = json!("compensating");
        assert_eq!(not_asked_for(&saga).as_deref(), Some("undo a"), "not what comes after all undos");
        saga["steps"][1] = step("b", "sent");
        assert_eq!(not_asked_for(&saga), None);
        saga["history"] =
            json!([{ "event": "turning_back", "step": "b", "detail": "no", "payload": { "left": 1 } }]);
        assert_eq!(turned_back_for(&saga).unwrap(), "no at b {\"left\":1}");
    }

    #[test]
    fn why_it_hangs_is_told_from_its_history() {
        let saga = json!({
            "saga_id": "7", "allowed_actions": ["retry", "skip"], "paused_by": "participant billing",
            "steps": [
                {"name": "a", "status": "done", "attempts": 1},
                {"name": "b", "status": "undoing", "attempts": 3},
            ],
            "history": [
                {"at": "1", "step": "b", "event": "sent"},
                {"at": "2", "step": "b", "event": "refused", "detail": "no"},
                {"at": "3", "step": "b", "event": "undo_sent"},
                {"at": "4", "step": "b", "event": "undo_fault", "detail": "undo_fault", "payload": "the disk is full"},
                {"at": "5", "step": "b", "event": "undo_sent"},
            ],
        });
        let waits = waits_for(&saga);
        let expected = WaitsFor {
            what: "undo b".to_owned(),
            since: "3",
            attempts: 3,
            last_error: Some("undo_fault the disk is full".to_owned()),
        };
        assert_eq!(waits, [expected]);
        let typed: Vec<String> = commands(&saga).into_iter().map(|(command, _)| command).collect();
        assert_eq!(
            typed,
            [
                "rondo saga retry 7 --reason WHY",
                "rondo saga skip 7 --step STEP --result JSON --reason WHY",
                "rondo saga resume --participant billing --reason WHY",
            ]
        );
    }
}
