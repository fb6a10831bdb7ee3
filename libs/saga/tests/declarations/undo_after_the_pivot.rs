//! Nothing is undone after the pivot.

include!("parts.in");

fn main() {
    let _: Definition<Order> = Saga::named("order", 1)
        .step("reserve_funds", reserve, learn)
        .undo(release)
        .pivot(confirmed)
        .tail("capture_funds", capture)
        .undo(release)
        .otherwise(rejected)
        .build();
}
