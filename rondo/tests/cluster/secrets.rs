//! Secrets: everything that is mounted is made by `rondo cluster-secrets` or by cert-manager, and every setting that
//! names a file names one that is mounted.

use std::collections::{BTreeMap, BTreeSet};

use serde_json::Value;

use super::local::ODD_PASSWORD;
use super::manifests::{Manifests, OVERLAYS, Pods, list, text};
use super::programs::{printed, rondo};

/// What cert-manager puts into a Secret.
const CERTIFICATE: [&str; 3] = ["tls.crt", "tls.key", "ca.crt"];
/// The Secret that no pod is given.
const KEYS: &str = "keys";

/// What `rondo cluster-secrets print` makes, by name.
pub(crate) fn made(dir: &std::path::Path, postgres: &str) -> BTreeMap<String, BTreeMap<String, String>> {
    let folder = dir.to_str().unwrap();
    printed(&["cluster-secrets", "keys", folder]);
    let printed = printed(&["cluster-secrets", "print", folder, "--postgres", postgres]);
    let made: Value = serde_json::from_str(&printed).unwrap();
    let entries = |secret: &Value| serde_json::from_value(secret["stringData"].clone()).unwrap();
    list(&made["items"])
        .iter()
        .map(|secret| (text(&secret["metadata"]["name"]).to_owned(), entries(secret)))
        .collect()
}

/// The keys of every Secret that there will be.
fn known(manifests: &Manifests) -> BTreeMap<String, BTreeSet<String>> {
    let dir = tempfile::tempdir().unwrap();
    let made = made(dir.path(), "postgres");
    let mut known: BTreeMap<String, BTreeSet<String>> =
        made.into_iter().map(|(name, entries)| (name, entries.into_keys().collect())).collect();
    for certificate in manifests.of_kind("Certificate") {
        let name = text(&certificate["spec"]["secretName"]).to_owned();
        known.insert(name, CERTIFICATE.map(str::to_owned).into());
    }
    known
}

/// The files of a pod that come out of Secrets: path, Secret, key. A Secret that is mounted whole gives all it has.
pub(crate) fn mounted(pods: &Pods<'_>, known: &BTreeMap<String, BTreeSet<String>>) -> Vec<[String; 3]> {
    let mut files = Vec::new();
    for volume in list(&pods.spec["volumes"]) {
        let Some(secret) = volume["secret"]["secretName"].as_str() else { continue };
        let mounts = list(&pods.container()["volumeMounts"]).iter();
        for mount in mounts.filter(|mount| mount["name"] == volume["name"]) {
            let path = |file: &str| format!("{}/{file}", text(&mount["mountPath"]));
            let items = list(&volume["secret"]["items"]);
            let named =
                items.iter().map(|item| (text(&item["path"]).to_owned(), text(&item["key"]).to_owned()));
            let whole = known.get(secret).into_iter().flatten().map(|key| (key.clone(), key.clone()));
            let all: Vec<_> = if items.is_empty() { whole.collect() } else { named.collect() };
            files.extend(all.into_iter().map(|(file, key)| [path(&file), secret.to_owned(), key]));
        }
    }
    files
}

pub(crate) fn are_there(manifests: &Manifests) -> Vec<String> {
    let known = known(manifests);
    let has = |secret: &str, key: &str| known.get(secret).is_some_and(|keys| keys.contains(key));
    let mut problems = Vec::new();
    for pods in manifests.pods() {
        let container = pods.container();
        let mut wanted: Vec<(String, Option<String>)> = Vec::new();
        for [_, secret, key] in mounted(&pods, &known) {
            wanted.push((secret, Some(key)));
        }
        for volume in list(&pods.spec["volumes"]) {
            wanted.extend(volume["secret"]["secretName"].as_str().map(|secret| (secret.to_owned(), None)));
        }
        for one in list(&container["env"]) {
            let reference = &one["valueFrom"]["secretKeyRef"];
            wanted.extend(
                reference["name"]
                    .as_str()
                    .map(|name| (name.to_owned(), reference["key"].as_str().map(str::to_owned))),
            );
        }
        for source in list(&container["envFrom"]) {
            wanted.extend(source["secretRef"]["name"].as_str().map(|name| (name.to_owned(), None)));
        }
        for (secret, key) in wanted {
            let is_there = key.as_ref().map_or(known.contains_key(&secret), |key| has(&secret, key));
            if !is_there {
                problems.push(format!(
                    "{}: nobody makes {} of the Secret {secret}",
                    pods.name,
                    key.unwrap_or_default()
                ));
            }
            if secret == KEYS {
                problems.push(format!("{} is given all keys", pods.name));
            }
        }
    }
    problems
}

