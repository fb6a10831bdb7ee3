//! What people see from outside: a real Prometheus reads a system under load; every panel of every dashboard and every
//! alert has something to show, and nothing is exported or shown that is not in the list of metrics.

use std::collections::{BTreeMap, BTreeSet};
use std::path::{Path, PathBuf};
use std::process::Command;
use std::time::Duration;

use sandbox::{Prometheus, PrometheusOptions};
use serde_json::{Value, json};
use testkit::{Road, eventually};
use uuid::Uuid;

use super::orders::Shop;
use super::processes::{GATEWAY, SEPARATE, System};

/// Every process, the gateway and the audit among them.
pub(crate) const PROCESSES: [&str; 8] =
    ["front", "billing", "stock", "delivery", "notification", "orchestrator", AUDIT, GATEWAY];
const AUDIT: &str = "audit";
/// Where the links of the alerts lead: to `make up`, by default.
const RUNBOOKS: &str = "http://127.0.0.1:8081/runbooks";
/// What Grafana would put in: the window of rates, and every service.
const FILLED_IN: [(&str, &str); 2] = [("$__rate_interval", "1m"), ("$service", ".+")];
const WITHIN: Duration = Duration::from_secs(60);

pub(crate) fn repository() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).parent().unwrap().to_owned()
}

/// The project's own alerts.
pub(crate) fn alert_rules() -> String {
    read("grafana/alerts.yml")
}

pub(crate) fn read(path: &str) -> String {
    std::fs::read_to_string(repository().join(path)).unwrap_or_else(|error| panic!("{path}: {error}"))
}

/// A Prometheus with the project's own configuration, but for its haste.
pub(crate) struct Watcher {
    prometheus: Prometheus,
    client: reqwest::Client,
}

impl Watcher {
    /// Reads these processes and judges these alerts; each process was read once.
    pub(crate) async fn start(system: &System, processes: &[&str], alerts: &str) -> Self {
        let dir = Path::new(env!("CARGO_TARGET_TMPDIR")).join(format!("prometheus-{}", Uuid::now_v7()));
        std::fs::create_dir_all(&dir).unwrap();
        std::fs::write(dir.join("alerts.yml"), alerts).unwrap();
        let targets: Vec<String> =
            processes.iter().map(|name| format!("\"{}\"", system.internal_addr(name))).collect();
        let config = read("grafana/prometheus.yml")
            .replace("scrape_interval: 5s", "scrape_interval: 1s")
            .replace("evaluation_interval: 15s", "evaluation_interval: 1s")
            .replace("\"127.0.0.1:8081\"", &targets.join(", "));
        let tools = vec![repository().join(".rondo/tools")];
        let prometheus = Prometheus::start(PrometheusOptions { dir, config, tools }).await;
        let prometheus = prometheus.unwrap_or_else(|error| panic!("{error}"));
        let watcher = Self { prometheus, client: reqwest::Client::new() };
        // What was counted before the first look is no increase.
        eventually(WITHIN, "every process to be read once", async || {
            (watcher.series("up == 1").await == processes.len()).then_some(())
        })
        .await;
        watcher
    }

    async fn ask(&self, path: &str, query: &[(&str, &str)]) -> Value {
        let base = format!("{}/api/v1/{path}", self.prometheus.url());
        let url = reqwest::Url::parse_with_params(&base, query).unwrap();
        let answer = self.client.get(url).send().await.unwrap();
        let answer: Value = answer.json().await.unwrap();
        assert_eq!(answer["status"], "success", "{query:?}: {answer}");
        answer["data"].clone()
    }

    /// How many series an expression gives.
    async fn series(&self, expression: &str) -> usize {
        self.ask("query", &[("query", expression)]).await["result"].as_array().unwrap().len()
    }

    /// The one number that an expression gives.
    pub(crate) async fn number(&self, expression: &str) -> Option<f64> {
        let data = self.ask("query", &[("query", expression)]).await;
        data["result"][0]["value"][1].as_str()?.parse().ok()
    }

    async fn alerts(&self) -> Vec<Value> {
        let data = self.ask("rules", &[("type", "alert")]).await;
        let groups = data["groups"].as_array().unwrap().clone();
        groups.iter().flat_map(|group| group["rules"].as_array().unwrap().clone()).collect()
    }

