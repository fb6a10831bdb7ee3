//! An undo cannot be refused.

include!("parts.in");

fn main() {
    let _: Definition<Order> = Saga::named("order", 1)
        .step("reserve_funds", reserve, learn)
        .undo(reserve)
        .pivot(confirmed)
        .otherwise(rejected)
        .build();
}
