//! The orchestrator makes the streams of its participants' commands: whoever comes first, and whatever is deleted.

use std::time::Duration;

use async_nats::jetstream;
use testkit::eventually;

use super::orders::Shop;
use super::processes::{SEPARATE, System};

const WITHIN: Duration = Duration::from_secs(30);
const OF_COMMANDS: [&str; 4] = ["CMD_BILLING", "CMD_STOCK", "CMD_DELIVERY", "CMD_NOTIFICATION"];

async fn jetstream_of(system: &System) -> jetstream::Context {
    jetstream::new(async_nats::connect(system.nats.url()).await.unwrap())
}

/// A participant does not need the orchestrator to be sent requests.
#[tokio::test]
async fn a_participant_that_comes_first_is_ready_waits_and_says_for_whom() {
    let mut system = System::start(&[]).await;
    let log = system.nats.home().join("processes.log");
    system.log = Some(log.clone());
    // Whoever has sessions says that all revocations are told: without that nobody is ready.
    for (name, services) in SEPARATE.iter().filter(|(name, _)| ["front", "stock"].contains(name)) {
        system.launch(name, services, &[("LOG", "info")]);
    }
    system.ready("stock").await;
    let words = "CMD_STOCK: it is not there yet; the orchestrator makes it";
    eventually(WITHIN, "it to say so", async || {
        std::fs::read_to_string(&log).unwrap().contains(words).then_some(())
    })
    .await;
    assert_eq!(system.internal_client("stock", None).get("/readyz").await.status, 200);
    let jetstream = jetstream_of(&system).await;
    assert!(jetstream.get_stream("CMD_STOCK").await.is_err(), "it makes none itself");

    for (name, services) in SEPARATE.iter().filter(|(name, _)| !["front", "stock"].contains(name)) {
        system.launch(name, services, &[]);
        system.ready(name).await;
    }
    for stream in OF_COMMANDS {
        let made = async || jetstream.get_stream(stream).await.ok();
        eventually(WITHIN, &format!("{stream} to be made, without an order"), made).await;
    }
    let mut shop = Shop::open(&system, 1, 1).await;
    shop.place(&system, "orchestrator", 3).await;
    shop.settled(&system).await;
}

#[tokio::test]
async fn the_first_orders_after_all_streams_of_commands_were_deleted_are_done() {
    let system = System::start(&SEPARATE).await;
    let mut shop = Shop::open(&system, 1, 3).await;
    shop.place(&system, "orchestrator", 1).await;
    shop.settled(&system).await;
    for stream in OF_COMMANDS {
        testkit::delete_stream(&system.nats.url(), stream).await;
    }
    shop.place(&system, "orchestrator", 3).await;
    assert_eq!(shop.accepted.len(), 4);
    shop.settled(&system).await;
    let jetstream = jetstream_of(&system).await;
    for stream in OF_COMMANDS {
        assert!(jetstream.get_stream(stream).await.is_ok(), "{stream}");
    }
}
