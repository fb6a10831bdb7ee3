//! A step after a rejection cannot be refused.

include!("parts.in");

fn main() {
    let _: Definition<Order> = Saga::named("order", 1)
        .pivot(confirmed)
        .otherwise(rejected)
        .tail("reserve_stock", |order: &Order, _| reserve_stock(order))
        .build();
}
