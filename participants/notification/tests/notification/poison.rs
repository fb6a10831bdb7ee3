//! One item of 64 that cannot be processed: it is put aside alone, its 63 neighbours get their letters.

use async_nats::jetstream::{self, consumer::PullConsumer};
use contracts::notification::{LetterKind, Notify};
use contracts::user::{Locale, UserRegistered};
use contracts::{Command, Event};
use serde_json::Value;
use testkit::{command_item, event_item, eventually};
use uuid::Uuid;

use crate::desk::{Desk, WITHIN, notify, registered};

const HEALTHY: usize = 63;

impl Desk {
    /// Exactly this item is put aside, everybody else has a letter, and the message does not come again.
    async fn only_this_is_dead(&self, poison: &Value, stream: &str) {
        self.letters_are(HEALTHY as i64).await;
        let id: Uuid = poison["id"].as_str().unwrap().parse().unwrap();
        let sql = "SELECT count(*) FROM dead_letters WHERE letter_id = $1 AND count = 1";
        let kept = async || (self.number(sql, [id.into()]).await == 1).then_some(());
        eventually(WITHIN, "the dead letter", kept).await;
        assert_eq!(self.number("SELECT count(*) FROM dead_letters", []).await, 1);
        let client = async_nats::connect(self.bed.nats.url()).await.unwrap();
        let road = jetstream::new(client);
        eventually(WITHIN, "everything to be acknowledged", async || {
            let mut consumer: PullConsumer =
                road.get_consumer_from_stream("notification", stream).await.unwrap();
            let info = consumer.info().await.unwrap();
            (info.num_ack_pending == 0 && info.num_pending == 0).then_some(())
        })
        .await;
    }
}

fn among_healthy(poison: &Value, healthy: impl Fn() -> Value) -> Vec<Value> {
    let mut items: Vec<Value> = (0..HEALTHY).map(|_| healthy()).collect();
    items.insert(40, poison.clone());
    items
}

#[tokio::test]
async fn what_the_database_refuses_is_put_aside_alone() {
    let desk = Desk::start().await;
    // PostgreSQL stores any text but this.
    let poison = event_item(&UserRegistered { name: Some("a\0b".into()), ..registered(Locale::En) });
    let items = among_healthy(&poison, || event_item(&registered(Locale::En)));
    desk.bed.road.send(UserRegistered::TYPE, &items).await;
    desk.only_this_is_dead(&poison, "EVENTS").await;
    assert_eq!(desk.number("SELECT count(*) FROM contacts", []).await, HEALTHY as i64);
    desk.notification.stop().await;
}

#[tokio::test]
async fn what_cannot_be_decoded_is_put_aside_alone() {
    let desk = Desk::start().await;
    let letter = || command_item(&notify(Uuid::now_v7(), LetterKind::OrderConfirmed, Some(500), None));
    let mut poison = letter();
    poison["data"]["data"] = serde_json::json!({ "order_id": "none" });
    desk.bed.road.send(Notify::TYPE, &among_healthy(&poison, letter)).await;
    desk.only_this_is_dead(&poison, "CMD_NOTIFICATION").await;
    desk.notification.stop().await;
}
