//! Manifests as a cluster gets them.

use std::path::{Path, PathBuf};
use std::process::Command;

use serde::Deserialize;
use serde_json::Value;

/// The overlays; a new one has to be named here, and is then checked like the others.
pub(crate) const OVERLAYS: [&str; 2] = ["local", "production"];
/// Kinds that make pods.
const WORKLOADS: [&str; 3] = ["Deployment", "StatefulSet", "Job"];

/// Everything that an overlay brings.
#[derive(Debug, Clone)]
pub(crate) struct Manifests(Vec<Value>);

/// The pods of a workload.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Pods<'a> {
    pub(crate) name: &'a str,
    pub(crate) kind: &'a str,
    pub(crate) labels: &'a Value,
    pub(crate) spec: &'a Value,
}

/// A file of the repository.
pub(crate) fn file(path: &str) -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("..").join(path)
}

/// The documents of a YAML text.
pub(crate) fn yaml(text: &str) -> Vec<Value> {
    serde_yaml_ng::Deserializer::from_str(text)
        .map(|document| Value::deserialize(document).unwrap())
        .collect()
}

impl Manifests {
    /// As `kubectl apply -k` makes them.
    pub(crate) fn of(overlay: &str) -> Self {
        Self::rendered(&file("k8s/overlays").join(overlay))
    }

    /// Those of an overlay on top of this one, with these lines.
    pub(crate) fn above(overlay: &str, lines: &str) -> Self {
        let dir = tempfile::tempdir().unwrap();
        let folder = dir.path().canonicalize().unwrap();
        let overlay = file("k8s/overlays").join(overlay).canonicalize().unwrap();
        // kustomize takes no absolute paths.
        let up = "../".repeat(folder.components().count() - 1);
        let below = overlay.strip_prefix("/").unwrap();
        let head = "apiVersion: kustomize.config.k8s.io/v1beta1\nkind: Kustomization\nnamespace: rondo";
        let kustomization = format!("{head}\nresources: [{up}{}]\n{lines}", below.display());
        std::fs::write(folder.join("kustomization.yaml"), kustomization).unwrap();
        Self::rendered(&folder)
    }

    /// Those of a copy of an overlay, in whose kustomization one thing is another.
    pub(crate) fn of_copy(overlay: &str, from: &str, to: &str) -> Self {
        let dir = tempfile::tempdir().unwrap();
        let copied =
            Command::new("cp").arg("-r").args([file("k8s"), file("grafana")]).arg(dir.path()).status();
        assert!(copied.unwrap().success());
        let folder = dir.path().join("k8s/overlays").join(overlay);
        let path = folder.join("kustomization.yaml");
        let text = std::fs::read_to_string(&path).unwrap();
        assert_eq!(text.matches(from).count(), 1, "{from} stands once in {}", path.display());
        std::fs::write(&path, text.replace(from, to)).unwrap();
        Self::rendered(&folder)
    }

    fn rendered(folder: &Path) -> Self {
        let rendered = Command::new(testkit::tool("kubectl")).arg("kustomize").arg(folder).output().unwrap();
        let said = String::from_utf8_lossy(&rendered.stderr);
        assert!(rendered.status.success(), "{}: {said}", folder.display());
        Self(yaml(&String::from_utf8(rendered.stdout).unwrap()))
    }

    /// The same with `from` instead of `to`, wherever it stands.
    pub(crate) fn with(&self, from: &str, to: &str) -> Self {
        let text = serde_json::to_string(&self.0).unwrap();
        assert!(text.contains(from), "{from} stands nowhere");
        Self(serde_json::from_str(&text.replace(from, to)).unwrap())
    }

    pub(crate) fn of_kind<'a>(&'a self, kind: &'a str) -> impl Iterator<Item = &'a Value> {
        self.0.iter().filter(move |resource| resource["kind"] == kind)
    }

    /// The one of this kind and name; a hash that kustomize put behind the name is part of it.
    pub(crate) fn find(&self, kind: &str, name: &str) -> Option<&Value> {
        self.0.iter().find(|resource| resource["kind"] == kind && resource["metadata"]["name"] == name)
    }

    pub(crate) fn pods(&self) -> Vec<Pods<'_>> {
        let workloads = self.0.iter().filter_map(|resource| {
            let kind = resource["kind"].as_str()?;
            let template = &resource["spec"]["template"];
            WORKLOADS.contains(&kind).then_some(Pods {
                name: resource["metadata"]["name"].as_str()?,
                kind,
                labels: &template["metadata"]["labels"],
                spec: &template["spec"],
            })
        });
        workloads.collect()
    }

    /// Those that run our program.
    pub(crate) fn ours(&self) -> Vec<Pods<'_>> {
        self.pods().into_iter().filter(|pods| pods.container()["name"] == "rondo").collect()
    }

    /// Every setting of our program in these pods, as the cluster composes them.
    pub(crate) fn environment(&self, pods: &Pods<'_>) -> Vec<(String, String)> {
        let container = pods.container();
        let mut settings = std::collections::BTreeMap::new();
        for source in list(&container["envFrom"]) {
            let Some(name) = source["configMapRef"]["name"].as_str() else { continue };
            let config = self.find("ConfigMap", name).unwrap_or_else(|| panic!("no ConfigMap {name}"));
            for (name, value) in config["data"].as_object().unwrap() {
                settings.insert(name.clone(), value.as_str().unwrap().to_owned());
            }
        }
        for one in list(&container["env"]) {
            let value = one["value"].as_str().unwrap_or_else(|| panic!("{one} is a text"));
            settings.insert(text(&one["name"]).to_owned(), value.to_owned());
        }
        settings.into_iter().collect()
    }
}

impl<'a> Pods<'a> {
    /// Pods here have one container.
    pub(crate) fn container(&self) -> &'a Value {
        &self.spec["containers"][0]
    }

    pub(crate) fn arguments(&self) -> Vec<&'a str> {
        list(&self.container()["args"]).iter().map(text).collect()
    }

    pub(crate) fn component(&self) -> &'a str {
        text(&self.labels["app.kubernetes.io/component"])
    }

    /// The number of a port that has a name.
    pub(crate) fn port(&self, name: &str) -> Option<u64> {
        let ports = list(&self.container()["ports"]);
        ports.iter().find(|port| port["name"] == name)?["containerPort"].as_u64()
    }

    /// Whether a selector of labels takes these pods.
    pub(crate) fn are_taken_by(&self, selector: &Value) -> bool {
        let has = |(name, value): (&String, &Value)| self.labels[name] == *value;
        let labels = selector["matchLabels"].as_object();
        let by_labels = labels.is_none_or(|labels| labels.iter().all(has));
        let by_expressions = list(&selector["matchExpressions"]).iter().all(|expression| {
            assert_eq!(expression["operator"], "In", "no other is used: {expression}");
            list(&expression["values"]).contains(&self.labels[text(&expression["key"])])
        });
        by_labels && by_expressions
    }
}

/// The items of what may be missing.
pub(crate) fn list(value: &Value) -> &[Value] {
    value.as_array().map_or(&[], Vec::as_slice)
}

pub(crate) fn text(value: &Value) -> &str {
    value.as_str().unwrap_or_else(|| panic!("{value} is no text"))
}
