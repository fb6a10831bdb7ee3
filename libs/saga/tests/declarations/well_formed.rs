//! The parts that the others put together wrongly do fit together.

include!("parts.in");

fn main() {
    let definition: Definition<Order> = Saga::named("order", 1)
        .step("reserve_stock", reserve_stock, learn_stock)
        .undo(release)
        .step("reserve_funds", reserve, learn)
        .undo(release)
        .pivot(confirmed)
        .tail("capture_funds", capture)
        .otherwise(rejected)
        .tail("release_funds", |order, _| release(order))
        .build();
    assert_eq!(definition.steps().count(), 5);
}