    /// Whether an alert fires now.
    pub(crate) async fn is_firing(&self, name: &str) -> bool {
        let alerts = self.alerts().await;
        let alert = alerts.iter().find(|alert| alert["name"] == name);
        alert.unwrap_or_else(|| panic!("no alert {name}"))["state"] == "firing"
    }

    /// Waits until an alert fires.
    pub(crate) async fn fires(&self, name: &str, within: Duration) {
        let fires = async || self.is_firing(name).await.then_some(());
        eventually(within, &format!("{name} to fire"), fires).await;
    }

    /// Waits until it does not.
    pub(crate) async fn falls_silent(&self, name: &str, within: Duration) {
        let silent = async || (!self.is_firing(name).await).then_some(());
        eventually(within, &format!("{name} to fall silent"), silent).await;
    }
}

/// Kind and labels of every metric, as `rondo metrics` prints them.
fn listed() -> BTreeMap<String, (String, BTreeSet<String>)> {
    let rows = read("docs/metrics.md");
    let rows = rows.lines().filter(|line| line.starts_with("| `rondo_"));
    let unquoted = |word: &str| word.trim().trim_matches('`').to_owned();
    rows.map(|row| {
        let cells: Vec<&str> = row.split('|').map(str::trim).collect();
        let labels = cells[4].split(',').map(unquoted).filter(|label| !label.is_empty()).collect();
        (unquoted(cells[1]), (cells[2].to_owned(), labels))
    })
    .collect()
}

/// The metrics that an expression names.
fn names_in(expression: &str) -> BTreeSet<String> {
    let is_part = |character: char| character.is_ascii_alphanumeric() || character == '_';
    let words = expression.split(|character| !is_part(character));
    words.filter(|word| word.starts_with("rondo_")).map(str::to_owned).collect()
}

/// A series' metric: a histogram has three series.
fn is_listed(name: &str, listed: &BTreeMap<String, (String, BTreeSet<String>)>) -> bool {
    let parts = ["_bucket", "_sum", "_count"];
    let base = parts.iter().find_map(|part| name.strip_suffix(part)).and_then(|base| listed.get(base));
    match listed.get(name) {
        Some((kind, _)) => kind != "histogram",
        None => base.is_some_and(|(kind, _)| kind == "histogram"),
    }
}

/// Every dashboard with its file's name.
fn dashboards() -> Vec<(String, Value)> {
    let files = std::fs::read_dir(repository().join("grafana/dashboards")).unwrap();
    let paths = files.map(|file| file.unwrap().path()).filter(|path| path.extension().is_some());
    let read = |path: PathBuf| {
        let text = std::fs::read_to_string(&path).unwrap();
        (path.file_name().unwrap().to_string_lossy().into_owned(), serde_json::from_str(&text).unwrap())
    };
    paths.map(read).collect()
}

/// Every expression of every panel, with where it stands.
fn panel_expressions() -> Vec<(String, String)> {
    let mut found = Vec::new();
    for (file, dashboard) in dashboards() {
        for panel in dashboard["panels"].as_array().unwrap() {
            for target in panel["targets"].as_array().unwrap() {
                let place = format!("{file}: {}", panel["title"].as_str().unwrap());
                found.push((place, target["expr"].as_str().unwrap().to_owned()));
            }
        }
    }
    found
}

fn filled_in(expression: &str) -> String {
    FILLED_IN.iter().fold(expression.to_owned(), |text, (variable, value)| text.replace(variable, value))
}

/// What an alert looks at, whether or not it is bad: comparisons say 0 or 1 instead of leaving series out, and what
/// should not be absent is shown.
fn looked_at(alert: &str) -> String {
    alert.replace(" > ", " > bool ").replace(" == ", " == bool ").replace("absent(", "(")
}

#[test]
fn dashboards_are_explained_and_can_be_imported() {
    let all = dashboards();
    assert_eq!(all.len(), 5);
    for (file, dashboard) in all {
        assert_eq!(dashboard["__inputs"][0]["pluginId"], "prometheus", "{file}");
        let variables = dashboard["templating"]["list"].as_array().unwrap();
        assert_eq!(
            (&variables[0]["name"], &variables[0]["type"]),
            (&json!("datasource"), &json!("datasource"))
        );
        for panel in dashboard["panels"].as_array().unwrap() {
            let is_told = |what: &Value| what.as_str().is_some_and(|text| !text.is_empty());
            assert!(is_told(&panel["description"]), "{file}: {}", panel["title"]);
            assert!(is_told(&panel["fieldConfig"]["defaults"]["unit"]), "{file}: {}", panel["title"]);
            assert_eq!(panel["datasource"]["uid"], "${datasource}", "{file}: {}", panel["title"]);
        }
    }
}

