//! Who reaches whom, and where: names of ports, Services, routes, addresses in settings, network policies.

use std::collections::BTreeSet;

use ipnet::IpNet;
use serde_json::Value;

use super::manifests::{Manifests, OVERLAYS, Pods, file, list, text};

/// The paths that the cluster asks; that they answer is seen in `local.rs`.
const PROBES: [(&str, &str); 3] =
    [("startupProbe", "/livez"), ("livenessProbe", "/livez"), ("readinessProbe", "/readyz")];

/// The namespace of the ingress controller.
const INGRESS: &str = "ingress-nginx";
/// The shortest prefix of a network that is believed: that of one cluster's pods, and not all private addresses.
const BELIEVED_PREFIX_MIN: u8 = 16;

/// The port of an address, as `0.0.0.0:8080`, `http://auth:8080` or `auth:8080`.
fn port_of(address: &str) -> Option<u64> {
    address.rsplit_once(':')?.1.parse().ok()
}

pub(crate) fn listeners_and_probes(manifests: &Manifests) -> Vec<String> {
    let mut problems = Vec::new();
    for pods in manifests.ours().into_iter().filter(|pods| pods.kind == "Deployment") {
        let settings = manifests.environment(&pods);
        let setting =
            |name: &str| settings.iter().find(|(known, _)| known == name).map(|(_, value)| value.as_str());
        for (port, name) in [("public", "PUBLIC_ADDR"), ("internal", "INTERNAL_ADDR")] {
            if setting(name).and_then(port_of) != pods.port(port) {
                problems.push(format!("{}: {name} is not its port {port}", pods.name));
            }
        }
        for (probe, path) in PROBES {
            let asked = &pods.container()[probe]["httpGet"];
            if asked["path"] != path || asked["port"] != "internal" {
                problems.push(format!("{}: {probe} asks {asked}", pods.name));
            }
        }
    }
    problems
}

fn taken<'a>(manifests: &'a Manifests, selector: &Value) -> Vec<Pods<'a>> {
    manifests.pods().into_iter().filter(|pods| pods.are_taken_by(selector)).collect()
}

/// Every Service leads to pods with that port.
pub(crate) fn services(manifests: &Manifests) -> Vec<String> {
    let mut problems = Vec::new();
    for service in manifests.of_kind("Service") {
        let name = text(&service["metadata"]["name"]);
        let selector = serde_json::json!({ "matchLabels": service["spec"]["selector"] });
        let pods = taken(manifests, &selector);
        if pods.is_empty() {
            problems.push(format!("the Service {name} leads nowhere"));
        }
        for port in list(&service["spec"]["ports"]) {
            for pods in pods.iter().filter(|pods| pods.port(text(&port["targetPort"])).is_none()) {
                problems.push(format!("{} has no port {} for its Service", pods.name, port["targetPort"]));
            }
        }
    }
    problems
}

fn has_port(manifests: &Manifests, service: &str, port: &Value) -> bool {
    let ports = manifests.find("Service", service).map(|service| list(&service["spec"]["ports"]));
    ports.is_some_and(|ports| ports.iter().any(|one| one["port"] == *port || one["name"] == *port))
}

/// Every address in a setting is that of a Service.
pub(crate) fn addresses(manifests: &Manifests) -> Vec<String> {
    let mut problems = Vec::new();
    for pods in manifests.ours() {
        for (name, value) in
            manifests.environment(&pods).into_iter().filter(|(name, _)| name.ends_with("_URL"))
        {
            let (host, port) =
                value.split_once("://").and_then(|(_, rest)| rest.rsplit_once(':')).unwrap_or_default();
            let port = port.parse::<u64>().unwrap_or_default().into();
            if !has_port(manifests, host, &port) {
                problems.push(format!("{}: {name} leads nowhere: {value}", pods.name));
            }
        }
    }
    problems
}

/// What comes from outside comes to the gateway's public port.
pub(crate) fn ways_in(manifests: &Manifests) -> Vec<String> {
    let mut problems = Vec::new();
    let (mut ways, mut hosts) = (Vec::new(), Vec::new());
    for ingress in manifests.of_kind("Ingress") {
        for rule in list(&ingress["spec"]["rules"]) {
            hosts.push(rule["host"].clone());
            let backends = list(&rule["http"]["paths"]).iter().map(|path| &path["backend"]["service"]);
            ways.extend(backends.map(|service| (service["name"].clone(), service["port"]["name"].clone())));
        }
    }
    for route in manifests.of_kind("HTTPRoute") {
        hosts.extend(list(&route["spec"]["hostnames"]).iter().cloned());
        let backends = list(&route["spec"]["rules"]).iter().flat_map(|rule| list(&rule["backendRefs"]));
        ways.extend(backends.map(|service| (service["name"].clone(), service["port"].clone())));
    }
    if ways.is_empty() {
        problems.push("there is no way in".to_owned());
    }
    for (service, port) in ways {
        let is_public = port == "public" || port == 80;
        if service != "gateway" || !is_public || !has_port(manifests, "gateway", &port) {
            problems.push(format!("a way in leads to {service} at {port}"));
        }
    }
    problems.extend(
        hosts.iter().filter(|host| **host != "arch.homework").map(|host| format!("a way in for {host}")),
    );
    problems
}

