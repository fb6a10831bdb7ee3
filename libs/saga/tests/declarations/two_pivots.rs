//! There is one decision to go forward.

include!("parts.in");

fn main() {
    let _: Definition<Order> = Saga::named("order", 1)
        .step("reserve_funds", reserve, learn)
        .undo(release)
        .pivot(confirmed)
        .pivot(confirmed)
        .otherwise(rejected)
        .build();
}