#[test]
fn dashboards_and_alerts_name_only_what_is_exported() {
    let listed = listed();
    let mut expressions = panel_expressions();
    expressions.push(("alerts.yml".to_owned(), read("grafana/alerts.yml")));
    for (place, expression) in expressions {
        for name in names_in(&expression) {
            assert!(is_listed(&name, &listed), "{place}: nobody exports {name}");
        }
    }
}

#[test]
fn the_list_of_metrics_is_what_the_binary_says() {
    let output = Command::new(env!("CARGO_BIN_EXE_rondo")).arg("metrics").output().unwrap();
    let printed = String::from_utf8(output.stdout).unwrap();
    assert!(printed == read("docs/metrics.md"), "docs/metrics.md is stale: rondo metrics > docs/metrics.md");
}

#[test]
fn alerts_are_silent_when_all_is_well_and_fire_when_it_is_not() {
    let grafana = repository().join("grafana");
    let promtool = repository().join(".rondo/tools/promtool");
    for arguments in [["check", "rules", "alerts.yml"], ["test", "rules", "alerts_test.yml"]] {
        let output = Command::new(&promtool).args(arguments).current_dir(&grafana).output().unwrap();
        let said = [output.stdout, output.stderr].map(|said| String::from_utf8_lossy(&said).into_owned());
        assert!(output.status.success(), "promtool {arguments:?}: {said:?}");
    }
    let (rules, tests, runbooks) =
        (read("grafana/alerts.yml"), read("grafana/alerts_test.yml"), read("docs/runbooks.md"));
    assert_eq!(rules.matches(" runbook_url: ").count(), rules.matches(" - alert: ").count());
    let alerts: Vec<&str> = rules.lines().filter_map(|line| line.trim().strip_prefix("- alert: ")).collect();
    assert!(alerts.len() > 10);
    for alert in alerts {
        let cases = tests.matches(&format!("alertname: {alert}\n")).count();
        assert!(cases >= 2, "{alert} is not tried both ways");
        assert!(runbooks.contains(&format!("\n## {alert}\n")), "{alert} has no runbook");
        assert!(rules.contains(&format!(" runbook_url: {RUNBOOKS}#{}\n", alert.to_lowercase())), "{alert}");
    }
}

#[tokio::test]
async fn every_panel_and_every_alert_shows_something_under_load() {
    let mut system = System::start(&SEPARATE).await;
    system.launch(AUDIT, &[AUDIT], &[]);
    system.ready(AUDIT).await;
    system.put_gateway_in_front().await;
    let watcher = Watcher::start(&system, &PROCESSES, &alert_rules()).await;
    let mut shop = Shop::open(&system, 8, 4).await;
    for _ in 0..4 {
        shop.place(&system, "orchestrator", 50).await;
    }
    shop.settled(&system).await;
    let poison = Road::connect(&system.nats.url()).await;
    poison.send("cmd.billing.reserve_funds.v1", &[json!({"nothing": "that is known"})]).await;
    let audited = system.operator(AUDIT).get("/internal/api/v1/audit/money").await;
    assert_eq!(audited.status, 200, "{audited:?}");

    for (place, expression) in panel_expressions() {
        let expression = filled_in(&expression);
        eventually(WITHIN, &format!("{place} to show something: {expression}"), async || {
            (watcher.series(&expression).await > 0).then_some(())
        })
        .await;
    }
    let alerts = watcher.alerts().await;
    assert!(alerts.len() > 10);
    for alert in &alerts {
        let expression = looked_at(alert["query"].as_str().unwrap());
        assert_eq!(alert["health"], "ok", "{alert}");
        assert!(alert["duration"].as_f64().unwrap() > 0.0, "{alert}");
        assert!(alert["labels"]["severity"].is_string() && alert["annotations"]["summary"].is_string());
        // A trend is there after two looks.
        eventually(WITHIN, &format!("{} to look at something: {expression}", alert["name"]), async || {
            (watcher.series(&expression).await > 0).then_some(())
        })
        .await;
    }
    the_links_of_the_alerts_lead_to_their_runbooks(&system, &alerts).await;
    the_figures_are_those_of_the_database(&system, &watcher).await;
    only_what_is_listed_is_exported(&system).await;
}