/// The rules of all policies by which somebody comes to that port of `to`.
fn rules_in<'a>(
    manifests: &'a Manifests,
    to: &'a Pods<'_>,
    port: &'a str,
) -> impl Iterator<Item = &'a Value> {
    let policies =
        manifests.of_kind("NetworkPolicy").filter(|one| to.are_taken_by(&one["spec"]["podSelector"]));
    let rules = policies.flat_map(|policy| list(&policy["spec"]["ingress"]));
    let number = to.port(port);
    rules.filter(move |rule| {
        list(&rule["ports"]).iter().any(|one| one["port"] == port || one["port"].as_u64() == number)
    })
}

/// Whether some policy lets these pods reach that port of `to`.
fn is_let_in(manifests: &Manifests, from: &Pods<'_>, to: &Pods<'_>, port: &str) -> bool {
    rules_in(manifests, to, port).any(|rule| {
        let peers = list(&rule["from"]);
        let is_meant =
            |peer: &Value| peer["podSelector"].is_object() && from.are_taken_by(&peer["podSelector"]);
        peers.is_empty() || peers.iter().any(is_meant)
    })
}

/// Who else may reach that port of `to`: namespaces, or in other words whoever it is.
fn strangers(manifests: &Manifests, to: &Pods<'_>, port: &str) -> BTreeSet<String> {
    let mut strangers = BTreeSet::new();
    for rule in rules_in(manifests, to, port) {
        let peers = list(&rule["from"]);
        if peers.is_empty() {
            strangers.insert("anybody".to_owned());
        }
        for peer in peers.iter().filter(|peer| peer.as_object().is_none_or(|peer| !is_of_us(peer))) {
            let labels = peer["namespaceSelector"]["matchLabels"].as_object();
            let name = labels.filter(|labels| labels.len() == 1);
            let name = name.and_then(|labels| labels.get("kubernetes.io/metadata.name")?.as_str());
            strangers.insert(name.map_or_else(|| peer.to_string(), str::to_owned));
        }
    }
    strangers
}

/// Pods of the policy's own namespace.
fn is_of_us(peer: &serde_json::Map<String, Value>) -> bool {
    peer.len() == 1 && peer.contains_key("podSelector")
}

/// Whose namespaces have to come to a port: where the ways in lead through, who reads the lag and the metrics.
fn needed_strangers(manifests: &Manifests, to: &str, port: &str) -> BTreeSet<String> {
    let mut needed = BTreeSet::new();
    match (to, port) {
        ("gateway", "public") => {
            needed.extend(manifests.of_kind("Ingress").map(|_| INGRESS.to_owned()));
            let parents = manifests.of_kind("HTTPRoute").flat_map(|route| list(&route["spec"]["parentRefs"]));
            needed.extend(parents.map(|parent| text(&parent["namespace"]).to_owned()));
        }
        ("broker", "monitor") => drop(needed.insert("keda".to_owned())),
        (_, "internal") => {
            needed.extend(manifests.of_kind("ServiceMonitor").map(|_| "monitoring".to_owned()));
        }
        _ => {}
    }
    needed
}

/// The same of the way out.
fn is_let_out(manifests: &Manifests, from: &Pods<'_>, to: &Pods<'_>, port: &str) -> bool {
    let policies =
        manifests.of_kind("NetworkPolicy").filter(|one| from.are_taken_by(&one["spec"]["podSelector"]));
    let mut rules = policies.flat_map(|policy| list(&policy["spec"]["egress"]));
    rules.any(|rule| {
        let number = to.port(port);
        let of_port =
            list(&rule["ports"]).iter().any(|one| one["port"] == port || one["port"].as_u64() == number);
        of_port
            && list(&rule["to"])
                .iter()
                .any(|peer| peer["podSelector"].is_object() && to.are_taken_by(&peer["podSelector"]))
    })
}

