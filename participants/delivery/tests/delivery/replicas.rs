//! Replicas on the same rows: a usual case, not a special one.

use std::collections::BTreeMap;

use contracts::Outcome;
use contracts::delivery::{OrderSent, ReserveCourier, ScheduleDelivery};
use sea_orm::{ConnectionTrait, TransactionTrait};
use serde_json::json;
use service::token::Role;
use testkit::{Said, eventually};
use uuid::Uuid;

use crate::city::{City, WITHIN, cancel, release, reserve, schedule};

const COURIERS: u32 = 150;

#[tokio::test]
async fn two_replicas_never_overbook_a_new_slot() {
    let city = City::with_couriers(COURIERS).await;
    let other = city.bed.run(delivery::start).await;
    let commands: Vec<ReserveCourier> = (0..250).map(|_| reserve(10)).collect();

    // Small messages, so that both replicas get their share; the slot's row is not there yet.
    let said: Vec<Said> = all(commands.chunks(5).map(|chunk| city.bed.road.ask_all(chunk))).await;

    let done = said.iter().filter(|said| said.outcome == Outcome::Done).count();
    let taken = said.iter().filter(|said| said.is_refused("slot_taken")).count();
    assert_eq!((done, taken), (COURIERS as usize, 250 - COURIERS as usize));
    let mut couriers: BTreeMap<u32, usize> = BTreeMap::new();
    for said in said.iter().filter(|said| said.outcome == Outcome::Done) {
        *couriers.entry(said.done::<ReserveCourier>().courier).or_default() += 1;
    }
    assert!(
        couriers.iter().eq((1..=COURIERS).map(|courier| (courier, 1)).collect::<BTreeMap<_, _>>().iter())
    );
    assert_eq!(city.busy(10).await, (i64::from(COURIERS), i64::from(COURIERS)));

    // Asked again, every one gets its answer again.
    let again: Vec<Said> = all(commands.chunks(64).map(|chunk| city.bed.road.ask_all(chunk))).await;
    assert_eq!(again, said);
    city.delivery.stop().await;
    other.stop().await;
}

#[tokio::test]
async fn do_and_undo_at_once_on_two_replicas_leave_nobody_booked() {
    let city = City::with_couriers(COURIERS).await;
    let other = city.bed.run(delivery::start).await;
    let commands: Vec<ReserveCourier> = (0..240).map(|number| reserve(number % 3)).collect();
    let releases: Vec<_> = commands.iter().map(release).collect();
    let (reserved, released) = tokio::join!(
        all(commands.chunks(4).map(|chunk| city.bed.road.ask_all(chunk))),
        all(releases.chunks(4).map(|chunk| city.bed.road.ask_all(chunk))),
    );
    assert!(released.iter().all(|said| said.outcome == Outcome::Done));
    for said in reserved {
        assert!(said.outcome == Outcome::Done || said.is_refused("cancelled"), "{said:?}");
    }
    for of_day in 0..3 {
        assert_eq!(city.busy(of_day).await, (0, 0));
    }
    assert_eq!(city.number("SELECT count(*) FROM dead_letters", []).await, 0);
    city.delivery.stop().await;
    other.stop().await;
}

#[tokio::test]
async fn an_order_that_is_sent_and_cancelled_at_once_has_one_fate() {
    let city = City::with_couriers(COURIERS).await;
    let other = city.bed.run(delivery::start).await;
    let (road, token) = (&city.bed.road, [Role::User, Role::Courier]);
    let couriers = [&city.delivery, &other].map(|process| process.user(Uuid::now_v7(), &token));
    let reserved: Vec<ReserveCourier> = (0..60).map(|_| reserve(10)).collect();
    let scheduled: Vec<ScheduleDelivery> = (reserved.iter())
        .map(|courier| ScheduleDelivery { order_id: courier.order_id, ..schedule(Some("Omsk")) })
        .collect();
    road.ask_all(&reserved).await;
    road.ask_all(&scheduled).await;

    let fates = scheduled.iter().enumerate().map(|(number, order)| {
        let (courier, body) = (&couriers[number % 2], json!({ "order_id": order.order_id }));
        async move {
            let cancelling = cancel(order.order_id);
            let (sent, cancelled) =
                tokio::join!(courier.post("/api/v1/order/sent", &body), road.ask(&cancelling));
            (order.order_id, sent, cancelled)
        }
    });
    let mut sent_orders = 0;
    for (order_id, sent, cancelled) in futures::future::join_all(fates).await {
        let expected = match (sent.status, cancelled.outcome) {
            (200, Outcome::Refused) => "sent",
            (409, Outcome::Done) => "cancelled",
            _ => panic!("{order_id}: {sent:?} and {cancelled:?}"),
        };
        sent_orders += i64::from(expected == "sent");
        assert_eq!(city.status(order_id).await.as_deref(), Some(expected));
    }
    assert_eq!(city.busy(10).await, (sent_orders, sent_orders), "couriers of cancelled orders are free");
    let unsent = "SELECT count(*) FROM outbox WHERE sequence IS NULL";
    let gone = async || (city.number(unsent, []).await == 0).then_some(());
    eventually(WITHIN, "all events to be with the stream", gone).await;
    assert_eq!(city.told::<OrderSent>().await.len() as i64, sent_orders);
    city.delivery.stop().await;
    other.stop().await;
}

#[tokio::test]
async fn an_order_that_two_couriers_send_at_once_is_sent_and_told_once() {
    let city = City::with_couriers(1).await;
    let other = city.bed.run(delivery::start).await;
    let order = schedule(Some("Omsk"));
    city.bed.road.ask(&order).await;
    let body = json!({ "order_id": order.order_id });
    let couriers =
        [&city.delivery, &other].map(|process| process.user(Uuid::now_v7(), &[Role::User, Role::Courier]));

    // Both replicas are in the middle of it: they wait for a row that the test holds.
    let held = city.bed.db.begin().await.unwrap();
    let hold = "SELECT 1 FROM deliveries FOR UPDATE";
    held.execute_unprepared(hold).await.unwrap();
    let release = async {
        let waiting = "SELECT count(*) FROM pg_stat_activity WHERE wait_event_type = 'Lock' \
                       AND datname = current_database()";
        let both = async || (city.number(waiting, []).await == 2).then_some(());
        eventually(WITHIN, "both replicas to wait", both).await;
        held.commit().await.unwrap();
    };
    let [one, two] = &couriers;
    let path = "/api/v1/order/sent";
    let (one, two, ()) = tokio::join!(one.post(path, &body), two.post(path, &body), release);
    assert_eq!((one.status, two.status), (200, 200), "{one:?} and {two:?}");
    assert_eq!(one.body, two.body);
    let told = "SELECT count(*) FROM outbox, json_array_elements(events::json)";
    assert_eq!(city.number(told, []).await, 1);
    city.delivery.stop().await;
    other.stop().await;
}

/// Runs them all at once, and gives what they say in order.
async fn all<F: Future<Output = Vec<Said>>>(asking: impl Iterator<Item = F>) -> Vec<Said> {
    futures::future::join_all(asking).await.into_iter().flatten().collect()
}
