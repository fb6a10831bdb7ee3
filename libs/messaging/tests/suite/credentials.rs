//! A NATS that wants to know who connects: the address carries user and password, and nobody is shown them.

use std::io::Write;
use std::time::Duration;

use messaging::Bus;
use nix::sys::signal::{Signal, kill};
use nix::unistd::Pid;
use testkit::eventually;

const WITHIN: Duration = Duration::from_secs(10);

#[tokio::test]
async fn who_connects_is_known_by_the_address() {
    let nats = testkit::nats().await;
    let config = nats.home().join("nats.conf");
    let mut config = std::fs::File::options().append(true).open(config).unwrap();
    // The password has what an address must write in another way.
    config.write_all(b"authorization { user: rondo, password: \"p@ss/word\" }\n").unwrap();
    nats.pids().into_iter().for_each(|pid| kill(Pid::from_raw(pid), Signal::SIGHUP).unwrap());
    let guarded = async || async_nats::connect(nats.url()).await.is_err().then_some(());
    eventually(WITHIN, "a NATS that refuses strangers", guarded).await;

    let url = nats.url().replace("://", "://rondo:p%40ss%2Fword@");
    let bus = Bus::connect(&url, "test").await.unwrap();
    eventually(WITHIN, "a connection", async || bus.is_connected().then_some(())).await;
}

#[tokio::test]
async fn an_address_that_has_no_meaning_is_refused_without_its_password() {
    let refused = Bus::connect("http://rondo:sesame@127.0.0.1:4222", "test").await.unwrap_err();
    assert!(!format!("{refused} {refused:?}").contains("sesame"), "{refused:?}");
}
