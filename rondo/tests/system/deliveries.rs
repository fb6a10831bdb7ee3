//! What must be true of couriers and deliveries once every order has reached its end.

use super::processes::System;

/// Every confirmed order of items is delivered and no other, and couriers are busy with exactly those that asked
/// for one.
pub(crate) async fn agree(system: &System) {
    let of = async |sql: &str| system.number("delivery", sql).await;
    let confirmed = "SELECT count(*) FROM orders WHERE status = 'confirmed' AND items <> '[]'";
    let confirmed = system.number("orchestrator", confirmed).await;
    let all = of("SELECT count(*) FROM deliveries").await;
    let scheduled = of("SELECT count(*) FROM deliveries WHERE status = 'scheduled'").await;
    assert_eq!((scheduled, all), (confirmed, confirmed), "deliveries of confirmed orders");

    let booked = of("SELECT count(*) FROM bookings WHERE state = 'booked'").await;
    let busy = of("SELECT coalesce(sum(json_array_length(busy::json)), 0)::bigint FROM slots").await;
    let places = "SELECT count(DISTINCT (slot_id, courier)) FROM bookings WHERE state = 'booked'";
    assert_eq!((busy, of(places).await), (booked, booked), "a courier is busy with one order");
    let met = "SELECT count(*) FROM deliveries JOIN bookings USING (order_id) \
               WHERE slot = begins_at AND state = 'booked'";
    let with_slot = of("SELECT count(*) FROM deliveries WHERE slot IS NOT NULL").await;
    assert_eq!((of(met).await, booked), (with_slot, with_slot), "couriers of confirmed orders");
}