/// Who has to reach whom for the system to work, by component and port.
fn needed(from: &str, to: &str, port: &str) -> bool {
    let is_service =
        ["auth", "user", "billing", "stock", "delivery", "notification", "orchestrator"].contains(&from);
    let checks_tokens = (is_service && from != "auth") || from == "audit";
    match (to, port) {
        ("gateway", "public") => false,
        ("broker", "client") => is_service || from == "audit",
        ("broker", "peers") => from == "broker",
        ("database", "postgres") => is_service || ["audit", "migrate", "roles"].contains(&from),
        ("auth", "public") => from == "gateway" || checks_tokens,
        ("auth", "internal") => from == "user",
        (_, "public") => from == "gateway" && to != "audit",
        _ => false,
    }
}

/// Everybody reaches whom they need, and nobody else.
pub(crate) fn policies(manifests: &Manifests) -> Vec<String> {
    let mut problems = Vec::new();
    let pods = manifests.pods();
    for to in &pods {
        let ports = list(&to.container()["ports"]).iter().map(|port| text(&port["name"]));
        for port in ports {
            for from in &pods {
                let may = is_let_in(manifests, from, to, port);
                let needs = needed(from.component(), to.component(), port);
                if may != needs {
                    problems.push(format!(
                        "{} {} to {} at {port}",
                        from.name,
                        if needs { "does not come" } else { "may come" },
                        to.name
                    ));
                }
                if needs && !is_let_out(manifests, from, to, port) {
                    problems.push(format!("{} is not let out to {} at {port}", from.name, to.name));
                }
            }
            let (may, needs) =
                (strangers(manifests, to, port), needed_strangers(manifests, to.component(), port));
            if may != needs {
                problems.push(format!("{may:?} may come to {} at {port}, not {needs:?}", to.name));
            }
        }
    }
    let denies = manifests.find("NetworkPolicy", "default-deny").map(|policy| &policy["spec"]);
    if denies != Some(&serde_json::json!({ "podSelector": {}, "policyTypes": ["Ingress", "Egress"] })) {
        problems.push("what is not allowed is not denied".to_owned());
    }
    problems
}

/// Who is believed where a request comes from are pods of one cluster: with a wider network everybody in it could name
/// another address at each login, and so get past the throttle.
pub(crate) fn believed(manifests: &Manifests) -> Vec<String> {
    let mut problems = Vec::new();
    for pods in manifests.ours().into_iter().filter(|pods| pods.kind == "Deployment") {
        let settings = manifests.environment(&pods);
        let believed = settings.iter().find(|(name, _)| name == "TRUSTED_PROXIES");
        for network in believed.iter().flat_map(|(_, networks)| networks.split(',')) {
            if !network.parse::<IpNet>().is_ok_and(|network| network.prefix_len() >= BELIEVED_PREFIX_MIN) {
                problems.push(format!("{} believes {network}", pods.name));
            }
        }
        if believed.is_none() {
            problems.push(format!("{} takes everybody for the gateway", pods.name));
        }
    }
    problems
}

#[test]
fn everybody_reaches_whom_they_need_and_nobody_else() {
    for overlay in OVERLAYS {
        let manifests = Manifests::of(overlay);
        for check in [listeners_and_probes, services, addresses, ways_in, policies, believed] {
            assert_eq!(check(&manifests), Vec::<String>::new(), "{overlay}");
        }
    }
}

#[test]
fn whose_namespaces_come_in_is_told() {
    let told = std::fs::read_to_string(file("docs/kubernetes.md")).unwrap();
    for overlay in OVERLAYS {
        let manifests = Manifests::of(overlay);
        for to in manifests.pods() {
            for port in list(&to.container()["ports"]).iter().map(|port| text(&port["name"])) {
                for namespace in strangers(&manifests, &to, port) {
                    assert!(
                        told.contains(&format!("`{namespace}`")),
                        "{overlay}: {namespace} at {}",
                        to.name
                    );
                }
            }
        }
    }
}

#[test]
fn another_ingress_controller_is_let_in_as_the_document_says() {
    let told = std::fs::read_to_string(file("docs/kubernetes.md")).unwrap();
    let (_, lines) = told.split_once("# Another ingress controller").expect("it is told");
    let (lines, _) = lines.split_once("```").unwrap();
    let lines: Vec<&str> =
        lines.lines().skip(1).map(|line| line.strip_prefix("   ").unwrap_or(line)).collect();
    let manifests = Manifests::above("local", &lines.join("\n"));
    let gateway = manifests.pods().into_iter().find(|pods| pods.name == "gateway").unwrap();
    assert_eq!(strangers(&manifests, &gateway, "public"), BTreeSet::from(["traefik".to_owned()]));
    let believed = manifests.environment(&gateway);
    assert!(believed.contains(&("TRUSTED_PROXIES".to_owned(), "10.42.0.0/16".to_owned())), "{believed:?}");
}
