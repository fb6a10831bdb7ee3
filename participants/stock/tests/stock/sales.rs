//! Confirmed orders: what they reserved is sold, once, and comes back when they are cancelled.

use contracts::Outcome;
use contracts::order::OrderConfirmed;
use serde_json::json;
use service::token::Role;
use uuid::Uuid;

use crate::shelf::{Shelf, confirmed, counts, promised, release, reserve};

#[tokio::test]
async fn what_a_confirmed_order_reserved_is_sold_once() {
    let shelf = Shelf::start().await;
    let (tea, coffee) = (shelf.position(50, 10).await, shelf.position(70, 4).await);
    let (command, other) = (reserve(&[(tea, 3), (coffee, 1)]), reserve(&[(tea, 2)]));
    let first = shelf.bed.road.ask(&command).await;
    shelf.bed.road.ask(&other).await;
    let event = confirmed(&command);
    shelf.confirm(&[event.clone(), event.clone()]).await;
    shelf.confirm(&[event]).await;
    assert_eq!((shelf.counts(tea).await, shelf.counts(coffee).await), ((5, 2), (3, 0)));
    assert_eq!(promised(&shelf.bed.db, tea).await, 2, "of the order that is not confirmed");
    assert_eq!(shelf.bed.road.ask(&command).await, first, "the same reply for ever");
    assert_eq!(shelf.counts(tea).await, (5, 2));
    shelf.stock.stop().await;
}

#[tokio::test]
async fn what_was_sold_comes_back_when_the_order_is_cancelled() {
    let shelf = Shelf::start().await;
    let tea = shelf.position(50, 10).await;
    let command = reserve(&[(tea, 3)]);
    shelf.bed.road.ask(&command).await;
    shelf.confirm(&[confirmed(&command)]).await;
    for _ in 0..2 {
        assert_eq!(shelf.bed.road.ask(&release(&command)).await.outcome, Outcome::Done);
        assert_eq!(shelf.counts(tea).await, (10, 0));
    }
    shelf.confirm(&[confirmed(&command)]).await;
    assert_eq!(shelf.counts(tea).await, (10, 0), "the event again sells nothing");
    assert!(shelf.bed.road.ask(&command).await.is_refused("cancelled"));
    shelf.stock.stop().await;
}

#[tokio::test]
async fn a_release_that_came_before_the_event_wins() {
    let shelf = Shelf::start().await;
    let tea = shelf.position(50, 10).await;
    let command = reserve(&[(tea, 3)]);
    shelf.bed.road.ask(&command).await;
    shelf.bed.road.ask(&release(&command)).await;
    shelf.confirm(&[confirmed(&command)]).await;
    assert_eq!(shelf.counts(tea).await, (10, 0));
    shelf.stock.stop().await;
}

#[tokio::test]
async fn an_order_that_reserved_nothing_sells_nothing_and_is_no_dead_letter() {
    let shelf = Shelf::start().await;
    let tea = shelf.position(50, 2).await;
    let refused = reserve(&[(tea, 3)]);
    assert!(shelf.bed.road.ask(&refused).await.is_refused("out_of_stock"));
    let unknown = reserve(&[(tea, 1), (Uuid::now_v7(), 1)]);
    let price_alone = OrderConfirmed { lines: Vec::new(), ..confirmed(&reserve(&[(tea, 1)])) };
    shelf.confirm(&[confirmed(&unknown), price_alone, confirmed(&refused)]).await;
    assert_eq!(shelf.counts(tea).await, (2, 0));
    assert_eq!(shelf.dead_letters().await, 0);
    shelf.stock.stop().await;
}

#[tokio::test]
async fn the_shelf_is_counted_without_what_is_sold() {
    let shelf = Shelf::start().await;
    let tea = shelf.position(50, 10).await;
    let (sold, reserved) = (reserve(&[(tea, 4)]), reserve(&[(tea, 3)]));
    shelf.bed.road.ask_all(&[sold.clone(), reserved]).await;
    shelf.confirm(&[confirmed(&sold)]).await;
    let customer = shelf.stock.user(Uuid::now_v7(), &[Role::User]);
    let count = customer.get(&format!("/api/v1/stock/position/{tea}/count")).await.body;
    assert_eq!(count, json!({ "position_id": tea, "available": 3, "reserved": 3 }));

    let (operator, path) = (shelf.stock.operator(), format!("/internal/api/v1/stock/position/{tea}"));
    let below = operator.put(&path, &json!({ "name": "tea", "price": 50, "available": 2 })).await;
    assert_eq!((below.problem(), &below.body["reserved"]), ((409, "below_reserved"), &json!(3)));
    let counted = operator.put(&path, &json!({ "name": "tea", "price": 50, "available": 6 })).await;
    assert_eq!((&counted.body["available"], &counted.body["reserved"]), (&json!(3), &json!(3)));
    shelf.bed.road.ask(&release(&sold)).await;
    assert_eq!(shelf.counts(tea).await, (7, 3), "what comes back is on the shelf on top");
    shelf.stock.stop().await;
}

#[tokio::test]
async fn sales_and_releases_at_once_on_two_replicas_sell_or_give_back_everything() {
    let shelf = Shelf::start().await;
    let other = shelf.bed.run(stock::start).await;
    let (hot, spare) = (shelf.position(50, 10_000).await, shelf.position(50, 10_000).await);
    let commands: Vec<_> = (0..200).map(|_| reserve(&[(hot, 1), (spare, 2)])).collect();
    for chunk in commands.chunks(50) {
        let said = shelf.bed.road.ask_all(chunk).await;
        assert!(said.iter().all(|said| said.outcome == Outcome::Done));
    }
    // Every second order is cancelled, before or after or while the event is heard.
    let events: Vec<OrderConfirmed> = commands.iter().map(confirmed).collect();
    let releases: Vec<_> = commands.iter().step_by(2).map(release).collect();
    let telling = async {
        for chunk in events.chunks(7) {
            shelf.bed.road.tell(chunk).await;
        }
    };
    let releasing = releases.chunks(5).map(|chunk| shelf.bed.road.ask_all(chunk));
    let (said, ()) = tokio::join!(futures::future::join_all(releasing), telling);
    assert!(said.iter().flatten().all(|said| said.outcome == Outcome::Done));
    let settled = async || {
        let (hot, spare) = (counts(&shelf.bed.db, hot).await, counts(&shelf.bed.db, spare).await);
        ((hot, spare) == ((9_900, 0), (9_800, 0))).then_some(())
    };
    testkit::eventually(std::time::Duration::from_secs(20), "a hundred sales", settled).await;
    // All of it again changes nothing. One replica alone hears in order.
    other.stop().await;
    for chunk in events.chunks(64) {
        shelf.confirm(chunk).await;
    }
    assert!(settled().await.is_some());
    assert_eq!(promised(&shelf.bed.db, hot).await, 0);
    shelf.stock.stop().await;
}
