//! What delivery hears: where users live. What it tells: sent, received, cancelled, once each.

use std::slice::from_ref;

use chrono::TimeDelta;
use contracts::Event;
use contracts::delivery::{DeliveryCancelled, OrderReceived, OrderSent};
use contracts::user::{Locale, ProfileChanged};
use serde_json::json;
use testkit::{event_item, eventually};
use uuid::Uuid;

use crate::city::{City, WITHIN, cancel, schedule};

fn lives_at(user_id: Uuid, address: Option<&str>) -> ProfileChanged {
    ProfileChanged { user_id, locale: Locale::En, address: address.map(str::to_owned) }
}

impl City {
    /// Waits until the address was heard.
    async fn hears(&self, user_id: Uuid, address: Option<&str>) {
        let sql = "SELECT count(*) FROM recipients WHERE user_id = $1 AND address IS NOT DISTINCT FROM $2";
        let what = format!("the address {address:?}");
        let heard = async || {
            let values = [user_id.into(), address.map(str::to_owned).into()];
            (self.number(sql, values).await == 1).then_some(())
        };
        eventually(WITHIN, &what, heard).await;
    }

    /// Where a new order of the user goes that says nothing of it.
    async fn destination(&self, user_id: Uuid) -> serde_json::Value {
        let command = contracts::delivery::ScheduleDelivery { user_id, ..schedule(None) };
        self.bed.road.ask(&command).await;
        let path = format!("/api/v1/order/{}/delivery", command.order_id);
        let answer = self.customer(user_id).get(&path).await;
        assert_eq!(answer.status, 200, "{answer:?}");
        answer.body["address"].clone()
    }

    /// How many times each fact was told, in the outbox: whatever is there leaves.
    async fn stored<E: Event>(&self) -> i64 {
        let sql = "SELECT count(*) FROM outbox, json_array_elements(events::json) AS item \
                   WHERE item ->> 'type' = $1";
        self.number(sql, [E::TYPE.into()]).await
    }
}

#[tokio::test]
async fn orders_go_where_the_profile_says_and_older_events_change_nothing() {
    let city = City::with_couriers(1).await;
    let user_id = Uuid::now_v7();
    assert_eq!(city.destination(user_id).await, json!(null), "of whom nothing was heard");
    let mut older = event_item(&lives_at(user_id, Some("Omsk")));
    older["time"] = (chrono::Utc::now() - TimeDelta::hours(1)).to_rfc3339().into();
    let younger = event_item(&lives_at(user_id, Some("Tomsk")));
    city.bed.road.send(ProfileChanged::TYPE, &[younger.clone(), older.clone()]).await;
    city.hears(user_id, Some("Tomsk")).await;
    assert_eq!(city.destination(user_id).await, json!("Tomsk"));

    // All of it again, and another one behind it: what came before is heard by then.
    city.bed.road.send(ProfileChanged::TYPE, &[older, younger]).await;
    let marker = Uuid::now_v7();
    city.bed.road.tell(from_ref(&lives_at(marker, Some("Tver")))).await;
    city.hears(marker, Some("Tver")).await;
    assert_eq!(city.destination(user_id).await, json!("Tomsk"));

    city.bed.road.tell(from_ref(&lives_at(user_id, None))).await;
    city.hears(user_id, None).await;
    assert_eq!(city.destination(user_id).await, json!(null), "an address that was taken away");
    city.delivery.stop().await;
}

#[tokio::test]
async fn everybody_is_told_once_however_often_it_is_asked() {
    let city = City::with_couriers(1).await;
    let (sent, dropped) = (schedule(Some("Omsk")), schedule(Some("Tomsk")));
    let road = &city.bed.road;
    road.ask_all(&[sent.clone(), dropped.clone()]).await;
    let (courier, order) = (city.courier(), json!({ "order_id": sent.order_id }));
    for path in ["/api/v1/order/sent", "/api/v1/order/received"] {
        for _ in 0..2 {
            assert_eq!(courier.post(path, &order).await.status, 200);
        }
    }
    // Twice in one message, and once more; an order that was never scheduled has nothing to tell.
    road.ask_all(&[cancel(dropped.order_id), cancel(dropped.order_id), cancel(Uuid::now_v7())]).await;
    road.ask(&cancel(dropped.order_id)).await;

    let all = "SELECT count(*) FROM outbox WHERE sequence IS NULL";
    let gone = async || (city.number(all, []).await == 0).then_some(());
    eventually(WITHIN, "all of it to be with the stream", gone).await;
    let (order_id, user_id) = (sent.order_id, sent.user_id);
    assert_eq!(city.told::<OrderSent>().await, [OrderSent { order_id, user_id }]);
    assert_eq!(city.told::<OrderReceived>().await, [OrderReceived { order_id, user_id }]);
    let (order_id, user_id) = (dropped.order_id, dropped.user_id);
    assert_eq!(city.told::<DeliveryCancelled>().await, [DeliveryCancelled { order_id, user_id }]);
    city.delivery.stop().await;
}

#[tokio::test]
async fn what_is_told_while_nats_is_away_waits_in_the_outbox() {
    let mut city = City::with_couriers(1).await;
    let command = schedule(Some("Omsk"));
    city.bed.road.ask(&command).await;
    let (courier, order) = (city.courier(), json!({ "order_id": command.order_id }));
    city.bed.nats.stop().await.unwrap();
    assert_eq!(courier.post("/api/v1/order/sent", &order).await.status, 200, "HTTP goes on");
    assert_eq!(city.stored::<OrderSent>().await, 1);
    city.bed.nats.restart().await.unwrap();
    let unsent = "SELECT count(*) FROM outbox WHERE sequence IS NULL";
    let gone = async || (city.number(unsent, []).await == 0).then_some(());
    eventually(WITHIN * 3, "it to be with the stream", gone).await;
    // At least once: of what is published while the connection is made again nobody knows to which server it went.
    let mut told = city.told::<OrderSent>().await;
    told.dedup();
    assert_eq!(told, [OrderSent { order_id: command.order_id, user_id: command.user_id }]);
    city.delivery.stop().await;
}

#[tokio::test]
async fn what_nobody_here_knows_is_put_aside_and_the_rest_is_heard() {
    let city = City::with_couriers(1).await;
    let user_id = Uuid::now_v7();
    let mut unknown = event_item(&lives_at(user_id, Some("Omsk")));
    unknown["type"] = "user.profile_changed.v9".into();
    let mut broken = event_item(&lives_at(user_id, Some("Omsk")));
    broken["data"]["user_id"] = "nobody".into();
    let good = event_item(&lives_at(user_id, Some("Tver")));
    city.bed.road.send(ProfileChanged::TYPE, &[unknown, broken, good]).await;
    city.hears(user_id, Some("Tver")).await;
    let dead = async || (city.number("SELECT count(*) FROM dead_letters", []).await == 2).then_some(());
    eventually(WITHIN, "two dead letters", dead).await;
    city.delivery.stop().await;
}
