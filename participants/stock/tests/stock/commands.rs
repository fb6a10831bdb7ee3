//! Each command over the road: once, again, refused, undone, too late, and with another payload.

use contracts::Outcome;
use contracts::stock::{Item, ReserveStock};
use serde_json::json;
use uuid::Uuid;

use crate::shelf::{Shelf, release, reserve};

#[tokio::test]
async fn a_reservation_is_answered_with_lines_and_total() {
    let shelf = Shelf::start().await;
    let (tea, coffee) = (shelf.position(50, 10).await, shelf.position(70, 4).await);
    let said = shelf.bed.road.ask(&reserve(&[(coffee, 1), (tea, 2)])).await;
    let done = said.done::<ReserveStock>();
    assert_eq!(done.total.get(), 170);
    let lines: Vec<_> = done.lines.iter().map(|line| (line.position_id, line.quantity, line.price)).collect();
    assert_eq!(lines, [(coffee, 1, 70), (tea, 2, 50)]);
    assert_eq!((shelf.counts(tea).await, shelf.counts(coffee).await), ((8, 2), (3, 1)));
    shelf.stock.stop().await;
}

#[tokio::test]
async fn a_repeated_reservation_gets_the_same_reply_for_ever() {
    let shelf = Shelf::start().await;
    let tea = shelf.position(50, 10).await;
    let command = reserve(&[(tea, 3)]);
    let first = shelf.bed.road.ask(&command).await;
    assert_eq!(first.outcome, Outcome::Done);
    assert_eq!(shelf.bed.road.ask(&command).await, first, "at once");
    shelf.put(tea, 99, 20).await;
    assert_eq!(shelf.bed.road.ask(&command).await, first, "after the price changed");
    assert_eq!(shelf.counts(tea).await, (17, 3));
    shelf.bed.road.ask(&release(&command)).await;
    let late = shelf.bed.road.ask(&command).await;
    assert!(late.is_refused("cancelled"), "after it was released: {late:?}");
    assert_eq!(shelf.counts(tea).await, (20, 0), "and nothing is reserved by that");
    shelf.stock.stop().await;
}

#[tokio::test]
async fn the_same_command_many_times_in_one_message_reserves_once() {
    let shelf = Shelf::start().await;
    let tea = shelf.position(50, 10).await;
    let command = reserve(&[(tea, 3)]);
    let said = shelf.bed.road.ask_all(&vec![command; 20]).await;
    assert_eq!(said[0].outcome, Outcome::Done);
    assert!(said.windows(2).all(|pair| pair[0] == pair[1]));
    assert_eq!(shelf.counts(tea).await, (7, 3));
    shelf.stock.stop().await;
}

#[tokio::test]
async fn a_refusal_is_repeated_also_when_it_would_no_longer_be_one() {
    let shelf = Shelf::start().await;
    let tea = shelf.position(50, 2).await;
    let command = reserve(&[(tea, 3)]);
    let first = shelf.bed.road.ask(&command).await;
    assert!(first.is_refused("out_of_stock"), "{first:?}");
    assert_eq!(first.body, json!({ "position_ids": [tea] }));
    shelf.put(tea, 50, 100).await;
    assert_eq!(shelf.bed.road.ask(&command).await, first);
    assert_eq!(shelf.bed.road.ask(&release(&command)).await.outcome, Outcome::Done);
    assert_eq!(shelf.bed.road.ask(&command).await, first, "and after its undo");
    assert_eq!(shelf.counts(tea).await, (100, 0));
    shelf.stock.stop().await;
}

#[tokio::test]
async fn every_refusal_has_its_code_and_says_why() {
    let shelf = Shelf::start().await;
    let tea = shelf.position(1_000_000_000_000, 10).await;
    let unknown = Uuid::now_v7();
    let said = shelf.bed.road.ask(&reserve(&[(tea, 11), (unknown, 1)])).await;
    assert!(said.is_refused("unknown_position"), "{said:?}");
    assert_eq!(said.body, json!({ "position_ids": [unknown] }));
    let said = shelf.bed.road.ask(&ReserveStock { expected_total: Some(7), ..reserve(&[(tea, 1)]) }).await;
    assert!(said.is_refused("price_changed"), "{said:?}");
    assert_eq!(said.body, json!({ "total": 1_000_000_000_000_i64 }));
    let said = shelf.bed.road.ask(&reserve(&[(tea, 2)])).await;
    assert!(said.is_refused("total_too_large"), "{said:?}");
    assert_eq!(shelf.counts(tea).await, (10, 0));
    shelf.stock.stop().await;
}

#[tokio::test]
async fn released_twice_is_available_once() {
    let shelf = Shelf::start().await;
    let tea = shelf.position(50, 10).await;
    let command = reserve(&[(tea, 3)]);
    shelf.bed.road.ask(&command).await;
    for _ in 0..2 {
        assert_eq!(shelf.bed.road.ask(&release(&command)).await.outcome, Outcome::Done);
        assert_eq!(shelf.counts(tea).await, (10, 0));
    }
    shelf.stock.stop().await;
}

#[tokio::test]
async fn a_reservation_that_comes_after_its_undo_is_refused_for_ever() {
    let shelf = Shelf::start().await;
    let tea = shelf.position(50, 10).await;
    let command = reserve(&[(tea, 3)]);
    assert_eq!(shelf.bed.road.ask(&release(&command)).await.outcome, Outcome::Done);
    for _ in 0..2 {
        let said = shelf.bed.road.ask(&command).await;
        assert!(said.is_refused("cancelled"), "{said:?}");
        assert_eq!(shelf.bed.road.ask(&release(&command)).await.outcome, Outcome::Done);
    }
    assert_eq!(shelf.counts(tea).await, (10, 0));
    shelf.stock.stop().await;
}

#[tokio::test]
async fn another_payload_under_the_same_order_is_a_fault_and_changes_nothing() {
    let shelf = Shelf::start().await;
    let tea = shelf.position(50, 10).await;
    let command = reserve(&[(tea, 3)]);
    let first = shelf.bed.road.ask(&command).await;
    let items = vec![Item { position_id: tea, quantity: 4 }];
    let said = shelf.bed.road.ask(&ReserveStock { items, ..command.clone() }).await;
    assert_eq!(said.outcome, Outcome::Fault, "{said:?}");
    assert_eq!(shelf.bed.road.ask(&command).await, first, "the first stands");
    assert_eq!(shelf.counts(tea).await, (7, 3));
    shelf.stock.stop().await;
}
