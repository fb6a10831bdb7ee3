//! The list of one's letters.

use contracts::notification::LetterKind;
use contracts::user::Locale;
use serde_json::Value;
use service::token::Role;
use uuid::Uuid;

use crate::desk::{Desk, notify, registered};

const PATH: &str = "/api/v1/notifications";

fn kinds(page: &Value) -> Vec<&str> {
    page["items"].as_array().unwrap().iter().map(|item| item["kind"].as_str().unwrap()).collect()
}

#[tokio::test]
async fn ones_own_letters_are_listed_newest_first() {
    let desk = Desk::start().await;
    let event = registered(Locale::En);
    let user_id = event.user_id;
    desk.bed.road.tell(&[event]).await;
    desk.is_welcomed(user_id).await;
    desk.bed.road.ask(&notify(user_id, LetterKind::OrderConfirmed, Some(123_450), None)).await;
    desk.bed.road.ask(&notify(user_id, LetterKind::OrderRejected, None, Some("insufficient_funds"))).await;
    desk.bed.road.ask(&notify(Uuid::now_v7(), LetterKind::OrderConfirmed, Some(1), None)).await;

    let user = desk.notification.user(user_id, &[Role::User]);
    let all = user.get(PATH).await;
    assert_eq!(all.status, 200, "{}", all.body);
    assert_eq!(kinds(&all.body), ["order_rejected", "order_confirmed", "welcome"]);
    let first = user.get(&format!("{PATH}?limit=2")).await.body;
    assert_eq!(kinds(&first), ["order_rejected", "order_confirmed"]);
    let cursor = first["next_cursor"].as_str().unwrap();
    let rest = user.get(&format!("{PATH}?limit=2&cursor={cursor}")).await.body;
    assert_eq!(kinds(&rest), ["welcome"]);
    assert!(rest["next_cursor"].is_null(), "{rest}");
    desk.notification.stop().await;
}

#[tokio::test]
async fn a_letter_has_the_fields_of_the_contract() {
    let desk = Desk::start().await;
    let user_id = Uuid::now_v7();
    let command = notify(user_id, LetterKind::OrderConfirmed, Some(123_450), None);
    desk.bed.road.ask(&command).await;
    desk.bed.road.ask(&notify(user_id, LetterKind::OrderCancelled, None, None)).await;
    let order_id = serde_json::from_str::<Value>(command.data.get()).unwrap()["order_id"].clone();
    let user = desk.notification.user(user_id, &[Role::User]);
    let page = user.get(&format!("{PATH}?order_id={}", order_id.as_str().unwrap())).await.body;
    assert_eq!(kinds(&page), ["order_confirmed"]);
    let letter = page["items"][0].as_object().unwrap();
    let mut fields: Vec<&str> = letter.keys().map(String::as_str).collect();
    fields.sort_unstable();
    let expected =
        ["body", "channel", "created_at", "kind", "notification_id", "order_id", "status", "subject"];
    assert_eq!(fields, expected);
    assert_eq!((&letter["channel"], &letter["status"]), (&"email".into(), &"stored".into()));
    assert_eq!(letter["order_id"], order_id);
    assert!(letter["body"].as_str().unwrap().contains("1\u{a0}234,50\u{a0}₽"), "{letter:?}");
    desk.notification.stop().await;
}

#[tokio::test]
async fn bad_questions_and_strangers_are_refused() {
    let desk = Desk::start().await;
    assert_eq!(desk.notification.anybody().get(PATH).await.problem(), (401, "unauthenticated"));
    let user = desk.notification.user(Uuid::now_v7(), &[Role::User]);
    for bad in ["order_id=x", "limit=0", "limit=201", "cursor=x", "kind=welcome"] {
        let answer = user.get(&format!("{PATH}?{bad}")).await;
        assert_eq!(answer.problem(), (422, "validation_failed"), "{bad}");
    }
    assert_eq!(user.get(PATH).await.body, serde_json::json!({ "items": [], "next_cursor": null }));
    desk.notification.stop().await;
}
