//! A step after the pivot cannot be refused.

include!("parts.in");

fn main() {
    let _: Definition<Order> = Saga::named("order", 1)
        .step("reserve_funds", reserve, learn)
        .undo(release)
        .pivot(confirmed)
        .tail("reserve_more_funds", reserve)
        .otherwise(rejected)
        .build();
}
