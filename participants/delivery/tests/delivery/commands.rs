//! Each command over the road: once, again, refused, undone, too late, and with another payload.

use chrono::TimeDelta;
use contracts::Outcome;
use contracts::delivery::{ReserveCourier, ScheduleDelivery};
use serde_json::json;
use uuid::Uuid;

use crate::city::{City, cancel, hour, release, reserve, schedule};

#[tokio::test]
async fn a_reservation_is_answered_with_a_courier_and_repeated_with_the_same() {
    let city = City::with_couriers(2).await;
    let (first, second) = (reserve(10), reserve(10));
    let road = &city.bed.road;
    let said = road.ask(&first).await;
    assert_eq!(said.done::<ReserveCourier>().courier, 1);
    let other = road.ask(&second).await;
    assert_eq!(other.done::<ReserveCourier>().courier, 2);
    assert_eq!(road.ask(&first).await, said, "at once");
    assert_eq!(city.busy(10).await, (2, 2));
    road.ask(&release(&first)).await;
    assert_eq!(road.ask(&second).await, other, "after a lower one is free");
    let late = road.ask(&first).await;
    assert!(late.is_refused("cancelled"), "after it was released: {late:?}");
    assert_eq!(city.busy(10).await, (1, 1), "and nobody is booked by that");
    city.delivery.stop().await;
}

#[tokio::test]
async fn a_booking_whose_hour_has_left_answers_as_before() {
    let city = City::with_couriers(1).await;
    let (command, road) = (reserve(10), &city.bed.road);
    let said = road.ask(&command).await;
    assert_eq!(
        city.number("WITH gone AS (DELETE FROM slots RETURNING 1) SELECT count(*) FROM gone", []).await,
        1
    );
    assert_eq!(road.ask(&command).await, said);
    let released = road.ask(&release(&command)).await;
    assert_eq!(released.outcome, Outcome::Fault, "nobody is busy in it: {released:?}");
    assert_eq!(
        road.ask(&reserve(10)).await.done::<ReserveCourier>().courier,
        1,
        "the next batch is none the worse"
    );
    assert_eq!(city.number("SELECT count(*) FROM dead_letters", []).await, 0);
    city.delivery.stop().await;
}

#[tokio::test]
async fn the_same_commands_many_times_in_one_message_happen_once() {
    let city = City::with_couriers(5).await;
    let (courier, delivery) = (reserve(10), schedule(None));
    let said = city.bed.road.ask_all(&vec![courier; 20]).await;
    assert_eq!(said[0].outcome, Outcome::Done);
    assert!(said.windows(2).all(|pair| pair[0] == pair[1]));
    assert_eq!(city.busy(10).await, (1, 1));
    let said = city.bed.road.ask_all(&vec![delivery; 20]).await;
    assert_eq!(said[0].outcome, Outcome::Done);
    assert!(said.windows(2).all(|pair| pair[0] == pair[1]));
    assert_eq!(city.number("SELECT count(*) FROM deliveries", []).await, 1);
    city.delivery.stop().await;
}

#[tokio::test]
async fn a_refusal_is_repeated_also_when_it_would_no_longer_be_one() {
    let city = City::with_couriers(1).await;
    let (lucky, command) = (reserve(10), reserve(10));
    let road = &city.bed.road;
    road.ask(&lucky).await;
    let first = road.ask(&command).await;
    assert!(first.is_refused("slot_taken"), "{first:?}");
    assert_eq!(road.ask(&reserve(11)).await.outcome, Outcome::Done, "another hour is free");
    road.ask(&release(&lucky)).await;
    assert_eq!(road.ask(&command).await, first);
    assert_eq!(road.ask(&release(&command)).await.outcome, Outcome::Done);
    assert_eq!(road.ask(&command).await, first, "and after its undo");
    assert_eq!(city.busy(10).await, (0, 0));
    city.delivery.stop().await;
}

#[tokio::test]
async fn released_twice_is_free_once() {
    let city = City::with_couriers(1).await;
    let (command, next) = (reserve(10), reserve(10));
    let road = &city.bed.road;
    road.ask(&command).await;
    assert_eq!(road.ask(&release(&command)).await.outcome, Outcome::Done);
    assert_eq!(road.ask(&next).await.outcome, Outcome::Done);
    assert_eq!(road.ask(&release(&command)).await.outcome, Outcome::Done);
    assert_eq!(city.busy(10).await, (1, 1), "the courier is another order's by now");
    city.delivery.stop().await;
}

#[tokio::test]
async fn a_reservation_that_comes_after_its_undo_is_refused_for_ever() {
    let city = City::with_couriers(1).await;
    let command = reserve(10);
    let road = &city.bed.road;
    assert_eq!(road.ask(&release(&command)).await.outcome, Outcome::Done);
    for _ in 0..2 {
        let said = road.ask(&command).await;
        assert!(said.is_refused("cancelled"), "{said:?}");
        assert_eq!(road.ask(&release(&command)).await.outcome, Outcome::Done);
    }
    assert_eq!(city.busy(10).await, (0, 0));
    city.delivery.stop().await;
}