pub(crate) fn files_are_mounted(manifests: &Manifests) -> Vec<String> {
    let known = known(manifests);
    let mut problems = Vec::new();
    for pods in manifests.ours() {
        let files: BTreeSet<_> = mounted(&pods, &known).into_iter().map(|[path, ..]| path).collect();
        let settings = manifests.environment(&pods).into_iter().filter(|(name, _)| name.ends_with("_FILE"));
        // The gateway shares the settings, and speaks no NATS.
        let of_others = |name: &str| pods.name == "gateway" && name == "NATS_CA_FILE";
        for (name, path) in settings.filter(|(name, _)| !of_others(name)) {
            if !files.contains(&path) {
                problems.push(format!("{}: {name} is at {path}, where nothing is mounted", pods.name));
            }
        }
    }
    problems
}

/// No process is given the secrets of another.
pub(crate) fn are_their_own(manifests: &Manifests) -> Vec<String> {
    let of_deployments = manifests.ours().into_iter().filter(|pods| pods.kind == "Deployment");
    let mut problems = Vec::new();
    for pods in of_deployments {
        for volume in list(&pods.spec["volumes"]) {
            let Some(secret) = volume["secret"]["secretName"].as_str() else { continue };
            if secret != pods.name && volume["name"] != "nats-ca" {
                problems.push(format!("{} is given the Secret {secret}", pods.name));
            }
        }
    }
    problems
}

/// The Job may make and change what it makes, and nothing else.
pub(crate) fn may_be_made(manifests: &Manifests) -> Vec<String> {
    let Some(role) = manifests.find("Role", "secrets") else { return Vec::new() };
    let dir = tempfile::tempdir().unwrap();
    let mut made: BTreeSet<_> = made(dir.path(), "postgres").into_keys().collect();
    made.insert(KEYS.to_owned());
    let names = |verb: &str| -> BTreeSet<String> {
        let rules =
            list(&role["rules"]).iter().filter(|rule| list(&rule["verbs"]).iter().any(|one| one == verb));
        rules.flat_map(|rule| list(&rule["resourceNames"])).map(|name| text(name).to_owned()).collect()
    };
    let mut problems: Vec<_> = names("patch")
        .symmetric_difference(&made)
        .map(|name| format!("the right to make {name} is wrong"))
        .collect();
    if names("get") != BTreeSet::from([KEYS.to_owned()]) {
        problems.push("the Job may read other Secrets than the keys".to_owned());
    }
    problems
}

#[test]
fn every_secret_is_made_and_every_file_mounted() {
    for overlay in OVERLAYS {
        let manifests = Manifests::of(overlay);
        for check in [are_there, files_are_mounted, are_their_own, may_be_made] {
            assert_eq!(check(&manifests), Vec::<String>::new(), "{overlay}");
        }
    }
}

#[test]
fn an_odd_password_comes_into_addresses_as_it_is_and_an_empty_one_into_none() {
    let dir = tempfile::tempdir().unwrap();
    let file = dir.path().join("postgres/rondo_stock.password");
    std::fs::create_dir(dir.path().join("postgres")).unwrap();
    std::fs::write(&file, format!("{ODD_PASSWORD}\n")).unwrap();
    let made = made(dir.path(), "db.example.com:5433");
    assert_eq!(made["postgres"]["RONDO_STOCK_PASSWORD"], ODD_PASSWORD);
    let address = &made["stock"]["database-url"];
    let (who, rest) = address.strip_prefix("postgres://").unwrap().split_once('@').unwrap();
    assert_eq!(rest, "db.example.com:5433/rondo_stock");
    let password = who.strip_prefix("rondo_stock:").unwrap();
    assert!(password.chars().all(|one| one.is_ascii_alphanumeric() || one == '%'), "{password}");
    assert_eq!(percent_encoding::percent_decode_str(password).decode_utf8().unwrap(), ODD_PASSWORD);

    for empty in ["", "\n"] {
        std::fs::write(&file, empty).unwrap();
        let output = rondo(&["cluster-secrets", "print", dir.path().to_str().unwrap()]).output().unwrap();
        let said = String::from_utf8_lossy(&output.stderr);
        assert!(!output.status.success() && output.stdout.is_empty(), "{said}");
        assert!(said.contains("rondo_stock.password is empty"), "{said}");
    }
}

