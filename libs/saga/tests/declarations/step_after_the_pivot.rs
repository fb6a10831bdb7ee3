//! What can be refused comes before the pivot.

include!("parts.in");

fn main() {
    let _: Definition<Order> = Saga::named("order", 1)
        .pivot(confirmed)
        .step("reserve_funds", reserve, learn)
        .undo(release)
        .otherwise(rejected)
        .build();
}
