//! What watches and scales: consumers whose lag is read, metrics, alerts, dashboards.

use std::collections::BTreeSet;

use messaging::Source;

use serde_json::Value;

use super::manifests::{Manifests, file, list, text, yaml};

/// The consumers that a service's replicas share: service, stream and name.
fn consumers() -> BTreeSet<(String, String, String)> {
    let commands = ["billing", "stock", "delivery", "notification"].map(|participant| {
        let consumer = Source::commands(participant).consumer;
        (participant.to_owned(), consumer.stream, consumer.durable)
    });
    commands.into_iter().collect()
}

/// Who shares a consumer is scaled by its lag, and nobody by two autoscalers.
pub(crate) fn scaled(manifests: &Manifests) -> Vec<String> {
    let mut problems = Vec::new();
    let (mut read, mut targets) = (BTreeSet::new(), Vec::new());
    for scaled in manifests.of_kind("ScaledObject") {
        let target = text(&scaled["spec"]["scaleTargetRef"]["name"]);
        targets.push(target);
        for trigger in list(&scaled["spec"]["triggers"]).iter().filter(|one| one["type"] == "nats-jetstream")
        {
            let of = &trigger["metadata"];
            read.insert((
                target.to_owned(),
                text(&of["stream"]).to_owned(),
                text(&of["consumer"]).to_owned(),
            ));
            let endpoint = text(&of["natsServerMonitoringEndpoint"]);
            let nats = manifests.pods().into_iter().find(|pods| pods.name == "nats");
            let port = nats.and_then(|nats| nats.port("monitor"));
            if Some(endpoint)
                != port.map(|port| format!("nats-peers.rondo.svc.cluster.local:{port}")).as_deref()
            {
                problems.push(format!("the lag is not told at {endpoint}"));
            }
        }
    }
    problems.extend(read.symmetric_difference(&consumers()).map(|one| format!("the lag of {one:?}")));
    for scaler in manifests.of_kind("HorizontalPodAutoscaler") {
        targets.push(text(&scaler["spec"]["scaleTargetRef"]["name"]));
    }
    for target in &targets {
        match manifests.find("Deployment", target) {
            None => problems.push(format!("there is no {target} to be scaled")),
            Some(deployment) if !deployment["spec"]["replicas"].is_null() => {
                problems.push(format!("{target} has a number of its own beside its autoscaler's"));
            }
            Some(_) => {}
        }
    }
    let once: BTreeSet<_> = targets.iter().collect();
    if once.len() != targets.len() {
        problems.push("two autoscalers for one".to_owned());
    }
    problems
}

/// Every process is read, under the name that the alerts have.
pub(crate) fn measured(manifests: &Manifests) -> Vec<String> {
    let mut problems = Vec::new();
    let Some(monitor) = manifests.find("ServiceMonitor", "rondo") else {
        return vec!["nobody reads".to_owned()];
    };
    let spec = &monitor["spec"];
    let endpoint = &spec["endpoints"][0];
    if endpoint["path"] != "/metrics" || endpoint["honorLabels"] != true {
        problems.push(format!("metrics are not at {endpoint}"));
    }
    let wanted = spec["selector"]["matchLabels"].as_object().unwrap();
    let is_read = |service: &serde_json::Value| {
        let labels = &service["metadata"]["labels"];
        let job = spec["jobLabel"].as_str().map(|label| &labels[label]);
        let port = list(&service["spec"]["ports"]).iter().any(|port| port["name"] == endpoint["port"]);
        wanted.iter().all(|(name, value)| labels[name] == *value)
            && port
            && job.is_some_and(|job| job == "rondo")
    };
    for pods in manifests.ours().into_iter().filter(|pods| pods.kind == "Deployment") {
        if !manifests.find("Service", pods.name).is_some_and(is_read) {
            problems.push(format!("the metrics of {} are not read as job rondo", pods.name));
        }
    }
    problems
}

/// The alerts of grafana/.
fn own_alerts() -> Value {
    yaml(&std::fs::read_to_string(file("grafana/alerts.yml")).unwrap()).remove(0)
}

/// The alerts of an overlay.
fn alerts(manifests: &Manifests) -> Option<Value> {
    Some(manifests.find("PrometheusRule", "rondo")?["spec"].clone())
}

/// Alerts and dashboards are those of grafana/, all of them.
pub(crate) fn shown(manifests: &Manifests) -> Vec<String> {
    let mut problems = Vec::new();
    if alerts(manifests).as_ref() != Some(&own_alerts()) {
        problems.push("the alerts are not those of grafana/alerts.yml: node grafana/build.mjs".to_owned());
    }
    let maps =
        manifests.of_kind("ConfigMap").filter(|one| one["metadata"]["labels"]["grafana_dashboard"] == "1");
    let shown: BTreeSet<(String, String)> = maps
        .flat_map(|map| map["data"].as_object().unwrap())
        .map(|(name, dashboard)| (name.clone(), text(dashboard).to_owned()))
        .collect();
    let files = std::fs::read_dir(file("grafana/dashboards")).unwrap().map(|entry| entry.unwrap().path());
    let there: BTreeSet<(String, String)> = files
        .map(|path| {
            (path.file_name().unwrap().to_str().unwrap().to_owned(), std::fs::read_to_string(path).unwrap())
        })
        .collect();
    problems.extend(shown.symmetric_difference(&there).map(|(name, _)| format!("the dashboard {name}")));
    problems
}

/// Of every process there is an alert for when there is none of it: nobody reads what has no pod.
pub(crate) fn missed(manifests: &Manifests) -> Vec<String> {
    let rules = manifests.find("PrometheusRule", "rondo").map(|rule| &rule["spec"]["groups"][0]["rules"]);
    let rules = rules.map(list).unwrap_or_default();
    let expressions: Vec<&str> = rules.iter().map(|rule| text(&rule["expr"])).collect();
    let is_missed = |name: &str| {
        let words = match name {
            "audit" => "absent(rondo_audit_timestamp_seconds)".to_owned(),
            "gateway" => r#"last_over_time(rondo_service_info{service="gateway"}"#.to_owned(),
            service => format!(r#"absent(rondo_service_info{{service="{service}"}})"#),
        };
        expressions.iter().any(|expression| expression.contains(&words))
    };
    let ours = manifests.ours().into_iter().filter(|pods| pods.kind == "Deployment");
    let blind = ours.filter(|pods| !is_missed(pods.name));
    blind.map(|pods| format!("nobody misses {} when it has no pod", pods.name)).collect()
}

#[test]
fn what_watches_and_scales_is_about_what_there_is() {
    let production = Manifests::of("production");
    for check in [scaled, measured, shown, missed] {
        assert_eq!(check(&production), Vec::<String>::new());
    }
}

#[test]
fn the_links_of_all_alerts_lead_elsewhere_by_one_line_of_the_overlay() {
    const HERE: &str = "http://127.0.0.1:8081/runbooks";
    const ELSEWHERE: &str = "https://wiki.example.com/rondo";
    let changed = Manifests::of_copy("production", HERE, ELSEWHERE);
    let wanted = serde_json::to_string(&own_alerts()).unwrap().replace(HERE, ELSEWHERE);
    assert!(wanted.contains(&format!("{ELSEWHERE}#sagastuck")), "{wanted}");
    assert_eq!(alerts(&changed), Some(serde_json::from_str(&wanted).unwrap()));
}
