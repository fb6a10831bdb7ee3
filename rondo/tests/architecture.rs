//! Who may use whom: the rules of docs/architecture.md, read off the manifests and the sources.

use std::collections::{BTreeMap, BTreeSet};
use std::path::{Path, PathBuf};

/// A crate may use these of ours, and no others.
const ALLOWED: [(&str, &[&str]); 18] = [
    ("contracts", &[]),
    ("trace", &[]),
    ("saga", &["contracts"]),
    ("messaging", &["contracts", "trace"]),
    ("migrations", &[]),
    ("sandbox", &[]),
    ("audit", &[]),
    ("model", &[]),
    ("service", &["contracts", "messaging", "trace"]),
    ("auth", &["contracts", "messaging", "service"]),
    ("user", &["contracts", "messaging", "service"]),
    ("billing", &["contracts", "messaging", "service"]),
    ("stock", &["contracts", "messaging", "service"]),
    ("delivery", &["contracts", "messaging", "service"]),
    ("notification", &["contracts", "messaging", "service"]),
    ("orchestrator", &["contracts", "messaging", "saga", "service"]),
    ("testkit", &["contracts", "messaging", "migrations", "sandbox", "service"]),
    ("rondo", &["*"]),
];

struct Crate {
    name: String,
    dir: PathBuf,
    dependencies: BTreeSet<String>,
}

fn root() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).parent().unwrap().to_owned()
}

/// Every member of the workspace, with what it depends on outside of tests.
fn crates() -> Vec<Crate> {
    let output = std::process::Command::new(env!("CARGO"))
        .args(["metadata", "--no-deps", "--format-version=1", "--offline", "--manifest-path"])
        .arg(root().join("Cargo.toml"))
        .output()
        .unwrap();
    assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
    let metadata: serde_json::Value = serde_json::from_slice(&output.stdout).unwrap();
    let member = |package: &serde_json::Value| Crate {
        name: package["name"].as_str().unwrap().to_owned(),
        dir: Path::new(package["manifest_path"].as_str().unwrap()).parent().unwrap().to_owned(),
        dependencies: (package["dependencies"].as_array().unwrap().iter())
            .filter(|dependency| dependency["kind"].is_null())
            .map(|dependency| dependency["name"].as_str().unwrap().to_owned())
            .collect(),
    };
    metadata["packages"].as_array().unwrap().iter().map(member).collect()
}

fn sources(dir: &Path) -> Vec<(PathBuf, String)> {
    let mut found = Vec::new();
    let mut folders = vec![dir.to_owned()];
    while let Some(folder) = folders.pop() {
        for entry in std::fs::read_dir(folder).into_iter().flatten().flatten() {
            let path = entry.path();
            if path.is_dir() {
                folders.push(path);
            } else if path.extension().is_some_and(|extension| extension == "rs") {
                let text = std::fs::read_to_string(&path).unwrap();
                found.push((path, text));
            }
        }
    }
    found
}

#[test]
fn crates_use_only_whom_they_may() {
    let crates = crates();
    let ours: BTreeSet<&str> = crates.iter().map(|one| one.name.as_str()).collect();
    let allowed: BTreeMap<&str, &[&str]> = ALLOWED.into_iter().collect();
    for one in &crates {
        let rule = allowed.get(one.name.as_str()).unwrap_or_else(|| panic!("{} has no rule yet", one.name));
        for used in one.dependencies.iter().filter(|name| ours.contains(name.as_str())) {
            let may = rule.contains(&"*") || rule.contains(&used.as_str());
            assert!(may, "{} must not use {used}", one.name);
        }
    }
}

#[test]
fn the_brain_and_the_contracts_know_no_hands() {
    for one in crates().iter().filter(|one| ["saga", "contracts"].contains(&one.name.as_str())) {
        for forbidden in ["tokio", "sea-orm", "async-nats", "axum", "rand"] {
            assert!(!one.dependencies.contains(forbidden), "{} must not use {forbidden}", one.name);
        }
        for (path, text) in sources(&one.dir.join("src")) {
            assert!(!text.contains("Utc::now"), "{}: no clock here", path.display());
        }
    }
}

#[test]
fn only_messaging_speaks_nats() {
    let speaks = |one: &Crate| one.dependencies.contains("async-nats");
    let speakers: Vec<String> = crates().into_iter().filter(speaks).map(|one| one.name).collect();
    let known = ["messaging", "testkit"];
    assert!(speakers.iter().all(|name| known.contains(&name.as_str())), "{speakers:?}");
}

#[test]
fn only_the_configuration_reads_the_environment() {
    for one in crates() {
        for (path, text) in sources(&one.dir.join("src")) {
            let home = path.to_string_lossy().contains("service/src/config") || one.name == "testkit";
            // Split, so that this very line is no find.
            let reads = text.contains(concat!("env::", "var")) || text.contains(concat!("env = ", "\""));
            assert!(home || !reads, "{} reads the environment", path.display());
        }
    }
}

#[test]
fn every_file_says_what_it_is_for() {
    for one in crates() {
        for (path, text) in sources(&one.dir) {
            assert!(text.starts_with("//!") || text.starts_with("#!["), "{} does not", path.display());
        }
    }
}
