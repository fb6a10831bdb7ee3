//! NATS through its life.

use std::time::Duration;

use async_nats::jetstream::{self, stream};
use sandbox::{Error, Nats, NatsOptions};
use tokio::time::timeout;

use crate::{assert_gone_within, fresh_dir, nats_options};

async fn jetstream_of(server: &Nats) -> jetstream::Context {
    jetstream::new(async_nats::connect(server.url()).await.unwrap())
}

async fn messages(server: &Nats) -> u64 {
    jetstream_of(server).await.get_stream("KEPT").await.unwrap().cached_info().state.messages
}

async fn keep_one_message(server: &Nats) {
    let context = jetstream_of(server).await;
    let config = stream::Config { name: "KEPT".into(), subjects: vec!["kept".into()], ..Default::default() };
    context.create_stream(config).await.unwrap();
    context.publish("kept", "one".into()).await.unwrap().await.unwrap();
}

#[tokio::test]
async fn streams_outlive_stop_restart_and_crash() {
    let dir = fresh_dir("nats_kept");
    let mut first = Nats::start(nats_options(dir.clone())).await.unwrap();
    keep_one_message(&first).await;
    let port = first.port();
    first.restart().await.unwrap();
    assert_eq!((first.port(), messages(&first).await), (port, 1));

    let pids = first.pids();
    first.kill().await.unwrap();
    assert_gone_within(Duration::from_secs(1), &pids);
    first.restart().await.unwrap();
    assert_eq!(messages(&first).await, 1);

    let pids = first.pids();
    first.stop().await.unwrap();
    assert_gone_within(Duration::from_secs(1), &pids);
    let second = Nats::start(nats_options(dir)).await.unwrap();
    assert_eq!(messages(&second).await, 1);
}

#[tokio::test]
async fn a_frozen_server_answers_when_thawed() {
    let server = Nats::start(nats_options(fresh_dir("nats_frozen"))).await.unwrap();
    let client = async_nats::connect(server.url()).await.unwrap();
    client.flush().await.unwrap();

    server.freeze().await.unwrap();
    let mut flushed = Box::pin(async_nats::connect(server.url()));
    assert!(timeout(Duration::from_millis(200), &mut flushed).await.is_err(), "a frozen server answered");
    server.thaw();
    timeout(Duration::from_secs(10), flushed).await.unwrap().unwrap();
}

#[tokio::test]
async fn a_dropped_server_is_gone_soon() {
    let server = Nats::start(nats_options(fresh_dir("nats_dropped"))).await.unwrap();
    let pids = server.pids();
    assert_eq!(pids.len(), 1);
    drop(server);
    assert_gone_within(Duration::from_secs(5), &pids);
}

#[tokio::test]
async fn a_server_that_is_too_old_is_named() {
    use std::os::unix::fs::PermissionsExt;
    let dir = fresh_dir("nats_old");
    let old = dir.join("nats-server");
    std::fs::write(&old, "#!/bin/sh\necho nats-server: v2.9.10\n").unwrap();
    std::fs::set_permissions(&old, std::fs::Permissions::from_mode(0o755)).unwrap();
    let options = NatsOptions { tools: vec![dir.clone()], ..nats_options(dir.join("data")) };
    match Nats::start(options).await {
        // A good one in a folder of the system is used instead.
        Ok(_) => assert!(
            ["/usr/local/bin", "/usr/bin"]
                .iter()
                .any(|usual| { std::path::Path::new(usual).join("nats-server").exists() })
        ),
        Err(error) => {
            assert!(matches!(&error, Error::TooOld { found, .. } if found == "2.9"), "{error}");
            assert!(error.to_string().contains("install-servers.sh"), "{error}");
        }
    }
}
