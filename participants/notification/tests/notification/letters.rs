//! `notify` over the road: once, again, and with another payload.

use std::slice::from_ref;

use contracts::Outcome;
use contracts::notification::{LetterKind, Notify};
use contracts::user::Locale;
use uuid::Uuid;

use crate::desk::{Desk, notify, registered};

#[tokio::test]
async fn a_letter_asked_for_again_is_written_once() {
    let desk = Desk::start().await;
    let command = notify(Uuid::now_v7(), LetterKind::OrderConfirmed, Some(500), None);
    let first = desk.bed.road.ask(&command).await;
    assert_eq!(first.outcome, Outcome::Done);
    assert_eq!(desk.bed.road.ask(&command).await, first);
    let many = desk.bed.road.ask_all(&vec![command; 20]).await;
    assert!(many.iter().all(|said| *said == first), "{many:?}");
    assert_eq!(desk.letters().await, 1);
    desk.notification.stop().await;
}

#[tokio::test]
async fn a_letter_asked_for_again_is_the_same_after_the_user_became_known() {
    let desk = Desk::start().await;
    let event = registered(Locale::En);
    let command = notify(event.user_id, LetterKind::OrderConfirmed, Some(500), None);
    desk.bed.road.ask(&command).await;
    desk.bed.road.tell(from_ref(&event)).await;
    desk.is_welcomed(event.user_id).await;
    assert_eq!(desk.bed.road.ask(&command).await.outcome, Outcome::Done);
    let sql = "SELECT count(*) FROM letters WHERE subject = 'Ваш заказ подтверждён'";
    assert_eq!((desk.letters().await, desk.number(sql, []).await), (2, 1));
    desk.notification.stop().await;
}

#[tokio::test]
async fn another_letter_under_the_same_id_is_a_fault_and_changes_nothing() {
    let desk = Desk::start().await;
    let command = notify(Uuid::now_v7(), LetterKind::OrderConfirmed, Some(500), None);
    let first = desk.bed.road.ask(&command).await;
    for other in [
        Notify { kind: LetterKind::OrderCancelled, ..command.clone() },
        Notify { user_id: Uuid::now_v7(), ..command.clone() },
    ] {
        assert_eq!(desk.bed.road.ask(&other).await.outcome, Outcome::Fault);
    }
    assert_eq!(desk.bed.road.ask(&command).await, first, "the first stands");
    assert_eq!(desk.letters().await, 1);
    desk.notification.stop().await;
}

#[tokio::test]
async fn the_same_letters_asked_of_two_replicas_are_written_once() {
    let desk = Desk::start().await;
    let other = desk.bed.run(notification::start).await;
    let user_id = Uuid::now_v7();
    let commands: Vec<Notify> =
        (0..200).map(|total| notify(user_id, LetterKind::OrderConfirmed, Some(total + 1), None)).collect();
    let asking = (0..4).flat_map(|_| commands.chunks(8)).map(|chunk| desk.bed.road.ask_all(chunk));
    let said = futures::future::join_all(asking).await;
    assert!(said.iter().flatten().all(|said| said.outcome == Outcome::Done));
    assert_eq!(desk.letters().await, 200);
    desk.notification.stop().await;
    other.stop().await;
}