/// At every process, whoever of them is left.
async fn the_links_of_the_alerts_lead_to_their_runbooks(system: &System, alerts: &[Value]) {
    for process in PROCESSES {
        let here = format!("http://{}/runbooks", system.internal_addr(process));
        let page = reqwest::get(&here).await.unwrap();
        assert_eq!(page.status(), 200, "{here}");
        let page = page.text().await.unwrap();
        for alert in alerts {
            let link = alert["annotations"]["runbook_url"].as_str().unwrap();
            let anchor = link.strip_prefix(RUNBOOKS).and_then(|anchor| anchor.strip_prefix('#')).unwrap();
            let heading = format!("<h2 id=\"{anchor}\">{}</h2>", alert["name"].as_str().unwrap());
            assert!(page.contains(&heading), "{process}: {link}");
        }
    }
}

/// What was counted is what happened.
async fn the_figures_are_those_of_the_database(system: &System, watcher: &Watcher) {
    for (expression, sql) in [
        ("sum(rondo_sagas_started_total{workflow=\"order\"})", "SELECT count(*) FROM orders"),
        (
            "sum(rondo_sagas_finished_total{workflow=\"order\",outcome=\"completed\"})",
            "SELECT count(*) FROM sagas WHERE workflow = 'order' AND status = 'completed'",
        ),
        (
            "sum(rondo_sagas_turned_back_total{workflow=\"order\"})",
            "SELECT count(*) FROM sagas WHERE workflow = 'order' AND status = 'rejected'",
        ),
        (
            "sum(rondo_orders_money_minor_units_total{workflow=\"order\"})",
            "SELECT coalesce(sum(total), 0)::bigint FROM orders WHERE status = 'confirmed'",
        ),
        ("max(rondo_dead_letters_waiting{service=\"billing\"})", "SELECT 1::bigint"),
    ] {
        let expected = system.number("orchestrator", sql).await;
        eventually(WITHIN, &format!("{expression} to be {expected}"), async || {
            (watcher.number(expression).await? as i64 == expected).then_some(())
        })
        .await;
    }
    // Every part of a step's way was measured, in both directions.
    for (step, direction) in [("reserve_stock", "do"), ("reserve_stock", "undo"), ("notify_joy", "do")] {
        let parts = format!(
            "count(rondo_step_seconds_count{{workflow=\"order\",step=\"{step}\",direction=\"{direction}\"}} > 0)"
        );
        assert_eq!(watcher.number(&parts).await, Some(4.0), "{direction} {step}");
    }
}

/// Nothing without help, nothing and no label that is not in the list.
async fn only_what_is_listed_is_exported(system: &System) {
    let listed = listed();
    for process in PROCESSES {
        let url = format!("http://{}/metrics", system.internal_addr(process));
        let text = reqwest::get(url).await.unwrap().text().await.unwrap();
        let mut series = 0;
        for line in text.lines().filter(|line| !line.is_empty()) {
            if let Some(metric) = line.strip_prefix("# TYPE ") {
                let (name, kind) = metric.split_once(' ').unwrap();
                assert_eq!(listed.get(name).map(|(kind, _)| kind.as_str()), Some(kind), "{name}");
                assert!(text.contains(&format!("# HELP {name} ")), "{name} has no help");
            } else if !line.starts_with('#') {
                series += 1;
                let unknown = unknown_labels(line, &listed);
                assert!(unknown.is_empty(), "{unknown:?}: {line}");
            }
        }
        assert!(series < 6_000, "{series} series of {process}: is a label unbounded?");
    }
}

fn unknown_labels(line: &str, listed: &BTreeMap<String, (String, BTreeSet<String>)>) -> Vec<String> {
    let Some((name, rest)) = line.split_once('{') else { return Vec::new() };
    let labels = rest.rsplit_once('}').unwrap().0;
    let base = ["_bucket", "_sum", "_count"].iter().find_map(|part| name.strip_suffix(part));
    let known = listed.get(name).or_else(|| listed.get(base.unwrap_or(name)));
    let (_, known) = known.unwrap_or_else(|| panic!("nobody lists {line}"));
    let names = labels.split("\",").filter_map(|label| Some(label.split_once('=')?.0));
    names.filter(|label| *label != "le" && !known.contains(*label)).map(str::to_owned).collect()
}
