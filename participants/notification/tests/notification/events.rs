//! Events: a user becomes known, changes, and is welcomed once, in whatever order that is heard.

use std::slice::from_ref;

use chrono::TimeDelta;
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