#[tokio::test]
async fn a_delivery_is_scheduled_once_and_the_reply_stays_the_same() {
    let city = City::with_couriers(1).await;
    let command = ScheduleDelivery { slot: Some(hour(10)), ..schedule(Some("Omsk")) };
    let first = city.bed.road.ask(&command).await;
    let delivery_id = first.done::<ScheduleDelivery>().delivery_id;
    assert_ne!(delivery_id, command.order_id);
    assert_eq!(city.bed.road.ask(&command).await, first, "at once");
    let (courier, order) = (city.courier(), json!({ "order_id": command.order_id }));
    assert_eq!(courier.post("/api/v1/order/sent", &order).await.status, 200);
    assert_eq!(city.bed.road.ask(&command).await, first, "after it was sent");
    assert_eq!(courier.post("/api/v1/order/received", &order).await.status, 200);
    assert_eq!(city.bed.road.ask(&command).await, first, "after it was received");
    assert_eq!(city.status(command.order_id).await.as_deref(), Some("received"));
    city.delivery.stop().await;
}

#[tokio::test]
async fn a_cancelled_delivery_frees_its_courier_and_stays_cancelled() {
    let city = City::with_couriers(1).await;
    let courier = reserve(10);
    let delivery =
        ScheduleDelivery { order_id: courier.order_id, slot: Some(hour(10)), ..schedule(Some("Omsk")) };
    let road = &city.bed.road;
    road.ask(&courier).await;
    road.ask(&delivery).await;
    for _ in 0..2 {
        assert_eq!(road.ask(&cancel(courier.order_id)).await.outcome, Outcome::Done);
        assert_eq!(city.busy(10).await, (0, 0));
        assert_eq!(city.status(courier.order_id).await.as_deref(), Some("cancelled"));
        let late = road.ask(&delivery).await;
        assert!(late.is_refused("cancelled"), "{late:?}");
    }
    assert_eq!(road.ask(&reserve(10)).await.outcome, Outcome::Done, "the courier may come to others");
    city.delivery.stop().await;
}

#[tokio::test]
async fn what_is_cancelled_before_it_is_asked_for_is_never_done() {
    let city = City::with_couriers(1).await;
    let (courier, delivery) = (reserve(10), schedule(None));
    let delivery = ScheduleDelivery { order_id: courier.order_id, ..delivery };
    let road = &city.bed.road;
    for _ in 0..2 {
        assert_eq!(road.ask(&cancel(courier.order_id)).await.outcome, Outcome::Done);
        let (scheduled, reserved) = (road.ask(&delivery).await, road.ask(&courier).await);
        assert!(scheduled.is_refused("cancelled") && reserved.is_refused("cancelled"));
    }
    assert_eq!(city.status(courier.order_id).await.as_deref(), Some("never_scheduled"));
    assert_eq!(city.busy(10).await, (0, 0));
    city.delivery.stop().await;
}

#[tokio::test]
async fn what_is_sent_or_received_is_not_cancelled() {
    let city = City::with_couriers(1).await;
    let command = schedule(Some("Omsk"));
    let (courier, order) = (city.courier(), json!({ "order_id": command.order_id }));
    city.bed.road.ask(&command).await;
    for path in ["/api/v1/order/sent", "/api/v1/order/received"] {
        assert_eq!(courier.post(path, &order).await.status, 200);
        for _ in 0..2 {
            let said = city.bed.road.ask(&cancel(command.order_id)).await;
            assert!(said.is_refused("already_sent"), "{path}: {said:?}");
        }
    }
    assert_eq!(city.status(command.order_id).await.as_deref(), Some("received"));
    city.delivery.stop().await;
}

#[tokio::test]
async fn another_payload_under_the_same_order_is_a_fault_and_changes_nothing() {
    let city = City::with_couriers(3).await;
    let (courier, delivery) = (reserve(10), schedule(Some("Omsk")));
    let road = &city.bed.road;
    let (reserved, scheduled) = (road.ask(&courier).await, road.ask(&delivery).await);
    let said = road.ask(&ReserveCourier { slot: hour(11), ..courier.clone() }).await;
    assert_eq!(said.outcome, Outcome::Fault, "{said:?}");
    for other in [
        ScheduleDelivery { user_id: Uuid::now_v7(), ..delivery.clone() },
        ScheduleDelivery { address: None, ..delivery.clone() },
        ScheduleDelivery { slot: Some(hour(10)), ..delivery.clone() },
    ] {
        let said = road.ask(&other).await;
        assert_eq!(said.outcome, Outcome::Fault, "{said:?}");
    }
    assert_eq!((road.ask(&courier).await, road.ask(&delivery).await), (reserved, scheduled));
    assert_eq!((city.busy(10).await, city.busy(11).await), ((1, 1), (0, 0)));
    city.delivery.stop().await;
}

#[tokio::test]
async fn a_slot_that_begins_at_no_full_hour_is_a_fault_until_it_is_corrected() {
    let city = City::with_couriers(1).await;
    let command = reserve(10);
    let crooked = ReserveCourier { slot: hour(10) + TimeDelta::minutes(30), ..command.clone() };
    assert_eq!(city.bed.road.ask(&crooked).await.outcome, Outcome::Fault);
    assert_eq!(city.bed.road.ask(&command).await.outcome, Outcome::Done);
    city.delivery.stop().await;
}
