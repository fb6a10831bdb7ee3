//! A step has to say how it is undone.

include!("parts.in");

fn main() {
    let _: Definition<Order> = Saga::named("order", 1)
        .step("reserve_funds", reserve, learn)
        .pivot(confirmed)
        .otherwise(rejected)
        .build();
}
