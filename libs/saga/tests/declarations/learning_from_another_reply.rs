//! A step learns from its own command's reply.

include!("parts.in");

fn main() {
    let _: Definition<Order> = Saga::named("order", 1)
        .step("reserve_stock", reserve_stock, learn)
        .undo(release)
        .pivot(confirmed)
        .otherwise(rejected)
        .build();
}
