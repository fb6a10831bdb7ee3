//! Deliveries and bookings that were changed.

use audit::audit_quiet;

use crate::shop::{CONFIRMED, LONG_AGO, Shop, change};

const DELIVERED: &str = "a confirmed order of items is delivered once, to its user";
const COURIER: &str = "a delivery in an hour has its courier booked, and no other has";
const OFF: &str = "an order that was turned back is not delivered and has no courier";
const BUSY: &str = "the couriers that are busy in an hour are those that are booked in it, each once";

#[tokio::test]
async fn a_delivery_that_was_changed_is_found() {
    let shop = Shop::open().await;
    let delivery = &shop.urls.delivery;
    for (change, back, found) in [
        (
            "UPDATE deliveries SET status = 'cancelled' WHERE status = 'scheduled'",
            "UPDATE deliveries SET status = 'scheduled' WHERE order_id = '00000000-0000-0000-0000-000000001001'",
            DELIVERED,
        ),
        (
            "UPDATE deliveries SET status = 'scheduled' WHERE status = 'sent'",
            "UPDATE deliveries SET status = 'sent' WHERE order_id = '00000000-0000-0000-0000-000000001004'",
            DELIVERED,
        ),
        (
            "UPDATE deliveries SET user_id = order_id WHERE status = 'scheduled'",
            "UPDATE deliveries SET user_id = '00000000-0000-0000-0000-00000000000a'",
            DELIVERED,
        ),
        (
            "UPDATE deliveries SET status = 'scheduled' WHERE status = 'cancelled'",
            "UPDATE deliveries SET status = 'cancelled' WHERE order_id = '00000000-0000-0000-0000-000000001003'",
            OFF,
        ),
        (
            "INSERT INTO deliveries SELECT '00000000-0000-0000-0000-000000001002', status, user_id, address, \
             address_given, slot, updated_at FROM deliveries WHERE status = 'scheduled'",
            "DELETE FROM deliveries WHERE order_id = '00000000-0000-0000-0000-000000001002'",
            OFF,
        ),
        (
            "UPDATE deliveries SET slot = slot + interval '1 hour' WHERE status = 'scheduled'",
            "UPDATE deliveries SET slot = slot - interval '1 hour' WHERE status = 'scheduled'",
            COURIER,
        ),
    ] {
        assert_eq!(shop.found_after(delivery, change, back).await, [found], "{change}");
    }
}

#[tokio::test]
async fn a_booking_that_was_changed_is_found() {
    let shop = Shop::open().await;
    let delivery = &shop.urls.delivery;
    for (change, back, found) in [
        ("UPDATE slots SET busy = '[1,2]'", RIGHT_SLOTS, vec![BUSY]),
        ("UPDATE slots SET busy = '[]'", RIGHT_SLOTS, vec![BUSY]),
        (
            "UPDATE bookings SET state = 'released' WHERE courier = 2",
            "UPDATE bookings SET state = 'booked' WHERE courier = 2",
            vec![COURIER, BUSY],
        ),
        (
            "UPDATE bookings SET state = 'booked' WHERE order_id = '00000000-0000-0000-0000-000000001002'",
            "UPDATE bookings SET state = 'released' WHERE order_id = '00000000-0000-0000-0000-000000001002'",
            vec![OFF, BUSY],
        ),
    ] {
        assert_eq!(shop.found_after(delivery, change, back).await, found, "{change}");
    }
}

const RIGHT_SLOTS: &str =
    "UPDATE slots SET busy = CASE right(slot_id::text, 1) WHEN '1' THEN '[2]' ELSE '[1]' END";

#[tokio::test]
async fn an_hour_that_left_after_it_was_over_is_not_missed() {
    let shop = Shop::open().await;
    let gone = "DELETE FROM slots; UPDATE bookings SET begins_at = begins_at - interval '40 days'; \
                UPDATE deliveries SET slot = slot - interval '40 days'";
    change(&shop.urls.delivery, gone).await;
    change(&shop.urls.orchestrator, LONG_AGO).await;
    let report = audit_quiet(&shop.urls, 60).await.unwrap();
    assert!(report.is_clean(), "{report:#?}");
}

#[tokio::test]
async fn only_deliveries_of_quiet_orders_are_judged() {
    let shop = Shop::open().await;
    let missing = "DELETE FROM deliveries WHERE order_id = '00000000-0000-0000-0000-000000001001'";
    change(&shop.urls.delivery, missing).await;
    let report = audit_quiet(&shop.urls, 60).await.unwrap();
    assert!(report.is_clean() && report.orders_moving == 1, "{report:#?}");
    change(&shop.urls.orchestrator, LONG_AGO).await;
    let report = audit_quiet(&shop.urls, 60).await.unwrap();
    assert_eq!(report.orders.into_iter().collect::<Vec<_>>(), [CONFIRMED]);
}
