//! The NATS of the production overlay, run: three servers with the manifests' configuration, TLS and users, in which only
//! addresses and folders are replaced.

use std::net::IpAddr;
use std::path::Path;
use std::process::Stdio;
use std::time::Duration;

use messaging::{Access, Bus, topology};
use rcgen::{CertificateParams, KeyPair, SanType};
use secrecy::ExposeSecret;
use testkit::{eventually, free_port};
use tokio::process::{Child, Command};

use super::manifests::{Manifests, text};
use super::secrets::made;

const SERVERS: usize = 3;
const WITHIN: Duration = Duration::from_secs(60);

/// A certificate for servers that are all here.
fn certify(folder: &Path) {
    let key = KeyPair::generate().unwrap();
    let mut params = CertificateParams::new(["localhost".to_owned()]).unwrap();
    params.subject_alt_names.push(SanType::IpAddress(IpAddr::from([127, 0, 0, 1])));
    let certificate = params.self_signed(&key).unwrap().pem();
    std::fs::write(folder.join("tls.crt"), &certificate).unwrap();
    std::fs::write(folder.join("ca.crt"), &certificate).unwrap();
    std::fs::write(folder.join("tls.key"), key.serialize_pem()).unwrap();
}

/// The file of a ConfigMap, with each of these replaced.
fn put(folder: &Path, name: &str, content: &str, here: &[(String, String)]) {
    let content = here.iter().fold(content.to_owned(), |content, (there, here)| content.replace(there, here));
    std::fs::write(folder.join(name), content).unwrap();
}

struct Server {
    port: u16,
    monitor: u16,
    _process: Child,
}

#[tokio::test]
async fn three_servers_of_production_copy_a_stream_three_times() {
    let production = Manifests::of("production");
    let folder = tempfile::tempdir().unwrap();
    certify(folder.path());
    let secrets = made(&folder.path().join("keys"), "postgres");
    let pods = production.pods().into_iter().find(|pods| pods.name == "nats").unwrap();
    assert_eq!(production.find("StatefulSet", "nats").unwrap()["spec"]["replicas"], SERVERS);
    let volumes = pods.spec["volumes"].as_array().unwrap();
    let map = volumes.iter().find_map(|volume| volume["configMap"]["name"].as_str()).unwrap();
    let files = production.find("ConfigMap", map).unwrap()["data"].as_object().unwrap();
    let peers: [u16; SERVERS] = std::array::from_fn(|_| free_port());
    let mut servers = Vec::new();
    for (index, peer) in peers.into_iter().enumerate() {
        let (home, port, monitor) = (folder.path().join(format!("nats-{index}")), free_port(), free_port());
        std::fs::create_dir(&home).unwrap();
        let mut here = vec![
            ("port: 4222".to_owned(), format!("listen: 127.0.0.1:{port}")),
            ("http_port: 8222".to_owned(), format!("http: 127.0.0.1:{monitor}")),
            ("port: 6222".to_owned(), format!("listen: 127.0.0.1:{peer}")),
            ("/run/tls/nats".to_owned(), folder.path().display().to_string()),
            ("/run/nats".to_owned(), home.display().to_string()),
            ("store_dir: /data".to_owned(), format!("store_dir: {:?}", home.join("data"))),
        ];
        for (index, peer) in peers.iter().enumerate() {
            here.push((format!("nats-{index}.nats-peers:6222"), format!("127.0.0.1:{peer}")));
        }
        for (name, content) in files {
            put(&home, name, text(content), &here);
        }
        let mut command = Command::new(testkit::tool("nats-server"));
        command.arg("--config").arg(home.join("nats.conf")).env_clear().envs(&secrets["nats-users"]);
        command.env("POD_NAME", format!("nats-{index}")).stdin(Stdio::null()).stdout(Stdio::null());
        let log = std::fs::File::create(home.join("nats.log")).unwrap();
        let process = command.stderr(log).kill_on_drop(true).spawn().unwrap();
        servers.push(Server { port, monitor, _process: process });
    }
    let path = text(&pods.container()["readinessProbe"]["httpGet"]["path"]);
    for Server { monitor, .. } in &servers {
        eventually(WITHIN, "every server to be ready", async || {
            let answer = reqwest::get(format!("http://127.0.0.1:{monitor}{path}")).await.ok()?;
            (answer.status() == 200).then_some(())
        })
        .await;
    }

    let url = format!("tls://localhost:{}", servers[1].port);
    let access = |seed: &str| Access {
        seed: Some(seed.into()),
        ca_file: Some(folder.path().join("ca.crt")),
        replicas: Some(copies(&production)),
        ..Access::default()
    };
    // As auth makes it, by its own right.
    let auth = Bus::connect_as(&url, "auth", &access(&secrets["auth"]["nats-seed"])).await.unwrap();
    let spec = topology::sessions(Duration::from_secs(360));
    let stream = eventually(WITHIN, "a stream", async || auth.ensure_stream("auth", &spec).await.ok()).await;
    let made = stream.cached_info().clone();
    assert_eq!(made.config.num_replicas, SERVERS);
    let cluster = made.cluster.unwrap();
    assert_eq!((cluster.name.as_deref(), cluster.replicas.len()), (Some("rondo"), SERVERS - 1));

    let stranger = messaging::nkey::new_seed();
    let stranger = Bus::connect_as(&url, "auth", &access(stranger.expose_secret())).await.unwrap();
    eventually(WITHIN, "a refusal of whose key is unknown", async || stranger.refusal()).await;
    let plain = async_nats::connect(format!("nats://127.0.0.1:{}", servers[0].port)).await;
    assert!(plain.is_err(), "who has no key and no TLS does not come in");
}

/// The copies that the production overlay wants.
fn copies(production: &Manifests) -> usize {
    let auth = production.ours().into_iter().find(|pods| pods.name == "auth").unwrap();
    let settings = production.environment(&auth);
    settings.iter().find(|(name, _)| name == "NATS_REPLICAS").unwrap().1.parse().unwrap()
}