#[test]
fn a_folder_that_is_not_there_gives_no_new_keys() {
    let dir = tempfile::tempdir().unwrap();
    let mistyped = dir.path().join("kyes");
    let folder = mistyped.to_str().unwrap();
    for (arguments, made_by) in [
        (["cluster-secrets", "print", folder].as_slice(), "cluster-secrets keys"),
        (&["rights", "nats", "--keys", folder], "rights keys"),
    ] {
        let said = refused(arguments);
        assert!(said.contains(&format!("is no folder of keys; `rondo {made_by} ")), "{said}");
        assert!(!mistyped.exists(), "{arguments:?}");
    }
}

/// What is said against these arguments; nothing is printed then.
fn refused(arguments: &[&str]) -> String {
    let output = rondo(arguments).output().unwrap();
    assert!(!output.status.success() && output.stdout.is_empty(), "{arguments:?}");
    String::from_utf8(output.stderr).unwrap()
}

#[test]
fn a_folder_that_lacks_something_gives_nothing_new_and_says_what() {
    let dir = tempfile::tempdir().unwrap();
    let folder = dir.path().to_str().unwrap();
    let (print, nats) = (["cluster-secrets", "print", folder], ["rights", "nats", "--keys", folder]);
    let told = |arguments: &[&str]| String::from_utf8(rondo(arguments).output().unwrap().stderr).unwrap();
    assert!(told(&["rights", "keys", folder]).contains("keys and passwords made in"));
    // These are no rights.
    let said = refused(&print);
    assert!(said.contains("lacks signing-key.pem, postgres/postgres.password; "), "{said}");
    let said = told(&["cluster-secrets", "keys", folder]);
    assert!(
        said.contains("for they were missing or wrong: signing-key.pem, postgres/postgres.password"),
        "{said}"
    );
    assert_eq!(told(&["cluster-secrets", "keys", folder]), "");
    let before = printed(&nats);

    std::fs::remove_file(dir.path().join("nats/billing.seed")).unwrap();
    std::fs::remove_file(dir.path().join("postgres/rondo_stock.password")).unwrap();
    for arguments in [print.as_slice(), &nats] {
        let said = refused(arguments);
        assert!(said.contains("lacks nats/billing.seed, postgres/rondo_stock.password; "), "{said}");
        assert!(!dir.path().join("nats/billing.seed").exists());
    }
    let said = told(&["rights", "keys", folder]);
    assert!(
        said.contains("wrong: nats/billing.seed, nats/billing.public, postgres/rondo_stock.password"),
        "{said}"
    );
    assert_ne!(printed(&nats), before, "another key");

    for half in ["seed", "public"] {
        let file = |user: &str| dir.path().join(format!("nats/{user}.{half}"));
        std::fs::copy(file("stock"), file("billing")).unwrap();
    }
    for arguments in
        [print.as_slice(), &nats, &["rights", "keys", folder], &["cluster-secrets", "keys", folder]]
    {
        let said = refused(arguments);
        assert!(said.contains("stock.seed") && said.contains("billing.seed"), "{said}");
    }
}

#[test]
fn no_folder_and_a_file_are_no_folder_of_keys() {
    let dir = tempfile::tempdir().unwrap();
    let file = dir.path().join("file");
    std::fs::write(&file, "").unwrap();
    let in_file = file.join("keys");
    for folder in ["", file.to_str().unwrap(), in_file.to_str().unwrap()] {
        for arguments in [["rights", "keys"], ["cluster-secrets", "keys"], ["cluster-secrets", "print"]] {
            refused(&[arguments[0], arguments[1], folder]);
        }
    }
}
