//! Events: a user becomes known, changes, and is welcomed once, in whatever order that is heard; and is
//! told once where an order is.

use std::slice::from_ref;

use chrono::TimeDelta;
use contracts::delivery::{OrderReceived, OrderSent};
use contracts::notification::LetterKind;
use contracts::user::{Locale, ProfileChanged};
use contracts::{Event, Outcome};
use sea_orm::{ConnectionTrait, DbBackend, Statement};
use testkit::{event_item, eventually};
use uuid::Uuid;

use crate::desk::{Desk, WITHIN, notify, registered};

impl Desk {
    /// Locale and address, once an event younger than the registration was heard.
    async fn profile(&self, user_id: Uuid, address: &str) -> String {
        let sql = "SELECT locale FROM contacts WHERE user_id = $1 AND address = $2";
        let values = [user_id.into(), address.into()];
        let statement = Statement::from_sql_and_values(DbBackend::Postgres, sql, values);
        eventually(WITHIN, &format!("the address {address}"), async || {
            let row = self.bed.db.query_one_raw(statement.clone()).await.unwrap()?;
            Some(row.try_get_by_index(0).unwrap())
        })
        .await
    }
}

#[tokio::test]
async fn a_registration_heard_again_is_one_welcome() {
    let desk = Desk::start().await;
    let event = registered(Locale::En);
    desk.bed.road.tell(&[event.clone(), event.clone()]).await;
    desk.bed.road.tell(from_ref(&event)).await;
    let last = registered(Locale::Ru);
    desk.bed.road.tell(from_ref(&last)).await;
    desk.is_welcomed(last.user_id).await;
    assert_eq!(desk.letters().await, 2, "one each: the last was heard after all repeats");
    let sql = "SELECT count(*) FROM letters WHERE subject = 'Welcome to Rondo' AND body LIKE 'Hello, Ann!%'";
    assert_eq!(desk.number(sql, []).await, 1);
    desk.notification.stop().await;
}

#[tokio::test]
async fn letters_follow_the_profile_and_older_events_change_nothing() {
    let desk = Desk::start().await;
    let event = registered(Locale::En);
    let user_id = event.user_id;
    let changed = |locale, address: &str| ProfileChanged { user_id, locale, address: Some(address.into()) };
    desk.bed.road.tell(from_ref(&event)).await;
    desk.is_welcomed(user_id).await;

    let mut older = event_item(&changed(Locale::Ru, "Omsk"));
    older["time"] = (chrono::Utc::now() - TimeDelta::hours(1)).to_rfc3339().into();
    let younger = event_item(&changed(Locale::En, "Tomsk"));
    desk.bed.road.send(ProfileChanged::TYPE, &[younger, older]).await;
    assert_eq!(desk.profile(user_id, "Tomsk").await, "en");

    // The registration again, after the change: nothing of the change is lost.
    let mut again = event_item(&event);
    again["time"] = (chrono::Utc::now() - TimeDelta::hours(2)).to_rfc3339().into();
    desk.bed.road.send(contracts::user::UserRegistered::TYPE, &[again]).await;
    let last = event_item(&changed(Locale::Ru, "Tver"));
    desk.bed.road.send(ProfileChanged::TYPE, &[last]).await;
    assert_eq!(desk.profile(user_id, "Tver").await, "ru");

    let command = notify(user_id, LetterKind::OrderRejected, None, Some("out_of_stock"));
    assert_eq!(desk.bed.road.ask(&command).await.outcome, Outcome::Done);
    let sql =
        "SELECT count(*) FROM letters WHERE kind = 'order_rejected' AND body LIKE 'Здравствуйте, Ann!%'";
    assert_eq!(desk.number(sql, []).await, 1);
    desk.notification.stop().await;
}

#[tokio::test]
async fn a_change_heard_before_the_registration_is_kept() {
    let desk = Desk::start().await;
    let mut event = registered(Locale::En);
    event.name = None;
    let user_id = event.user_id;
    let change = ProfileChanged { user_id, locale: Locale::Ru, address: Some("Omsk".into()) };
    desk.bed.road.tell(&[change]).await;
    assert_eq!(desk.profile(user_id, "Omsk").await, "ru");
    let mut late = event_item(&event);
    late["time"] = (chrono::Utc::now() - TimeDelta::hours(1)).to_rfc3339().into();
    desk.bed.road.send(contracts::user::UserRegistered::TYPE, &[late]).await;
    desk.is_welcomed(user_id).await;
    let sql = "SELECT count(*) FROM contacts WHERE email = $1 AND locale = 'ru' AND address = 'Omsk'";
    assert_eq!(desk.number(sql, [event.email.into()]).await, 1);
    desk.notification.stop().await;
}

#[tokio::test]
async fn a_user_is_told_once_that_an_order_is_sent_and_once_that_it_is_received() {
    let desk = Desk::start().await;
    let event = registered(Locale::En);
    let (order_id, user_id) = (Uuid::now_v7(), event.user_id);
    desk.bed.road.tell(&[event]).await;
    desk.is_welcomed(user_id).await;
    let (sent, received) = (OrderSent { order_id, user_id }, OrderReceived { order_id, user_id });
    desk.bed.road.tell(&[sent.clone(), sent.clone()]).await;
    desk.bed.road.tell(&[received.clone(), received]).await;
    desk.bed.road.tell(&[sent]).await;
    // Heard after all repeats, and before anything is known of its user.
    let stranger = OrderSent { order_id: Uuid::now_v7(), user_id: Uuid::now_v7() };
    desk.bed.road.tell(from_ref(&stranger)).await;
    let sql = "SELECT count(*) FROM letters WHERE user_id = $1 AND subject = 'Ваш заказ в пути'";
    let told = async || (desk.number(sql, [stranger.user_id.into()]).await == 1).then_some(());
    eventually(WITHIN, "the letter to a stranger", told).await;
    let sql = "SELECT count(*) FROM letters WHERE order_id = $1 AND letter_id = $2 AND subject = $3";
    for (kind, subject) in
        [("order_sent", "Your order is on its way"), ("order_received", "Your order has been delivered")]
    {
        let letter_id = Uuid::new_v5(&order_id, kind.as_bytes());
        let values = [order_id.into(), letter_id.into(), subject.into()];
        assert_eq!(desk.number(sql, values).await, 1, "{kind}");
    }
    assert_eq!(desk.letters().await, 4, "a welcome, one for each event, and the stranger's");
    assert_eq!(desk.number("SELECT count(*) FROM dead_letters", []).await, 0);
    desk.notification.stop().await;
}
